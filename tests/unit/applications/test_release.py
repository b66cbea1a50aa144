"""What an application learns is its release list, and its name for the person."""

from typing import Any

from idp.applications.release import RELEASABLE, Principal, principal_of, released
from idp.people.account_queries import AccountData
from idp.people.address_queries import Addresses
from idp.people.values import Source, Status
from idp.people.views import Values, released_values
from tests.support.snapshots import snapshot

CHOSEN = Addresses("anna.zak@student.po.edu.pl", "s00123@student.po.edu.pl")


def values(status: Status = Status.ACTIVE, **given: Any) -> Values:
    return released_values(snapshot(status, **{"addresses": CHOSEN, **given}))


def name(principal: Principal, of: Values) -> str | None:
    return principal_of(principal, "u7kq2m9xa", of, lambda: "opaque@po.edu.pl")


def test_a_release_list_is_exactly_what_is_told() -> None:
    told = released(["mail", "eduPersonScopedAffiliation", "schacPersonalUniqueCode"], values())

    assert told == {
        "mail": ["anna.zak@student.po.edu.pl"],
        "eduPersonScopedAffiliation": ["student@po.edu.pl", "member@po.edu.pl"],
        "schacPersonalUniqueCode": ["urn:schac:personalUniqueCode:int:esi:po.edu.pl:00123"],
    }


def test_an_attribute_without_a_value_is_left_out() -> None:
    assert released(["mail", "uid"], values(addresses=Addresses())) == {"uid": ["u7kq2m9xa"]}


def test_the_student_identifier_is_for_students_only() -> None:
    assert released(["schacPersonalUniqueCode"], values(Status.CANCELLED)) == {}


def test_every_name_on_the_list_can_be_made() -> None:
    told = released(sorted(RELEASABLE), values(account=AccountData("clerk", "pl", "", is_claimed=True)))

    assert set(told) == RELEASABLE


def test_staff_are_staff() -> None:
    account = AccountData("clerk", "pl", "clerk@po.edu.pl", is_claimed=True)
    clerk = values(account=account, sources=(Source.STAFF,), album=None, addresses=Addresses(), enrolments=())

    assert released(["mail", "eduPersonAffiliation"], clerk) == {
        "mail": ["clerk@po.edu.pl"],
        "eduPersonAffiliation": ["staff", "member"],
    }


def test_the_principal_is_chosen_per_service_and_may_be_missing() -> None:
    assert name(Principal.UID, values()) == "u7kq2m9xa"
    assert name(Principal.ALBUM, values()) == "00123"
    assert name(Principal.MAIL, values(addresses=Addresses())) is None
    assert name(Principal.PAIRWISE, values()) == "opaque@po.edu.pl"
