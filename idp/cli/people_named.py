"""Find the person that an argument PERSON names."""

from idp.app.installation import Idp
from idp.errors import NotFound
from idp.people.account_queries import Account, find_account, find_account_of_record, load_account
from idp.sso.identifiers import tell_apart

HOW_TO_NAME = "Give a uid, an album number or a university mail address. Search by name with: idp people find NAME"
PERSON = "PERSON"
"""The argument: a uid, an album number, an alias or a mail address."""


def account_named(installation: Idp, text: str) -> Account:
    """Return the account of the student or member of staff that `text` names: uid, album number, alias, mail address.

    Raises:  NotFound
    """
    people = installation.settings.people
    named = tell_apart(text, people.mail_domain, people.alias_prefix)
    with installation.databases.identity.read() as connection:
        account = find_account(connection, named.key, named.value) if named else None
    if account is None:
        raise NotFound(f"there is nobody called {text}. {HOW_TO_NAME}")
    return account


def person_named(installation: Idp, text: str, *, or_staff: bool = False) -> str:
    """Return the key of the student that `text` names: album number, alias, mail address, uid, or the key itself.

    Shape:   or_staff: a member of staff may be named, too
    Raises:  NotFound
    """
    people = installation.settings.people
    named = tell_apart(text, people.mail_domain, people.alias_prefix)
    with installation.databases.identity.read() as connection:
        account = find_account_of_record(connection, named.key, named.value) if named else None
        account = account or load_account(connection, text)
    if account is None or not (or_staff or account.kind == "student"):
        raise NotFound(f"there is {'nobody' if or_staff else 'no student'} called {text}. {HOW_TO_NAME}")
    return account.account_id
