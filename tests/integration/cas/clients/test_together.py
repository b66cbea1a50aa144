"""All of them in one browser."""

from tests.support.cas_clients.site import Person, Site


def test_one_sign_in_opens_every_application_and_one_sign_out_closes_them(site: Site, person: Person) -> None:
    pages = [
        site.php("application.php"),
        site.usosweb,
        f"{site.protected}/protected/page.txt",
        f"{site.protected_by_saml}/protected/page.txt",
        site.django,
    ]
    person.sign_in_to(pages[0])
    for page in pages[1:]:
        person.visit(page)
        assert (person.status, person.is_asked_to_sign_in) == (200, False), page

    assert sorted(person.sign_out()) == [
        "Application apache-saml: signed out",
        "Application apache: signed out",
        "Application django: signed out",
        "Application php: signed out",
        "USOSweb: signed out",
    ]
    for page in pages:
        person.visit(page)
        assert person.is_asked_to_sign_in, page
