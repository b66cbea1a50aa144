"""What is Keycloak's alone: sessions, links, groups, imports, accounts, failures. The rest: tests/conformance."""

from collections.abc import Iterator

import pytest
from keycloak.exceptions import KeycloakError

from deploy.keycloak.private import PrivateKeycloak
from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.errors import TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.targets.keycloak import KeycloakTarget
from idp.provisioning.values import Change, Entry
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.faulty_http import FaultyHttp
from tests.support.keycloak import Hands, keycloak_entry, make_keycloak_target
from tests.support.provisioning import add_students, change_status, make_provisioner
from tests.support.students import Student

pytestmark = pytest.mark.xdist_group("keycloak")
ANNA = keycloak_entry("p1", "uaaaa1")
SUSPENDED = keycloak_entry("p1", "uaaaa1", idpStatus="suspended")


@pytest.fixture
def realm(keycloak: PrivateKeycloak) -> PrivateKeycloak:
    """A realm without anybody."""
    keycloak.reset()
    return keycloak


@pytest.fixture
def target(realm: PrivateKeycloak) -> Iterator[KeycloakTarget]:
    target = make_keycloak_target(realm)
    yield target
    target.close()


@pytest.fixture
def hands(realm: PrivateKeycloak) -> Hands:
    return Hands(realm)


def errors(target: KeycloakTarget, *changes: Change) -> list[type[Exception] | None]:
    return [type(outcome.error) if outcome.error else None for outcome in target.apply(changes)]


def people(count: int) -> list[Entry]:
    return [keycloak_entry(f"p{number:02}", f"uaaaa{number:02}") for number in range(count)]


def held(target: KeycloakTarget) -> list[Entry]:
    return sorted(target.read(), key=lambda entry: entry.person_id)


# --- sessions ---


def test_disabling_shuts_the_door_and_ends_the_sessions(
    realm: PrivateKeycloak, target: KeycloakTarget, hands: Hands
) -> None:
    application = hands.application("app")
    target.apply_one(Change.create(ANNA))
    user_id = hands.user("uaaaa1")["id"]
    hands.admin.set_user_password(user_id, "secret", temporary=False)
    signed_in = application.token("uaaaa1", "secret")
    assert len(hands.admin.get_sessions(user_id)) == 1

    target.apply_one(Change.update(ANNA, SUSPENDED))

    assert hands.admin.get_sessions(user_id) == []
    with pytest.raises(KeycloakError):
        application.refresh_token(signed_in["refresh_token"])
    target.apply_one(Change.update(SUSPENDED, ANNA))
    with pytest.raises(KeycloakError):  # the old session does not come back to life
        application.refresh_token(signed_in["refresh_token"])
    assert application.token("uaaaa1", "secret")  # and the password was never touched


def test_disabling_that_was_cut_short_is_done_again(realm: PrivateKeycloak, hands: Hands) -> None:
    with FaultyHttp("127.0.0.1", realm.port) as proxy:
        target = make_keycloak_target(realm, url=proxy.url)
        target.apply_one(Change.create(ANNA))
        proxy.fault = lambda method, path, body: 503 if path.endswith("/logout") else None
        with pytest.raises(TargetUnavailable):
            target.apply_one(Change.update(ANNA, SUSPENDED))

        assert not hands.user("uaaaa1")["enabled"]
        assert held(target) == [ANNA]  # not done: whoever looks sees what was there before

        proxy.fault = lambda method, path, body: None
        target.apply_one(Change.update(ANNA, SUSPENDED))
        assert held(target) == [SUSPENDED]
        target.close()


# --- links and groups ---


def test_the_link_leads_to_our_sub_and_is_put_right(target: KeycloakTarget, hands: Hands) -> None:
    target.apply_one(Change.create(ANNA))
    user = hands.user("uaaaa1")
    assert user["federatedIdentities"] == [{"identityProvider": "idp", "userId": "p1", "userName": "uaaaa1"}]

    hands.admin.delete_user_social_login(user["id"], "idp")
    (without,) = held(target)
    assert "link" not in without.attributes
    hands.admin.add_user_social_login(user["id"], "idp", "somebody else", "x")
    assert target.read_one("p1", "uaaaa1") == without  # a wrong link is none

    target.apply_one(Change.update(without, ANNA))
    assert hands.user("uaaaa1")["federatedIdentities"][0]["userId"] == "p1"
    assert held(target) == [ANNA]


