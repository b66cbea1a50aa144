"""Apache's mod_auth_cas, unmodified, as Debian packages it: by CAS 2 with attributes, and by SAML 1.1."""

import pytest

from tests.support.cas_clients.site import ANNA, PASSWORD, Person, Site


@pytest.fixture(params=["CAS 2", "SAML 1.1"])
def origin(request: pytest.FixtureRequest, site: Site) -> str:
    return site.protected if request.param == "CAS 2" else site.protected_by_saml


def test_it_signs_in_with_attributes(origin: str, person: Person) -> None:
    page = f"{origin}/protected/page.txt?next=a+b%2Fc&d="

    person.sign_in_to(page)

    assert (person.status, person.url) == (200, page)
    told = {name: value.encode("latin-1").decode() for name, value in person.headers.items()}
    assert told["Told-User"] == ANNA.uid
    assert told["Told-Album"] == "12345"
    assert told["Told-New-Login"] == "true"
    assert told["Told-Affiliation"] == "student,member"
    assert told["Told-Given-Name"] == "Anna & Łucja"


def test_it_lets_in_by_attribute(origin: str, person: Person) -> None:
    person.sign_in_to(f"{origin}/protected/for-12345/page.txt")
    assert person.status == 200

    person.visit(f"{origin}/protected/for-54321/page.txt")
    assert person.status == 401


def test_it_is_signed_out(origin: str, person: Person) -> None:
    page = f"{origin}/protected/page.txt"
    person.sign_in_to(page)

    # It ends the session and answers by a redirect to sign in, which its registration takes for a yes.
    (said,) = person.sign_out()

    assert said.endswith(": signed out")
    person.visit(page)
    assert person.is_asked_to_sign_in
    person.submit({"username": "12345"}, PASSWORD)
    assert person.url == page


def test_it_asks_for_the_password_again(origin: str, person: Person) -> None:
    person.sign_in_to(f"{origin}/protected/page.txt")

    person.sign_in_to(f"{origin}/protected/renewed/page.txt")

    assert (person.status, person.url) == (200, f"{origin}/protected/renewed/page.txt")


def test_a_browser_cannot_say_itself_who_it_is(origin: str, person: Person) -> None:
    person.sign_in_to(f"{origin}/protected/page.txt")
    person.opener.addheaders = [("CAS-album", "54321"), ("CAS-User", "root")]

    person.visit(f"{origin}/protected/page.txt")

    assert person.headers["Told-Album"] == "12345"


def test_a_ticket_that_it_did_not_get_is_refused(origin: str, person: Person) -> None:
    person.visit(f"{origin}/protected/page.txt?ticket=ST-{29 * 'A'}")

    assert person.status == 401
