"""phpCAS, unmodified, as Debian packages it: in PHP applications behind Apache."""

import pytest

from tests.support.cas_clients.site import ANNA, Person, Site


@pytest.mark.parametrize("version", ["1.0", "2.0", "3.0", "S1"])
def test_it_signs_in_and_is_signed_out(site: Site, person: Person, version: str) -> None:
    application = site.php(f"application.php?version={version}&next=a+b%2Fc")

    person.sign_in_to(application)

    # Without the ticket, and otherwise as it was: phpCAS takes it off by one more redirect.
    assert person.url == application
    assert person.told["user"] == ANNA.uid
    assert person.sign_out() == ["Application php: signed out"]
    person.visit(application)
    assert person.is_asked_to_sign_in


@pytest.mark.parametrize("version", ["3.0", "S1"])
def test_it_reads_attributes(site: Site, person: Person, version: str) -> None:
    person.sign_in_to(site.php(f"application.php?version={version}"))

    attributes = person.told["attributes"]
    assert attributes["album"] == "12345"
    assert attributes["givenName"] == "Anna & Łucja"
    assert attributes["eduPersonAffiliation"] == ["student", "member"]
    assert attributes["isFromNewLogin"] == "true"


def test_it_looks_who_is_there_and_lets_strangers_stay(site: Site, person: Person) -> None:
    page = site.php("application.php?ask=gateway")
    person.visit(page)
    assert person.told["user"] is None
    person.sign_in_to(site.php("application.php"))

    another_visit = site.person()
    another_visit.visit(page)
    assert another_visit.told["user"] is None
    another_visit.sign_in_to(site.php("application.php"))
    another_visit.visit(site.php("application.php?ask=gateway&version=2.0"))
    assert another_visit.told["user"] == ANNA.uid


def test_it_asks_for_the_password_again(site: Site, person: Person) -> None:
    person.sign_in_to(site.php("application.php"))

    person.sign_in_to(site.php("application.php?ask=renew"))

    assert person.told["attributes"]["isFromNewLogin"] == "true"


def test_it_acts_for_its_user_at_another_application(site: Site, person: Person) -> None:
    person.sign_in_to(site.php("portal.php"))

    assert person.told["fetched"]["user"] == ANNA.uid
    assert person.told["fetched"]["proxies"] == [site.php("portal.php")]
    # The application behind took a ticket, too, and is told of the end.
    assert sorted(person.sign_out()) == ["Application php: signed out", "Application portal: signed out"]


def test_its_own_sign_out_ends_the_session_and_leads_back(site: Site, person: Person) -> None:
    """phpCAS sends `service`, to an address that is registered."""
    person.sign_in_to(site.usosweb)
    person.visit(site.php("kontroler.php?_action=logowaniecas/wyloguj"))

    assert person.is_asked_to_sign_in  # back at the application's first page, which asks who is there
    person.visit(site.php("application.php"))
    assert person.is_asked_to_sign_in
