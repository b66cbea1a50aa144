"""`idp explain person` over a registry file, a real directory and what somebody did by hand."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from idp.db.databases import Databases, open_databases
from idp.db.settings import StoreSettings
from idp.drivers.ldap_values import Replace
from idp.people.account_queries import Key, find_account
from tests.support.exports import DEFAULTS, export_row, write_export
from tests.support.provisioning import Eyes, choose_mail_name
from tests.support.terminal import Terminal


def ago(days: int) -> str:
    """The commands' clock is the real one, and a file that stands still is refused."""
    return (Clock().now() - timedelta(days=days)).isoformat(timespec="seconds")


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, directory, monkeypatch)


@pytest.fixture
def databases(tmp_path: Path, terminal: Terminal) -> Iterator[Databases]:
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    yield databases
    databases.close()


@pytest.fixture
def imported(terminal: Terminal, tmp_path: Path) -> Terminal:
    """An installation that took a file of two people and wrote them."""
    rows = [
        export_row(os_id="102", nr_albumu="777", imie="Jan", nazwisko="Zając", zmieniono=ago(days=2)),
        export_row(os_id="101", nr_albumu="12345", imie="Anna", nazwisko="Nowak", zmieniono=ago(days=2)),
    ]
    write_export(tmp_path / "export.csv", rows)
    terminal.run("registry", "import", str(tmp_path / "export.csv"))
    terminal.run("apply")
    return terminal


def values(explained: Any, target: str = "ldap") -> dict[str, Any]:
    return {value["attribute"]: value for value in explained["values"] if value["target"] == target}


def test_a_value_names_rule_file_line_and_run(imported: Terminal, tmp_path: Path) -> None:
    run = imported.json("runs", "list")[0]["run_id"]

    explained = imported.json("explain", "person", "12345")
    surname = values(explained)["sn"]

    assert (explained["name"], explained["album"], explained["access"]) == ("Anna Nowak", "12345", "active")
    assert (surname["effective"], surname["observed"], surname["is_there"]) == (["Nowak"], ["Nowak"], True)
    assert surname["rule"] == "surname"
    assert surname["sentence"].startswith("The surname with its prefix.")
    (source,) = surname["sources"]
    assert (source["kind"], source["file"], source["line"]) == ("registry", "export.csv", 3)
    assert source["at"]
    assert (surname["run_id"], bool(surname["written_at"])) == (run, True)
    assert surname["written_by"].startswith("shell:")


def test_programmes_settings_and_choices_are_sources_too(imported: Terminal, databases: Databases) -> None:
    before = values(imported.json("explain", "person", "12345"))
    with databases.identity.read() as connection:
        account = find_account(connection, Key.ALBUM, "12345")
    assert account is not None
    choose_mail_name(databases, account.account_id, "anna.nowak@student.po.edu.pl", "s12345@student.po.edu.pl")
    imported.run("apply")

    after = values(imported.json("explain", "person", "anna.nowak@student.po.edu.pl"))

    assert [source["kind"] for source in after["eduPersonScopedAffiliation"]["sources"]] == ["registry", "setting"]
    assert after["eduPersonScopedAffiliation"]["sources"][0]["line"] == 3
    assert after["schacHomeOrganization"]["sources"][0]["text"] == "[people] home_organization = po.edu.pl"
    assert (before["mail"]["effective"], before["mail"]["sources"][0]["text"]) == ([], "not chosen yet")
    assert after["mail"]["sources"][0]["text"] == "chosen by the student"
    assert after["mail"]["run_id"] != after["sn"]["run_id"]


def test_what_the_target_has_otherwise_is_shown(imported: Terminal, eyes: Eyes, directory: PrivateSlapd) -> None:
    uid = imported.json("explain", "person", "12345")["uid"]
    eyes.directory.modify(directory.settings.person_dn(uid), [Replace("sn", ["Meddled"])])

    surname = values(imported.json("explain", "person", uid))["sn"]

    assert (surname["effective"], surname["observed"], surname["is_there"]) == (["Nowak"], ["Meddled"], False)
    assert "no: Meddled" in imported.run("explain", "person", uid)


def test_what_an_undo_pinned_is_said(imported: Terminal, tmp_path: Path) -> None:
    changed = export_row(os_id="101", nr_albumu="12345", imie="Anna", nazwisko="Zły", zmieniono=ago(days=1))
    write_export(tmp_path / "delta.csv", [changed])
    imported.run("registry", "import", "--delta", str(tmp_path / "delta.csv"))
    run = imported.json("apply")["run_id"]
    undo = imported.json("undo", run)
    imported.run("apply", undo["run_id"])

    surname = values(imported.json("explain", "person", "12345"))["sn"]

    assert (undo["undoes_run_id"], undo["total"], undo["not_undone"]) == (run, 1, [])
    assert (surname["effective"], surname["kept_by"], surname["run_id"]) == (["Nowak"], "pin", undo["run_id"])
    assert surname["sources"][0]["file"] == "delta.csv"
    assert "decide again for 1 person." in imported.run("undo", "--drop-pins", run)


def test_a_target_that_does_not_answer_is_part_of_the_answer(imported: Terminal, directory: PrivateSlapd) -> None:
    directory.stop()

    explained = imported.json("explain", "person", "12345")

    assert "ldap" in explained["errors"]
    assert values(explained)["sn"]["is_there"] is None
    assert "ldap does not answer" in imported.run("explain", "person", "12345")


