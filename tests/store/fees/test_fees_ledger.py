"""Charges and payments: exact, once, all of a list or none."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.errors import Conflict, IdpError, InvalidInput, NotFound
from idp.fees import tables
from idp.fees.account_numbers import Nrb, make_nrb
from idp.fees.charges import NewCharge, record_charges
from idp.fees.database import Database
from idp.fees.journal import latest
from idp.fees.ledger import Ledger, load_ledger, load_ledgers
from idp.fees.lists import Recorded
from idp.fees.money import Money
from idp.fees.payments import NewPayment, record_payments
from idp.fees.settings import FeesSettings
from idp.fees.student_tables import find_student
from idp.fees.students import import_students
from tests.support.clock import ManualClock
from tests.support.fees import registry_export, student_row
from tests.unit.fees.factories import day

ZONE = "Europe/Warsaw"
SETTINGS = FeesSettings()
CHARGE = NewCharge("12345", "Czesne", 145_000, day("2026-10-15"), "c1", "fees", "Tuition")


class Cashier:
    """Two students with an account each, and what is recorded for them."""

    def __init__(self, database: Database, folder: Path, clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        rows = [student_row(), student_row(os_id="1002", nr_albumu="7")]
        import_students(database, SETTINGS, ZONE, clock, registry_export(folder / "export.csv", rows), "shell:test")
        self.nrb = self.ledger("12345").accounts[0].nrb
        self.payment = NewPayment(self.nrb, 145_000, day("2026-09-28"), day("2026-09-30"), "p1")

    def ledger(self, album: str) -> Ledger:
        with self.database.read() as connection:
            student = find_student(connection, album)
            assert student is not None
            return load_ledger(connection, student.student_id)

    def charge(self, *wanted: NewCharge) -> Recorded:
        return record_charges(self.database, SETTINGS.kinds, self.clock, wanted, "shell:test")

    def pay(self, *wanted: NewPayment) -> Recorded:
        return record_payments(self.database, ZONE, self.clock, wanted, "shell:test")


@pytest.fixture
def cashier(database: Database, tmp_path: Path, clock: ManualClock) -> Cashier:
    return Cashier(database, tmp_path, clock)


def test_a_charge_and_a_payment_are_kept_to_the_grosz(cashier: Cashier) -> None:
    cashier.charge(CHARGE)
    cashier.pay(cashier.payment)

    ledger = cashier.ledger("12345")
    assert ledger.charges[0].amount == ledger.payments[0].amount == Money(145_000, "PLN")
    assert (ledger.charges[0].title, ledger.charges[0].title_en) == ("Czesne", "Tuition")
    assert (ledger.payments[0].ordered_on, ledger.payments[0].credited_on) == (day("2026-09-28"), day("2026-09-30"))


def test_a_student_has_only_what_is_their_own(cashier: Cashier) -> None:
    cashier.charge(CHARGE)
    cashier.pay(cashier.payment)

    other = cashier.ledger("7")

    assert (other.charges, other.payments) == ((), ())
    assert other.accounts[0].nrb != cashier.nrb


def test_the_lists_of_all_ledgers_say_what_each_ledger_says(cashier: Cashier) -> None:
    cashier.charge(CHARGE)
    cashier.pay(cashier.payment)

    with cashier.database.read() as connection:
        together = load_ledgers(connection)

    assert sorted(together.values(), key=lambda one: one.accounts[0].nrb) == sorted(
        [cashier.ledger("12345"), cashier.ledger("7")], key=lambda one: one.accounts[0].nrb
    )


def test_the_same_reference_again_is_the_same_entry(cashier: Cashier) -> None:
    assert cashier.charge(CHARGE) == Recorded(added=1, known=0)
    assert cashier.charge(CHARGE, CHARGE) == Recorded(added=0, known=2)
    assert cashier.pay(cashier.payment) == Recorded(added=1, known=0)
    assert cashier.pay(cashier.payment) == Recorded(added=0, known=1)

    assert len(cashier.ledger("12345").charges) == len(cashier.ledger("12345").payments) == 1


def test_a_reference_spelt_with_other_blanks_is_the_same_entry(cashier: Cashier) -> None:
    charge, payment = replace(CHARGE, reference="A  B"), replace(cashier.payment, reference=" A  B ")

    assert cashier.charge(charge) == Recorded(added=1, known=0)
    assert cashier.charge(charge) == Recorded(added=0, known=1)
    assert cashier.pay(payment) == Recorded(added=1, known=0)
    assert cashier.pay(payment) == Recorded(added=0, known=1)


def test_mistakes_are_told_in_the_order_of_the_list(cashier: Cashier) -> None:
    cashier.charge(CHARGE)

    with pytest.raises(InvalidInput, match=r"(?s)entry 1: .*entry 2: "):
        cashier.charge(replace(CHARGE, minor=1), replace(CHARGE, reference="bad", album="99"))


def test_two_equal_payments_with_two_references_are_two_payments(cashier: Cashier) -> None:
    assert cashier.pay(cashier.payment, replace(cashier.payment, reference="p2")).added == 2


def test_a_reference_that_says_something_else_now_is_a_conflict(cashier: Cashier) -> None:
    cashier.charge(CHARGE)
    cashier.pay(cashier.payment)

    for changed in (replace(CHARGE, minor=1), replace(CHARGE, album="7"), replace(CHARGE, due_on=day("2026-10-16"))):
        with pytest.raises(Conflict):
            cashier.charge(changed)
    for moved in (replace(cashier.payment, minor=1), replace(cashier.payment, credited_on=day("2026-09-29"))):
        with pytest.raises(Conflict):
            cashier.pay(moved)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"album": "99"}, NotFound),
        ({"kind": "parking"}, NotFound),
        ({"title": ""}, InvalidInput),
        ({"title": "x" * 201}, InvalidInput),
        ({"reference": ""}, InvalidInput),
    ],
)
def test_a_charge_that_cannot_be_is_refused(cashier: Cashier, changes: dict[str, Any], error: type[IdpError]) -> None:
    with pytest.raises(error):
        cashier.charge(replace(CHARGE, **changes))


def test_a_payment_that_cannot_be_is_refused(cashier: Cashier) -> None:
    with pytest.raises(NotFound):
        cashier.pay(replace(cashier.payment, nrb=make_nrb("99900009", "7777", 99_999)))
    with pytest.raises(InvalidInput, match="still to come"):
        cashier.pay(replace(cashier.payment, credited_on=day("2026-10-02")))
    with pytest.raises(InvalidInput, match="after it was credited"):
        cashier.pay(replace(cashier.payment, ordered_on=day("2026-10-01")))


def test_a_list_with_one_mistake_records_nothing(cashier: Cashier) -> None:
    good = [replace(CHARGE, reference=f"g{number}") for number in range(3)]

    with pytest.raises(InvalidInput, match="1 of 4 entries are wrong; nothing was recorded"):
        cashier.charge(*good, replace(CHARGE, reference="bad", album="99"))

    assert cashier.ledger("12345").charges == ()


def test_each_entry_has_its_event(cashier: Cashier) -> None:
    cashier.charge(CHARGE)
    cashier.pay(cashier.payment)

    with cashier.database.read() as connection:
        words = [event["kind"] for event in latest(connection, 10)]
        about = latest(connection, 10, subject="12345")

    assert words == ["payment.recorded", "charge.recorded", "students.imported"]
    assert about[0]["data"]["amount"] == "1450.00 PLN"


def test_of_many_who_record_one_list_at_once_one_adds_it(cashier: Cashier) -> None:
    wanted = [replace(CHARGE, reference=f"r{number}") for number in range(5)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: cashier.charge(*wanted), range(4)))

    assert sorted(result.added for result in results) == [0, 0, 0, 5]
    assert len(cashier.ledger("12345").charges) == 5


def test_an_old_number_keeps_crediting_its_owner(cashier: Cashier) -> None:

    with cashier.database.write() as connection:
        connection.execute(tables.account.update().values(valid_to=day("2026-09-01")))

    cashier.pay(cashier.payment)

    assert cashier.ledger("12345").payments[0].nrb == Nrb(cashier.nrb)
