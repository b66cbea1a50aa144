"""A first fill by slapadd, from what `idp export ldif` writes."""

import stat
from datetime import date
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases, open_databases
from idp.db.settings import StoreSettings
from idp.keys.key_files import Keys
from tests.support.provisioning import Eyes, add_students, change_status, choose_mail_name
from tests.support.students import Student
from tests.support.terminal import Terminal

ANNA = Student("a" * 20, album="123", given_name="Żaneta", surname="Źdźbło-Ćwik")
JAN = Student("b" * 20, album="200", given_name=":Jan", surname='Beek , + " \\ < > ; = # é')
SUSPENDED = Student("c" * 20, album="300", status="suspended")
GONE = Student("d" * 20, album="400", given_name="Ewa", surname="Dawna")


def test_what_slapadd_loads_leaves_nothing_to_plan(
    tmp_path: Path, directory: PrivateSlapd, eyes: Eyes, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(tmp_path, directory, monkeypatch)
    databases: Databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    add_students(databases, keys, [ANNA, JAN, SUSPENDED, GONE])
    change_status(databases, GONE.person_id, "graduated_diploma", date(2001, 6, 1))
    choose_mail_name(databases, ANNA.person_id, "zaneta.zdzblo@student.po.edu.pl", "s123@student.po.edu.pl")
    databases.close()
    file = tmp_path / "people.ldif"

    said = terminal.run("export", "ldif", str(file))
    again = terminal.result("export", "ldif", str(file))
    nowhere = terminal.result("export", "ldif", str(tmp_path / "none" / "people.ldif"))
    directory.load(file)

    assert "3 entries written" in said
    assert (again.exit_code, nowhere.exit_code) == (2, 2)
    assert "exists already" in again.output
    assert "cannot be written: No such file or directory" in nowhere.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "userPassword" not in file.read_text(encoding="utf-8")
    plan = terminal.json("plan")
    assert plan["targets"]["ldap"]["counts"] == {}
    assert terminal.json("status")["targets"]["ldap"]["entries"] == 3
    entry = eyes.entry(JAN.uid, ["sn", "givenName", "entryUUID"])
    assert entry is not None
    assert (entry.values("sn"), entry.values("givenName")) == ((JAN.surname,), (":Jan",))
    assert entry.values("entryUUID")
    assert eyes.value(SUSPENDED.uid, "pwdAccountLockedTime") == "000001010000Z"
    assert eyes.entry(GONE.uid) is None
