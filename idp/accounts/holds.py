"""Keep an account closed, or let go of it: what a human decides, whatever the records say."""

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import Conflict, NotFound
from idp.people.account_queries import load_account, refuse_last_administrator, set_enabled
from idp.people.change_queries import queue_recompute
from idp.people.hold_queries import Hold, add_hold, drop_hold
from idp.people.values import Priority


def hold(databases: Databases, clock: Clock, account_id: str, actor: str, reason: str) -> None:
    """Keep an account closed until somebody lets go of it.

    Raises:  NotFound; Conflict when it is held already; LastAdministrator
    Effect:  the account is closed in this transaction, so no session of it counts any more; the person is marked, so
             that targets follow, and account.held says who and why
    """
    now = clock.now()
    with databases.identity.write() as connection:
        found = load_account(connection, account_id)
        if found is None:
            raise NotFound(f"there is no account {account_id}")
        refuse_last_administrator(connection, found)
        if not add_hold(connection, Hold(account_id, actor, reason[:200], now)):
            raise Conflict("this account is held already")
        set_enabled(connection, account_id, False)
        queue_recompute(connection, [account_id], Priority.LIVE)
        record(connection, now.timestamp(), Event(event_types.ACCOUNT_HELD, account_id, actor, reason[:200]))


def release(databases: Databases, clock: Clock, account_id: str, actor: str) -> None:
    """Let go of a held account: what the records say counts again.

    Raises:  NotFound when nobody holds it
    Effect:  the person is marked, so that the account opens if the records say so; account.released
    """
    now = clock.now()
    with databases.identity.write() as connection:
        found = load_account(connection, account_id)
        if found is None or not drop_hold(connection, account_id):
            raise NotFound(f"nobody holds an account {account_id}")
        queue_recompute(connection, [account_id], Priority.LIVE)
        record(connection, now.timestamp(), Event(event_types.ACCOUNT_RELEASED, account_id, actor))
