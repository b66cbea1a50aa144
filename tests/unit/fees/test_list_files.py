"""Lists of charges and payments are read whole or not at all."""

from pathlib import Path

import pytest

from idp.errors import InvalidInput, RefusedSource
from idp.fees.list_files import read_charges, read_payments
from tests.unit.fees.factories import day

NRB = "20 9990 0009 7777 0000 0001 2345"


def written(folder: Path, text: str) -> Path:
    file = folder / "list.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_list_of_charges_is_read(tmp_path: Path) -> None:
    text = "album;title;title_en;amount;due;kind;reference\n12345; Legitymacja ;Card;22,00;2026-10-15;;c1\n"

    (charge,) = read_charges(written(tmp_path, text), "fees")

    assert (charge.album, charge.title, charge.title_en, charge.minor) == ("12345", "Legitymacja", "Card", 2200)
    assert (charge.due_on, charge.kind, charge.reference) == (day("2026-10-15"), "fees", "c1")


def test_a_list_of_payments_is_read_and_the_order_date_may_be_unknown(tmp_path: Path) -> None:
    text = f"account;amount;ordered;credited;reference\n{NRB};22.00;;2026-10-14;p1\n"

    (payment,) = read_payments(written(tmp_path, text))

    assert payment.nrb == NRB.replace(" ", "")
    assert (payment.ordered_on, payment.credited_on) == (None, day("2026-10-14"))


def test_every_mistake_of_a_list_is_named(tmp_path: Path) -> None:
    wrong = NRB[:-1] + "6"
    text = (
        "account;amount;ordered;credited;reference\n"
        f"{wrong};22.00;;2026-10-14;p1\n{NRB};0;;2026-10-14;p2\n{NRB};1;;14.10.2026;p3\n{NRB};1\n{NRB};1;;2026-10-14;p5;x\n"
    )

    with pytest.raises(InvalidInput) as refusal:
        read_payments(written(tmp_path, text))

    said = str(refusal.value).splitlines()
    assert said[0].startswith("5 of 5 entries are wrong; nothing was recorded.")
    assert [line.split(":")[0] for line in said[1:]] == [f"entry {number}" for number in range(1, 6)]


def test_a_wrong_header_names_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="album;title;amount;due;reference"):
        read_charges(written(tmp_path, "album,title\n1,x\n"), "fees")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"album;title\n\xff\xfe\n")

    with pytest.raises(RefusedSource):
        read_charges(file, "fees")