def test_a_second_user_linked_to_the_same_person_stops_the_write(target: KeycloakTarget, hands: Hands) -> None:
    hands.take("thief")
    hands.admin.add_user_social_login(hands.user("thief")["id"], "idp", "p1", "thief")

    with pytest.raises(TargetRejected, match="another user is linked"):
        target.apply_one(Change.create(ANNA))
    assert held(target) == []


def test_groups_follow_the_affiliation(target: KeycloakTarget) -> None:
    alum = keycloak_entry("p1", "uaaaa1", groups="alum")
    target.apply_one(Change.create(ANNA))
    target.apply_one(Change.update(ANNA, alum))

    assert held(target) == [alum]
    assert list(target.read(["p1"])) == [alum]


def test_what_the_realm_lacks_is_named(realm: PrivateKeycloak, hands: Hands) -> None:
    elsewhere = make_keycloak_target(realm, groups="/others")
    with pytest.raises(TargetRejected, match="the realm has no group /others/"):
        elsewhere.apply_one(Change.create(ANNA))

    with hands.profile_without("idpOwner", "idpAlbum"), pytest.raises(TargetRejected, match="lacks idpAlbum, idpOwner"):
        make_keycloak_target(realm).apply_one(Change.create(ANNA))
    assert hands.admin.users_count() == 0


def test_a_realm_without_groups_and_links_needs_neither(realm: PrivateKeycloak) -> None:
    plain = make_keycloak_target(realm, groups="", identity_provider="")
    wanted = keycloak_entry("p1", "uaaaa1", groups=(), link=())

    assert {"groups", "link"}.isdisjoint(plain.attributes)
    assert errors(plain, Change.create(wanted)) == [None]
    assert held(plain) == [wanted]


def test_pages_of_any_size_hold_everybody(realm: PrivateKeycloak) -> None:
    target = make_keycloak_target(realm, page=5)
    assert errors(target, *(Change.create(each) for each in people(12))) == [None] * 12

    assert held(target) == people(12)


# --- accounts ---


def test_a_load_is_imported_and_who_cannot_be_is_left_out(realm: PrivateKeycloak, hands: Hands) -> None:
    wanted = people(12)
    target = make_keycloak_target(realm, loads=True, load_batch=5)
    changes = [Change.create(each) for each in wanted]
    with pytest.raises(TargetUnavailable, match="idp-load"):
        errors(target, *changes)
    assert held(target) == []

    with hands.enabled_client("idp-load"):
        assert errors(target, changes[0], changes[1]) == [None, None]
        hands.take("uaaaa07")
        expected = [TargetRejected if entry.name == "uaaaa07" else None for entry in wanted]
        assert errors(target, *changes) == expected
    assert held(target) == [entry for entry in wanted if entry.name != "uaaaa07"]


def test_a_load_makes_no_second_user_linked_to_a_person(realm: PrivateKeycloak, hands: Hands) -> None:
    wanted = people(4)
    hands.take("thief")
    hands.admin.add_user_social_login(hands.user("thief")["id"], "idp", wanted[1].person_id, "thief")
    target = make_keycloak_target(realm, loads=True)

    with hands.enabled_client("idp-load"):
        made = errors(target, *(Change.create(each) for each in wanted))

    assert made == [None, TargetRejected, None, None]
    assert held(target) == [wanted[0], *wanted[2:]]


def test_the_account_of_every_day_may_manage_users_and_nothing_else(realm: PrivateKeycloak) -> None:
    admin = realm.service("idp-provisioning", "provisioning")
    for forbidden in (admin.get_clients, admin.get_realm_roles, admin.get_events, admin.get_idps):
        with pytest.raises(KeycloakError, match="403"):
            forbidden()
    with pytest.raises(KeycloakError, match="403"):
        admin.partial_import_realm(realm.realm, {"ifResourceExists": "SKIP", "users": []})


