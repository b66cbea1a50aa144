"""Lock and unlock accounts: what a human decides counts whatever the records say."""

from datetime import datetime

from idp.audit import event_types
from idp.audit.events import SYSTEM, Event, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.db.outbox import Message
from idp.db.raw import RawStore
from idp.errors import Conflict, InvalidInput, NotFound
from idp.people.account_queries import load_account, refuse_last_administrator, set_enabled
from idp.people.change_queries import queue_recompute
from idp.people.lock_queries import Lock, add_lock, ended_locks, locks_of, remove_lock
from idp.people.values import LockOwner, Priority
from idp.permissions import Actor, Permission
from idp.sso.sessions import Ended, end_all

AT_ONCE = 500  # locks per transaction


def lock_account(
    databases: Databases,
    clock: Clock,
    account_id: str,
    actor: Actor,
    reason: str,
    owner: LockOwner = LockOwner.OPERATOR,
    ends_at: datetime | None = None,
) -> None:
    """Lock an account until its owner's lock is removed or ends.

    Raises:  NotAllowed; InvalidInput when it would have ended already; NotFound; LastAdministrator;
             Conflict when this owner locks it at the same moment
    Effect:  the account is disabled in this transaction, so no session of it counts any more. Targets follow by a live
             change, and account.locked says who and why. This lock replaces an earlier one of the same owner.
    """
    if owner is not LockOwner.SELF or actor.actor_id != account_id:
        actor.require(Permission.ACCOUNTS_LOCK)
    now = clock.now()
    if ends_at is not None and ends_at <= now:
        raise InvalidInput("the lock would have ended already: name a later day")
    with databases.identity.write() as connection:
        account = load_account(connection, account_id)
        if account is None:
            raise NotFound(f"there is no account {account_id}")
        refuse_last_administrator(connection, account)
        is_replaced = remove_lock(connection, account_id, owner)
        if not add_lock(connection, Lock(account_id, owner, actor.actor_id, reason[:200], now, ends_at)):
            raise Conflict("somebody else locks this account at this moment")
        set_enabled(connection, account_id, False)
        queue_recompute(connection, [account_id], Priority.LIVE)
        data = {"owner": owner.value, "ends_at": ends_at.isoformat() if ends_at else None, "replaced": is_replaced}
        record(
            connection,
            now.timestamp(),
            Event(event_types.ACCOUNT_LOCKED, account_id, actor.actor_id, reason[:200], data),
        )


def lock_and_sign_out(
    databases: Databases,
    raw_store: RawStore,
    clock: Clock,
    account_id: str,
    actor: Actor,
    reason: str,
    owner: LockOwner = LockOwner.OPERATOR,
    ends_at: datetime | None = None,
) -> list[Message]:
    """Lock an account, end its sessions, and return the sign-out messages; whoever has time sends them now.

    Raises:  as `lock_account`
    Effect:  as `lock_account`, and session.ended; where this is killed in between, the worker ends the sessions
    """
    lock_account(databases, clock, account_id, actor, reason, owner, ends_at)
    return end_all(raw_store, clock, account_id, Ended.ACCOUNT_CLOSED, actor)


def unlock_account(
    databases: Databases, clock: Clock, account_id: str, actor: Actor, owner: LockOwner = LockOwner.OPERATOR
) -> list[Lock]:
    """Remove one owner's lock, and return the locks that remain. Without any, what the records say counts again.

    Raises:  NotAllowed; NotFound when this owner has no lock on it
    Effect:  a live change, so that the account opens if the records say so; account.unlocked
    """
    if owner is not LockOwner.SELF or actor.actor_id != account_id:
        actor.require(Permission.ACCOUNTS_UNLOCK)
    now = clock.now()
    with databases.identity.write() as connection:
        if not remove_lock(connection, account_id, owner):
            others = ", ".join(lock.owner for lock in locks_of(connection, account_id))
            rest = f"; it is locked by: {others}" if others else ""
            raise NotFound(f"there is no lock of owner {owner} on this account{rest}")
        queue_recompute(connection, [account_id], Priority.LIVE)
        data = {"owner": owner.value}
        record(connection, now.timestamp(), Event(event_types.ACCOUNT_UNLOCKED, account_id, actor.actor_id, data=data))
        return locks_of(connection, account_id)


def end_locks(databases: Databases, clock: Clock) -> int:
    """Remove locks whose end has come, and return how many.

    Effect:  a change by the calendar, so the worker's next run opens the accounts if the records say so;
             account.unlocked with the reason `ended`
    """
    now = clock.now()
    with databases.identity.read() as connection:
        if not ended_locks(connection, now, limit=1):
            return 0
    with databases.identity.write() as connection:
        ended = ended_locks(connection, now, limit=AT_ONCE)
        for lock in ended:
            remove_lock(connection, lock.account_id, lock.owner)
            event = Event(event_types.ACCOUNT_UNLOCKED, lock.account_id, SYSTEM, "ended", {"owner": lock.owner.value})
            record(connection, now.timestamp(), event)
        queue_recompute(connection, sorted({lock.account_id for lock in ended}))
    return len(ended)
