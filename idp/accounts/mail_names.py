"""Choose a mail name: proposals that are free, and the choice itself, for ever."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection

from idp.aliases.alias import alias_address, alias_local_part
from idp.aliases.look_alikes import look_alike_key
from idp.aliases.proposals import FullName, numbered, proposals
from idp.aliases.refusals import NameRules, parse_local_part, refusal_of
from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import AliasTaken, Conflict, InvalidAddress, NotAllowed, NotFound, TargetError
from idp.people.address_queries import Addresses, NewAddress, give, taken_among
from idp.people.change_queries import queue_recompute
from idp.people.settings import PeopleSettings
from idp.people.snapshot import PersonSnapshot, load_snapshot
from idp.people.values import Album, Priority, album_number

NUMBERED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a choice gave, and whether the directory has it already; if not, the worker brings it."""

    addresses: Addresses
    is_delivered: bool


@dataclass(frozen=True, slots=True)
class MailNames:
    """Proposals and choice, and what they need.

    Shape:   reconcile_person: brings a person's directory entry up to date at once (idp.provisioning.live);
             raises TargetError
    """

    databases: Databases
    clock: Clock
    rules: NameRules
    people: PeopleSettings
    reconcile_person: Callable[[str], object]

    def addresses(self, person_id: str) -> Addresses:
        """Return the addresses that a person has, those of merged records too."""
        with self.databases.identity.read() as connection:
            return self._snapshot(connection, person_id).addresses

    def alias_of(self, album: Album) -> str:
        """Return the alias that comes with any choice."""
        return alias_address(album, self.people.alias_prefix, self.people.mail_domain)

    def free_proposals(self, person_id: str, most: int) -> tuple[str, ...]:
        """Return free names for a person, the most usual first; empty when the name has no readable letter.

        Raises:  NotFound
        """
        with self.databases.identity.read() as connection:
            wanted = proposals(_full_name(self._snapshot(connection, person_id)), self.rules)
            if not wanted:
                return ()
            taken = self._taken(connection, wanted)
            free = [name for name in wanted if name not in taken]
            if wanted[0] in taken:
                free[:0] = self._free_numbered(connection, wanted[0], most // 2)
        return tuple(free[:most])

    def choose(self, person_id: str, typed: str) -> Chosen:
        """Give a person the mail name and the alias of the album number.

        Shape:   typed: "jan.kowalski", with or without our domain behind it
        Raises:  InvalidAddress with the rule's word; AliasTaken; NotAllowed for whoever has no album number;
                 Conflict when another name was chosen before
        Effect:  assigned identifiers, addresses, person_change and mail_name.chosen in one transaction, then the
                 directory at once. If the directory does not answer, the choice stands and the worker writes it. A
                 repeat is harmless.
        """
        name = parse_local_part(typed, self.rules.domain)
        try:
            addresses = self._write(person_id, name)
        except (InvalidAddress, AliasTaken) as refusal:
            self._record_refusal(person_id, refusal)
            raise
        try:
            self.reconcile_person(person_id)
        except TargetError:
            return Chosen(addresses, is_delivered=False)
        return Chosen(addresses, is_delivered=True)

    def _write(self, person_id: str, name: str) -> Addresses:
        now = self.clock.now()
        with self.databases.identity.write() as connection:
            person = self._snapshot(connection, person_id)
            if person.album is None:
                raise NotAllowed("no album number, no alias")
            before = person.addresses
            if before.primary is not None:
                if before.primary == f"{name}@{self.rules.domain}":
                    return before
                raise Conflict("a mail name was chosen before")
            refusal = refusal_of(name, self.rules, _full_name(person).words())
            if refusal is not None:
                raise InvalidAddress(refusal.value)
            give(connection, now, person_id, self._primary(name), self._alias(person.album))
            queue_recompute(connection, [person_id], Priority.LIVE)
            addresses = self._snapshot(connection, person_id).addresses
            data = {"primary": addresses.primary, "alias": addresses.alias}
            chosen = Event(event_types.MAIL_NAME_CHOSEN, subject=person_id, actor=person_id, data=data)
            record(connection, now.timestamp(), chosen)
        return addresses

    def _snapshot(self, connection: Connection, person_id: str) -> PersonSnapshot:
        # Names and addresses are the same on every day.
        found = load_snapshot(connection, person_id, self.people, self.clock.now().date())
        if found is None:
            raise NotFound("no such person")
        return found

    def _primary(self, name: str) -> NewAddress:
        return NewAddress(f"{name}@{self.rules.domain}", self._looks_like(name))

    def _alias(self, album: Album) -> NewAddress:
        # Zeros in front mean nothing: s007@ and s7@ would be one number, and no chosen name comes near (refusals.py).
        local_part = alias_local_part(Album(album_number(album)), self.people.alias_prefix)
        return NewAddress(self.alias_of(album), f"{local_part}@{self.people.mail_domain}")

    def _looks_like(self, name: str) -> str:
        return f"{look_alike_key(name)}@{self.rules.domain}"

    def _taken(self, connection: Connection, names: tuple[str, ...]) -> set[str]:
        """Return those of `names` that anybody has or had, or that look like such a one."""
        taken = taken_among(connection, [self._looks_like(name) for name in names])
        return {name for name in names if self._looks_like(name) in taken}

    def _free_numbered(self, connection: Connection, name: str, most: int) -> list[str]:
        """Return the first free ones of name2, name3, …, asked for in batches: some names are very common."""
        candidates = numbered(name, self.rules)
        while batch := tuple(islice(candidates, NUMBERED_AT_ONCE)):
            taken = self._taken(connection, batch)
            if free := [each for each in batch if each not in taken]:
                return free[: max(most, 1)]
        return []

    def _record_refusal(self, person_id: str, refusal: InvalidAddress | AliasTaken) -> None:
        reason = refusal.code if isinstance(refusal, AliasTaken) else str(refusal)
        with self.databases.identity.write() as connection:
            refused = Event(event_types.MAIL_NAME_REFUSED, subject=person_id, actor=person_id, reason=reason)
            record(connection, self.clock.timestamp(), refused)


def _full_name(person: PersonSnapshot) -> FullName:
    return FullName(person.given_name, person.middle_name, person.surname_prefix, person.surname)
