"""django-cas-ng, unmodified, in a Django project."""

from tests.support.cas_clients.site import ANNA, Person, Site


def test_it_signs_in_with_attributes(site: Site, person: Person) -> None:
    page = f"{site.django}?next=a%20b"

    person.sign_in_to(page)

    assert person.url == page
    assert person.told["user"] == ANNA.uid
    assert person.told["attributes"]["album"] == "12345"
    assert person.told["attributes"]["givenName"] == "Anna & Łucja"
    assert person.told["attributes"]["eduPersonAffiliation"] == ["student", "member"]


def test_it_is_signed_out(site: Site, person: Person) -> None:
    person.sign_in_to(site.django)

    # It ends the session and answers by a redirect to its first page, which its registration takes for a yes.
    assert person.sign_out() == ["Application django: signed out"]

    person.visit(site.django)
    assert person.is_asked_to_sign_in


def test_its_own_sign_out_ends_the_session(site: Site, person: Person) -> None:
    person.sign_in_to(site.django)
    person.visit(f"{site.django}logout")
    person.visit(site.django)

    assert person.is_asked_to_sign_in
