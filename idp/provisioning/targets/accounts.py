"""Our own accounts, the right to sign in, as a target: planned, guarded and approved like every other one.

It is over our own store, so it has no settings. An entry is an account that was opened at least once, so opening a new
one is a create. What a human decided about an account is kept apart
(idp.people.lock_queries) and is part of what is desired.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import ClassVar

from more_itertools import chunked

from idp.db.databases import Database, StoreError
from idp.errors import IdpError, TargetRejected, TargetUnavailable
from idp.people.account_queries import is_name_of_others, last_administrators, open_or_close, switches
from idp.provisioning.target import Stage
from idp.provisioning.values import Change, Entry, Outcome, digest_of

KIND = "accounts"
AT_ONCE = 500  # per transaction: others write in between


@dataclass(frozen=True, slots=True)
class AccountsTarget:
    """The accounts of students and staff."""

    identity: Database
    stage: ClassVar[Stage] = Stage.ACCESS
    entry_name: ClassVar[str] = "uid"

    @property
    def kind(self) -> str:
        return KIND

    @property
    def attributes(self) -> Mapping[str, str | tuple[str, ...]]:
        """Only the switch is managed; names and addresses are the store's own."""
        return {}

    def read(
        self, person_ids: Sequence[str] | None = None, names: Mapping[str, str] | None = None
    ) -> Generator[Entry, None, None]:
        """Yield accounts that were ever opened, all or these people's."""
        del names  # our own store finds people by their key
        with _answering(), self.identity.read() as connection:
            for one in switches(connection, person_ids):
                yield Entry(one.account_id, one.uid, one.is_open, {})

    def digests(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) of all of them."""
        with _answering(), self.identity.read() as connection:
            for one in switches(connection):
                yield one.account_id, digest_of(one.uid, one.is_open, ())

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        """Open and close accounts, some hundreds in a transaction; a repeat is harmless."""
        for some in chunked(changes, AT_ONCE):
            yield from self._apply_some(some)

    def read_one(self, person_id: str, name: str) -> Entry | None:
        """Return one person's account, if it was ever opened."""
        with closing(self.read([person_id])) as found:
            entry = next(found, None)
        if entry is None:
            with _answering(), self.identity.read() as connection:
                if is_name_of_others(connection, name, person_id):
                    raise TargetRejected(f"the account {name} is somebody else's")
        return entry

    def apply_one(self, change: Change) -> Outcome:
        """Open or close one account."""
        (outcome,) = self._apply_some([change])
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def ping(self) -> None:
        """Return if the store answers."""
        with _answering(), self.identity.read():
            pass

    def close(self) -> None:
        """Nothing is kept open."""

    def _apply_some(self, changes: Sequence[Change]) -> list[Outcome]:
        wanted = {one.person_id: one.after.enabled for one in changes if one.after is not None}
        with _answering(), self.identity.write() as connection:
            # Asked here too: two writers at once could each count on the administrator whom the other closes.
            last = last_administrators(connection, [each for each, is_open in wanted.items() if not is_open])
            open_or_close(connection, {each: is_open for each, is_open in wanted.items() if each not in last})
            there = {one.account_id: one.is_open for one in switches(connection, list(wanted))}
        refused = TargetRejected("the last administrator is not disabled; invite another one first")
        return [
            Outcome(one, refused if one.person_id in last else _error(one, there.get(one.person_id))) for one in changes
        ]


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except StoreError as exc:
        raise TargetUnavailable("the store did not answer") from exc


def _error(change: Change, is_open: bool | None) -> IdpError | None:
    if change.after is None:
        return TargetRejected("accounts are closed and never removed")
    if is_open is None:
        return TargetRejected("there is no such account")
    if is_open != change.after.enabled:
        return TargetRejected("a human locked this account")
    return None
