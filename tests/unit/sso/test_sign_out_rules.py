"""When a logout is tried again, and which applications are told."""

from idp.sso.session_queries import Visited
from idp.sso.sessions import MOST_PER_APPLICATION, latest_per_application
from idp.sso.sign_out import RETRIES_S, State, next_step


def test_a_confirmed_logout_is_settled() -> None:
    assert next_step(3, 100.0, failed=False) == (State.CONFIRMED, 100.0)


def test_a_failed_logout_is_tried_again_later_and_later() -> None:
    assert [next_step(tries, 0.0, failed=True) for tries in range(len(RETRIES_S))] == [
        (State.OWED, float(wait)) for wait in RETRIES_S
    ]


def test_after_the_last_try_it_is_given_up() -> None:
    assert next_step(len(RETRIES_S), 5.0, failed=True) == (State.GIVEN_UP, 5.0)


def test_an_application_hears_of_its_latest_tickets_only() -> None:
    visited = [Visited("s", f"ST-{at}", "cas", "fees", "http://x", -at) for at in range(50)]
    other = [Visited("s", "ST-other", "cas", "usosweb", "http://y", -99)]

    kept = latest_per_application(visited + other)

    assert [one.ticket for one in kept] == [f"ST-{at}" for at in range(MOST_PER_APPLICATION)] + ["ST-other"]
