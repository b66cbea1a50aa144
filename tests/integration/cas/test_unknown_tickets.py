"""Tickets that nobody issued cost the journal next to nothing: anybody can invent them."""

from idp.audit.sampler import EVERY_S
from tests.support.clock import ManualClock
from tests.support.sign_on import Browser, SignOn

APP = "http://127.0.0.1:9000/app"


def test_invented_tickets_are_told_of_once_an_hour_with_their_number(
    sign_on: SignOn, visitor: Browser, clock: ManualClock
) -> None:
    def ask(times: int) -> None:
        for _ in range(times):
            answer = visitor.open("/cas/serviceValidate", service=APP, ticket="ST-" + "A" * 29)
            assert "INVALID_TICKET" in answer.text

    ask(10)
    clock.advance(EVERY_S)
    ask(10)

    with sign_on.raw.lend() as raw:
        told = raw.all("SELECT data FROM event_pending WHERE kind = 'ticket.refused' ORDER BY event_id")
    assert [data for (data,) in told] == ['{"application":"","refused":1}', '{"application":"","refused":10}']
