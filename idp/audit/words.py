"""The vocabulary of events. docs/events.md lists them all; a test compares."""

from typing import Final

# Each package's words stand together; the value is what the journal keeps for ever.

REGISTRY_IMPORTED: Final = "registry.imported"
REGISTRY_REFUSED: Final = "registry.refused"
PERSON_ADDED: Final = "person.added"
PERSON_CHANGED: Final = "person.changed"
PERSON_SAME_PESEL: Final = "person.same_pesel"

RUN_PLANNED: Final = "run.planned"
RUN_WAITING: Final = "run.waiting"
RUN_APPROVED: Final = "run.approved"
RUN_APPLIED: Final = "run.applied"
RUN_FAILED: Final = "run.failed"
RUN_PAUSED: Final = "run.paused"
RUN_RESUMED: Final = "run.resumed"
RUN_CANCELLED: Final = "run.cancelled"
RUN_RELEASED: Final = "run.released"
TARGET_CHANGED: Final = "target.changed"
TARGET_GAVE_UP: Final = "target.gave_up"
TARGET_LET_GO: Final = "target.let_go"
TARGET_UNAVAILABLE: Final = "target.unavailable"
TARGET_RECOVERED: Final = "target.recovered"

CLAIM_MATCHED: Final = "claim.matched"
CLAIM_REFUSED: Final = "claim.refused"
ACCOUNT_CLAIMED: Final = "account.claimed"
PASSWORD_SET: Final = "password.set"  # noqa: S105 - a word of the journal, no password
MAIL_NAME_CHOSEN: Final = "mail_name.chosen"
MAIL_NAME_REFUSED: Final = "mail_name.refused"
STAFF_INVITED: Final = "staff.invited"
STAFF_JOINED: Final = "staff.joined"

LETTER_OWED: Final = "letter.owed"
LETTER_SENT: Final = "letter.sent"
LETTER_GIVEN_UP: Final = "letter.given_up"

SIGNED_IN: Final = "sign_in.succeeded"
SIGN_IN_REFUSED: Final = "sign_in.refused"
GUESSING_NOTICED: Final = "sign_in.guessing"
SIGNED_OUT: Final = "session.ended"
TICKET_ISSUED: Final = "ticket.issued"
TICKET_VALIDATED: Final = "ticket.validated"
TICKET_REFUSED: Final = "ticket.refused"
PROXY_GRANTED: Final = "proxy.granted"
LOGOUT_CONFIRMED: Final = "logout.confirmed"
LOGOUT_GIVEN_UP: Final = "logout.given_up"
SERVICES_REFUSED: Final = "services.refused"
