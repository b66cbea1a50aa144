"""Find the person whom somebody names at a terminal."""

from idp.app.installation import Idp
from idp.errors import NotFound
from idp.people.account_queries import find_account_of_record, load_account
from idp.sso.identifiers import tell_apart


def person_named(installation: Idp, text: str) -> str:
    """Return the key of the student that `text` names: album number, alias, mail address, uid, or the key itself.

    Raises:  NotFound
    """
    people = installation.settings.people
    named = tell_apart(text, people.mail_domain, people.alias_prefix)
    with installation.databases.identity.read() as connection:
        account = find_account_of_record(connection, named.key, named.value) if named else None
        account = account or load_account(connection, text)
    if account is None or account.kind != "student":
        raise NotFound(f"no student is called {text}: give an album number, a uid or a mail address of ours")
    return account.account_id
