"""Messages of both outboxes are taken once, in order, and sent until they are confirmed or given up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.db import outbox
from idp.db.backoff import Backoff
from idp.db.databases import Databases
from idp.db.dispatcher import SENT, Delivery, Dispatcher, IdentityOutbox, SessionOutbox, Verdict
from idp.db.outbox import Message, MessageState
from idp.db.raw import Raw, open_raw
from tests.support.clock import ManualClock

RETRY = Delivery(Verdict.RETRY, "x" * 300)
LEASE_S, MAX_ATTEMPTS = 60, 3


class Rig:
    """A dispatcher of one of the databases, and what it reported."""

    def __init__(self, box: IdentityOutbox | SessionOutbox, clock: ManualClock) -> None:
        self.box = box
        self.clock = clock
        self.settled: list[tuple[str, Verdict]] = []
        self.dispatcher = Dispatcher("note", box, clock, Backoff(10, 15), MAX_ATTEMPTS, LEASE_S, self._on_settled)

    def _on_settled(self, _raw: Raw, message: Message, delivery: Delivery, _at: float) -> None:
        self.settled.append((message.message_id, delivery.verdict))

    def add(self, *names: str, kind: str = "note", in_s: float = 0) -> None:
        now = self.clock.timestamp()
        with self.box.write() as raw:
            outbox.add(raw, [Message(name, kind, "", None, "p1", "http://x", "{}", now) for name in names], now + in_s)

    def take(self, limit: int = 10) -> list[str]:
        return [message.message_id for message in self.dispatcher.take_due(limit)]

    def attempt(self, delivery: Delivery) -> Verdict:
        (message,) = self.dispatcher.take_due(1)
        return self.dispatcher.attempt(message, lambda _message: delivery).verdict

    def states(self) -> dict[str, int]:
        with self.box.read() as raw:
            return {state: number for state, number in outbox.count(raw, "note").items() if number}


@pytest.fixture(params=["identity", "sessions"])
def rig(request: pytest.FixtureRequest, databases: Databases, clock: ManualClock, tmp_path: Path) -> Iterator[Rig]:
    raw_store = open_raw(databases)
    yield Rig(IdentityOutbox(databases.identity) if request.param == "identity" else SessionOutbox(raw_store), clock)
    raw_store.close()


def test_messages_are_taken_by_one_dispatcher_each(rig: Rig) -> None:
    rig.add("a", "b", "c", in_s=30)
    assert not rig.dispatcher.any_due()
    rig.clock.advance(30)
    assert rig.dispatcher.any_due()

    assert len(rig.take(2)) == 2
    assert len(rig.take(5)) == 1
    assert rig.take(5) == []


def test_the_longest_waiting_message_goes_first(rig: Rig) -> None:
    rig.add("later", in_s=20)
    rig.add("sooner", in_s=10)
    rig.clock.advance(30)

    assert rig.take(1) == ["sooner"]


def test_messages_of_another_kind_are_not_taken(rig: Rig) -> None:
    rig.add("a", kind="letter")

    assert not rig.dispatcher.any_due()
    assert rig.take() == []


def test_a_message_whose_sender_died_is_taken_again(rig: Rig) -> None:
    rig.add("a")
    assert rig.take() == ["a"]

    rig.clock.advance(LEASE_S)

    assert rig.take() == ["a"]


def test_a_failed_message_waits_longer_each_time_and_is_given_up(rig: Rig) -> None:
    rig.add("a")

    assert rig.attempt(RETRY) is Verdict.RETRY
    assert rig.take() == []
    rig.clock.advance(10)
    assert rig.attempt(RETRY) is Verdict.RETRY
    rig.clock.advance(10)
    assert rig.take() == []
    rig.clock.advance(5)
    assert rig.attempt(RETRY) is Verdict.GIVE_UP

    assert (rig.states(), rig.settled) == ({MessageState.DEAD: 1}, [("a", Verdict.GIVE_UP)])
    rig.clock.advance(10**6)
    assert rig.take() == []


def test_a_message_that_cannot_arrive_is_given_up_at_once(rig: Rig) -> None:
    rig.add("a")

    assert rig.attempt(Delivery(Verdict.GIVE_UP, "no such place")) is Verdict.GIVE_UP
    assert rig.states() == {MessageState.DEAD: 1}


def test_a_delayed_message_is_never_given_up(rig: Rig) -> None:
    rig.add("a")

    for _ in range(MAX_ATTEMPTS + 1):
        assert rig.attempt(Delivery(Verdict.DELAY, "no key")) is Verdict.DELAY
        assert rig.take() == []
        rig.clock.advance(15)

    assert rig.attempt(SENT) is Verdict.SENT


def test_a_message_is_settled_once_though_two_delivered_it(rig: Rig) -> None:
    rig.add("a")
    (slow,) = rig.dispatcher.take_due(1)
    rig.clock.advance(LEASE_S)
    assert rig.attempt(SENT) is Verdict.SENT

    rig.dispatcher.attempt(slow, lambda _message: Delivery(Verdict.GIVE_UP, "lost"))
    rig.dispatcher.attempt(slow, lambda _message: SENT)

    assert (rig.states(), rig.settled) == ({MessageState.SENT: 1}, [("a", Verdict.SENT)])


def test_a_sent_message_is_forgotten_after_a_while(rig: Rig) -> None:
    rig.add("a", "b")
    assert rig.attempt(SENT) is Verdict.SENT
    with rig.box.read() as raw:
        (sent,) = outbox.newest(raw, "note", MessageState.SENT, 10)
    assert sent.content == ""  # it may have held a secret

    rig.clock.advance(100)

    assert rig.dispatcher.forget_settled(kept_s=101) == 0
    assert rig.dispatcher.forget_settled(kept_s=99) == 1
    assert rig.states() == {MessageState.PENDING: 1}
