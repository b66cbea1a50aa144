"""How commands tell of locks that remain on an account."""

from collections.abc import Sequence

from idp.people.lock_queries import Lock


def still_locked(locks: Sequence[Lock], uid: str) -> str:
    """Return the sentences for locks that remain: whose they are, and the command that removes the first."""
    owners = [lock.owner.value for lock in locks]
    how = f"idp accounts unlock {uid} --owner {owners[0]}"
    return f"The account is still locked by: {', '.join(owners)}. Remove a lock with: {how}"
