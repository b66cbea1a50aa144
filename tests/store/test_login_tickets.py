"""A login ticket is good once, for one browser and for its time; issuing it stores nothing."""

import base64
import threading
from collections.abc import Iterator

import pytest

from idp.db.databases import Databases
from idp.db.raw import RawStore, open_raw
from idp.sso.login_tickets import HEARINGS, LoginTickets
from tests.support.clock import ManualClock

KEY, BROWSER = b"k" * 32, "A" * 29


@pytest.fixture
def store(databases: Databases) -> Iterator[RawStore]:
    opened = open_raw(databases)
    yield opened
    opened.close()


@pytest.fixture
def tickets(store: RawStore, clock: ManualClock) -> LoginTickets:
    return LoginTickets(store, KEY, clock, 3600)


def rows(store: RawStore) -> int:
    with store.lend() as raw:
        return int(raw.all("SELECT count(*) FROM used_login_ticket")[0][0])


def test_a_ticket_is_good_once_and_stored_when_it_is_used(store: RawStore, tickets: LoginTickets) -> None:
    ticket = tickets.issue(BROWSER, "123456")
    assert rows(store) == 0

    assert tickets.consume(ticket, BROWSER) == "123456"
    assert tickets.consume(ticket, BROWSER) is None
    assert rows(store) == 1


def test_another_process_knows_that_it_was_used(store: RawStore, tickets: LoginTickets, clock: ManualClock) -> None:
    ticket = tickets.issue(BROWSER)

    assert LoginTickets(store, KEY, clock, 3600).consume(ticket, BROWSER) == ""
    assert tickets.consume(ticket, BROWSER) is None


@pytest.mark.parametrize("browser", ["", "B" * 29, "A" * 28])
def test_another_browser_cannot_use_it(store: RawStore, tickets: LoginTickets, browser: str) -> None:
    ticket = tickets.issue(BROWSER)

    assert tickets.consume(ticket, browser) is None
    assert rows(store) == 0
    assert tickets.consume(ticket, BROWSER) == ""


def test_it_expires_and_its_row_goes(store: RawStore, tickets: LoginTickets, clock: ManualClock) -> None:
    used, late = tickets.issue(BROWSER), tickets.issue(BROWSER)
    assert tickets.consume(used, BROWSER) == ""
    assert tickets.drop_expired() == 0
    clock.advance(3600)

    assert tickets.consume(late, BROWSER) is None
    assert tickets.drop_expired() == 1
    assert rows(store) == 0


def test_what_we_did_not_issue_is_not_good(store: RawStore, tickets: LoginTickets, clock: ManualClock) -> None:
    ticket, hearing = tickets.issue(BROWSER), tickets.issue_hearing("123456")
    other_key = LoginTickets(store, b"o" * 32, clock, 3600).issue(BROWSER)
    changed = ticket[:-2] + ("A" if ticket[-2] != "A" else "B") + ticket[-1]
    bad = ["", "LT-", "LT-1", ticket.lower(), ticket[3:], f"LT-{hearing}", other_key, changed, "LT-" + "A" * 5000]
    bad += [ticket + "=", ticket + "\u017b", "LT-" + base64.b32encode(b"x" * 60).decode().rstrip("=")]

    assert [text for text in bad if tickets.consume(text, BROWSER) is not None] == []
    assert rows(store) == 0


def test_one_ticket_in_another_spelling_is_the_same_ticket(tickets: LoginTickets) -> None:
    ticket = tickets.issue(BROWSER)
    # The last letter of base32 holds bits that nothing reads.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    spellings = [ticket[:-1] + letter for letter in alphabet]

    assert len([text for text in spellings if tickets.consume(text, BROWSER) is not None]) == 1


def test_of_many_parallel_takers_one_gets_it(tickets: LoginTickets) -> None:
    ticket, won = tickets.issue(BROWSER), list[str]()

    def take() -> None:
        if tickets.consume(ticket, BROWSER) is not None:
            won.append(ticket)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert won == [ticket]


def test_the_code_is_heard_a_few_times(tickets: LoginTickets) -> None:
    key = tickets.issue_hearing("123456")

    assert [tickets.hear(key) for _ in range(HEARINGS + 1)] == ["123456"] * HEARINGS + [None]
    assert tickets.hear(tickets.issue(BROWSER, "1").removeprefix("LT-")) is None
