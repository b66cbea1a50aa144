"""Sample people as rules see them, and what each attribute of the catalogue says about them."""

import json
import sys
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from idp.people.account_queries import AccountData
from idp.people.address_queries import Addresses
from idp.people.catalogue import CATALOGUE
from idp.people.settings import PeopleSettings
from idp.people.snapshot import PersonSnapshot
from idp.people.status import MERGED, VERSION, person_status
from idp.people.values import Album, Enrolment, MergedRecord, PersonId, Source, Status
from idp.provisioning import desired as desired_rules
from idp.provisioning import values as entry_values
from idp.provisioning.desired import desired

TODAY = date(2026, 11, 22)
STUDIES = Enrolment("INF1S", "Informatyka", "WEAiI", "1", "S", Status.ACTIVE, date(2026, 10, 1), None, None)
SAMPLES = Path(__file__).parents[1] / "unit" / "people" / "attribute_samples.json"


def snapshot(
    status: Status = Status.ACTIVE, since: date = date(2026, 10, 1), *, sources: tuple[Source, ...] = (), **given: Any
) -> PersonSnapshot:
    """Return Anna, a student of one programme, with other values where they are given."""
    enrolments = given.pop("enrolments", (with_values(STUDIES, status=status, status_from=since),))
    return PersonSnapshot(
        **{
            "person_id": PersonId("0a1b" * 8),
            "uid": "u7kq2m9xa",
            "album": Album("00123"),
            "given_name": "Anna Maria",
            "middle_name": "Zofia",
            "surname_prefix": "von",
            "surname": "Żak",
            "enrolments": enrolments,
            "status": person_status(enrolments, sources, TODAY),
            "settings": PeopleSettings(),
            **given,
        }
    )


def with_values(enrolment: Enrolment, **changes: Any) -> Enrolment:
    """Return an enrolment with other values."""
    return Enrolment(**{name: getattr(enrolment, name) for name in Enrolment.__slots__} | changes)


def sample_people() -> list[PersonSnapshot]:
    """Return people on whom every rule has something to decide."""
    chosen = Addresses("anna.zak@x.example", "s00123@x.example", ("anna.nowak@x.example",))
    people = [
        snapshot(),
        snapshot(addresses=chosen, account=AccountData("", "pl", "", is_claimed=True), is_locked=True),
        snapshot(surname_prefix="", surname=""),
        snapshot(given_name="", surname_prefix="", surname=""),
        snapshot(album=None, addresses=Addresses(None, "s1@x.example")),
        snapshot(enrolments=(), sources=(Source.STAFF,), account=AccountData("clerk", "en", "c@x.example")),
        snapshot(addresses=chosen, merged=(MergedRecord(PersonId("0c" * 16), "u22222222", Album("7")),)),
        snapshot(status=Status.ACTIVE, merged_into=PersonId("0c" * 16)),
        snapshot(enrolments=(STUDIES, with_values(STUDIES, programme="MAT2N", level="2"))),
    ]
    people[7] = msgspec.structs.replace(people[7], status=MERGED)
    ages = (-30, 10, 20, 100, 500)
    return people + [snapshot(status, TODAY - timedelta(days=days)) for status in Status for days in ages]


def outputs() -> dict[str, dict[str, Any]]:
    """Return version and digest of what each rule says about the sample people."""
    people = sample_people()
    rules: dict[str, tuple[Any, list[Any]]] = {
        attribute.key: (attribute.version, [attribute.rule(person) for person in people]) for attribute in CATALOGUE
    }
    statuses = [
        (each.affiliations, each.primary_affiliation, each.access, each.reason, str(each.changes_on))
        for each in (person.status for person in people)
    ]
    rules["(status)"] = (VERSION, statuses)
    entries = [desired(person, {"cn": "full_name", "st": "status", "c": ("PL",)}) for person in people]
    rules["(entry)"] = (desired_rules.VERSION, [[e.to_json(), e.reason, e.only_if_present] for e in entries])
    rules["(digest)"] = (entry_values.DIGEST_VERSION, [entry.digest for entry in entries])
    return {key: {"version": version, "digest": _digest(values)} for key, (version, values) in rules.items()}


def _digest(values: list[Any]) -> str:
    return sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()[:32]


def main() -> None:
    """Write the outputs, or refuse where one changed and its version did not."""
    known = json.loads(SAMPLES.read_text(encoding="utf-8")) if SAMPLES.exists() else {}
    new = outputs()
    same = [
        key
        for key, output in known.items()
        if key in new and output["version"] == new[key]["version"] and output["digest"] != new[key]["digest"]
    ]
    if same:
        sys.exit(f"raise the version of {', '.join(same)} first: its output changed")
    SAMPLES.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
