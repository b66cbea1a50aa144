"""A service of USOSweb's shape: one controller, fixed and changing query parameters, `locale` outside the service."""

from urllib.parse import parse_qs, urlsplit

from tests.support.cas_clients.site import ANNA, Person, Site


def test_its_changing_address_is_served_and_told(site: Site, person: Person) -> None:
    person.visit(site.usosweb)
    query = parse_qs(urlsplit(person.url).query)
    assert set(parse_qs(urlsplit(query["service"][0]).query)) == {"_action", "callback"}
    assert query["locale"] == ["pl"]
    assert person.page.get("lang") == "pl"
    first_callback = query["service"]

    person.sign_in_to(site.usosweb)

    # Where its `callback` leads: ticket, _action and callback arrived as they were sent.
    assert person.url.startswith(site.php("kontroler.php?_action=home/index&t="))
    assert person.told["user"] == ANNA.uid
    assert person.told["attributes"]["album"] == "12345"
    assert person.sign_out() == ["USOSweb: signed out"]
    person.visit(site.usosweb)
    assert person.is_asked_to_sign_in
    assert parse_qs(urlsplit(person.url).query)["service"] != first_callback


def test_another_action_of_its_controller_is_not_served(site: Site, person: Person) -> None:
    """The example's rule names `_action`; this address falls to the wider registration of the same host, so it is
    the name on the page that tells them apart."""
    for action, name in (("logowaniecas/index", "USOSweb"), ("katalog/index", "Application php")):
        person.visit(f"{site.cas_url}/login?service={site.php('kontroler.php')}%3F_action%3D{action}&lang=en")
        assert name in person.text
