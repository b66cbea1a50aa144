"""Nobody can fill the journal with addresses that are not registered."""

from idp.applications.unregistered import UnregisteredNotes, host_of
from idp.audit.sampler import EVERY_S, MOST
from tests.support.clock import ManualClock


def test_each_host_is_told_of_once_an_hour_with_the_number_of_refusals() -> None:
    clock, told = ManualClock(), list[tuple[str, int]]()
    notes = UnregisteredNotes(lambda host, count: told.append((host, count)), clock)

    for _ in range(5):
        notes.note("https://a.example/x?token=secret")
        notes.note("javascript:x")
    assert told == [("a.example", 1), ("", 1)]
    clock.advance(EVERY_S)
    notes.note("https://a.example/")

    assert told[2:] == [("a.example", 5)]


def test_many_hosts_are_counted_together() -> None:
    clock, told = ManualClock(), list[tuple[str, int]]()
    notes = UnregisteredNotes(lambda host, count: told.append((host, count)), clock)
    for number in range(10 * MOST):
        notes.note(f"https://host{number}.example/")

    assert len(told) == MOST + 1
    assert told[-1] == ("*", 1)


def test_only_the_host_is_kept() -> None:
    assert host_of("https://Fees.Example:8443/app?ticket=ST-1") == "fees.example"
    assert host_of("https://user:password@fees.example/") == ""