def test_a_refused_account_is_said_without_its_secret(realm: PrivateKeycloak) -> None:
    target = KeycloakTarget(make_keycloak_target(realm)._settings, "not the secret")

    with pytest.raises(TargetUnavailable, match="refuses our account idp-provisioning") as caught:
        target.ping()
    assert "not the secret" not in str(caught.value)


# --- failures ---


def test_an_error_inside_for_one_user_keeps_nobody_else_waiting(realm: PrivateKeycloak) -> None:
    with FaultyHttp("127.0.0.1", realm.port) as proxy:
        target = make_keycloak_target(realm, url=proxy.url)
        proxy.fault = lambda method, path, body: 500 if b"uaaaa03" in body else None
        outcomes = list(target.apply(Change.create(each) for each in people(6)))
        failed = [outcome.change.name for outcome in outcomes if outcome.error is not None]

        assert failed == ["uaaaa03"]
        assert all(outcome.error is None or outcome.error.retryable for outcome in outcomes)
        target.close()


@pytest.mark.parametrize("fault", [503, "hangs up", "silent"])
def test_a_server_that_is_away_loses_nothing(realm: PrivateKeycloak, fault: int | str) -> None:
    changes = [Change.create(each) for each in people(6)]
    with FaultyHttp("127.0.0.1", realm.port) as proxy:
        target = make_keycloak_target(realm, url=proxy.url, timeout_s=1.0 if fault == "silent" else 30.0)
        proxy.fault = lambda method, path, body: fault if b"uaaaa03" in body else None
        with pytest.raises(TargetUnavailable):
            list(target.apply(changes))

        proxy.fault = lambda method, path, body: None
        assert errors(target, *changes) == [None] * 6
        assert held(target) == people(6)
        target.close()


def test_a_listing_that_breaks_off_is_not_taken_for_everybody(realm: PrivateKeycloak) -> None:
    with FaultyHttp("127.0.0.1", realm.port) as proxy:
        target = make_keycloak_target(realm, url=proxy.url, page=5)
        errors(target, *(Change.create(each) for each in people(12)))
        proxy.fault = lambda method, path, body: 503 if "first=8" in path else None

        with pytest.raises(TargetUnavailable):
            held(target)
        target.close()


def test_a_user_whose_making_was_not_answered_is_not_made_twice(realm: PrivateKeycloak, hands: Hands) -> None:
    with FaultyHttp("127.0.0.1", realm.port) as proxy:
        target = make_keycloak_target(realm, url=proxy.url)
        proxy.fault = lambda method, path, body: "loses the answer" if b"uaaaa1" in body else None
        with pytest.raises(TargetUnavailable):
            target.apply_one(Change.create(ANNA))
        assert hands.admin.users_count() == 1

        proxy.fault = lambda method, path, body: None
        assert errors(target, Change.create(ANNA)) == [None]
        assert held(target) == [ANNA]
        target.close()


# --- with everything else ---


def test_students_are_written_to_both_targets_and_disabled_in_both(
    databases: Databases,
    keys: Keys,
    slapd: PrivateSlapd,
    realm: PrivateKeycloak,
    target: KeycloakTarget,
    hands: Hands,
    clock: ManualClock,
) -> None:
    slapd.reset()
    provisioner = make_provisioner(databases, slapd, clock, others={"keycloak": target})
    student = Student("a" * 32, album="00123", given_name="Żaneta", surname="Łęcka")
    add_students(databases, keys, [student])

    def bring() -> None:
        run = make_plan(provisioner, shell("test"), scope=Scope.ALL)
        assert apply_run(provisioner, run.run_id, shell("test")).is_complete

    bring()
    (made,) = held(target)
    assert made.attributes["displayName"] == ("Żaneta Łęcka",)
    assert made.attributes["link"] == ("a" * 32,)
    assert made.attributes["groups"] == ("member", "student")

    change_status(databases, "a" * 32, "suspended")
    bring()
    user = hands.user(made.name)
    assert not user["enabled"]
    assert "idpUnfinished" not in user["attributes"]
    assert make_plan(provisioner, shell("test"), scope=Scope.ALL).summary["keycloak"].counts == {}