def test_national_ids_are_never_in_an_explanation(imported: Terminal) -> None:
    text = json.dumps(imported.json("explain", "person", "12345"))

    assert "pesel" not in text.lower()
    assert DEFAULTS["pesel"] not in text


def test_nobody_by_that_name_is_said(imported: Terminal) -> None:
    assert "there is nobody called 999" in str(imported.error("explain", "person", "999"))


def test_drift_is_found_shown_and_repaired_at_the_terminal(
    imported: Terminal, eyes: Eyes, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_TARGETS__LDAP__DRIFT", '{"displayName": "report"}')
    uid = imported.json("explain", "person", "12345")["uid"]
    quiet = imported.result("drift")
    meddled = [Replace("displayName", ["[red]Ania[/]"]), Replace("sn", ["X"])]
    eyes.directory.modify(directory.settings.person_dn(uid), meddled)

    found = imported.result("drift")
    again = imported.result("drift", "--json")

    assert quiet.exit_code == 0, quiet.output
    assert (found.exit_code, again.exit_code) == (1, 1)  # until somebody decides about what is reported
    assert "ldap: 1 changed entry read, new changes in 1 person" in found.stdout
    assert "[red]Ania[/]" in found.stdout
    assert "the next run writes our value" in found.stdout
    (left,) = json.loads(again.stdout)["overrides"]
    assert (left["attribute"], left["expected"], left["kept"]) == ("displayName", ["Anna Nowak"], ["[red]Ania[/]"])
    assert values(imported.json("explain", "person", uid))["displayName"]["kept_by"] == "override"
    assert "Kept by an override." in imported.run("explain", "person", uid)
    assert "displayName in ldap" in imported.run("drift", "drop", "12345")
    imported.run("apply")
    assert [eyes.value(uid, name) for name in ("displayName", "sn")] == ["Anna Nowak", "Nowak"]
    assert imported.result("drift", "--all").exit_code == 0


def test_two_records_of_one_person_are_judged_merged_and_parted_at_the_terminal(
    terminal: Terminal, tmp_path: Path
) -> None:
    alike = {"imie": "Ewa", "nazwisko": "Lis", "pesel": "", "obywatelstwo": "UA", "dok_kraj": "UA", "zmieniono": ago(2)}
    rows = [
        export_row(**alike, os_id=os_id, nr_albumu=album, dok_numer=f"AB12345{os_id}")
        for os_id, album in (("1", "501"), ("2", "502"), ("3", "503"))
    ]
    write_export(tmp_path / "export.csv", rows)
    terminal.run("registry", "import", str(tmp_path / "export.csv"))
    terminal.run("apply")

    pairs = terminal.json("people", "duplicates", "list", "--find")
    albums = [{one["album"] for one in pair["people"]} for pair in pairs]
    assert (len(pairs), {"same_name", "same_birth"} <= pairs[0]["evidence"].keys()) == (2, True)
    assert "same birth" in terminal.run("people", "duplicates", "show", *sorted(albums[0]))
    terminal.run("people", "duplicates", "dismiss", *albums[0])
    kept, gone = sorted(albums[1])
    merge = terminal.json("people", "merge", kept, gone)
    assert {change["reason"] for change in merge["changes"]} == {"merged"}
    terminal.run("apply", merge["run_id"])
    assert terminal.json("explain", "person", gone)["reason"] == "merged"
    assert terminal.run("people", "duplicates", "list") == "No pairs to judge.\n"
    assert len(terminal.json("people", "duplicates", "list", "--settled")) == 2
    merged = terminal.run("people", "duplicates", "show", kept, gone)
    assert "State: merged.\n" in merged
    assert "idp people unmerge KEPT GONE\n" in merged
    assert "dismiss" not in merged
    assert "idp people unmerge" in str(terminal.error("people", "duplicates", "dismiss", kept, gone))
    assert terminal.json("people", "duplicates", "show", kept, gone)["state"] == "merged"
    part = terminal.json("people", "unmerge", kept, gone)
    terminal.run("apply", part["run_id"])
    assert terminal.json("explain", "person", gone)["access"] == "active"


def test_a_new_intakes_mail_names_are_shown_at_the_terminal(terminal: Terminal, tmp_path: Path) -> None:
    foreign = {"pesel": "", "obywatelstwo": "UA", "dok_kraj": "UA", "zmieniono": ago(2)}
    rows = [
        export_row(**foreign, os_id=str(n), nr_albumu=str(n), dok_numer=f"AB12345{n}", imie=imie, nazwisko=nazwisko)
        for n, (imie, nazwisko) in enumerate([("Jan", "Lis"), ("Jan", "Lis"), ("Ірина", "Шевченко")], start=1)
    ]
    write_export(tmp_path / "intake.csv", rows)

    shown = terminal.run("addresses", "preview", str(tmp_path / "intake.csv"))
    facts = terminal.json("addresses", "preview", str(tmp_path / "intake.csv"))

    assert "3 people: 0 with a mail name, 3 without one" in shown
    assert ("jan.lis" in shown, "transliterated" in shown) == (True, True)
    assert [group["mail_name"] for group in facts["namesakes"]] == ["jan.lis"]
    assert terminal.json("status")["people"] == {}
