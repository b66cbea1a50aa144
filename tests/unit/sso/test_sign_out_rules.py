"""When a sign-out message is sent again, and which applications are told."""

from itertools import accumulate

from idp.sso.logouts import Logout, logout_in, message_of
from idp.sso.session_queries import Visited
from idp.sso.sessions import MOST_PER_APPLICATION, latest_per_application
from idp.sso.sign_out import BACKOFF, MAX_ATTEMPTS


def test_a_failed_logout_is_sent_again_soon_and_for_half_a_day() -> None:
    waits = [BACKOFF.wait_s(attempts) for attempts in range(1, MAX_ATTEMPTS)]

    assert list(accumulate(waits[:4])) == [30, 90, 210, 450]
    assert max(waits) == 6 * 3600
    assert 13 * 3600 < sum(waits) < 15 * 3600


def test_a_message_carries_the_whole_logout() -> None:
    logout = Logout("cas", "p1", "s1", "fees", "http://127.0.0.1:8081/login?a=ż", "ST-1")

    message = message_of(logout, created_at=5.0, attempts=1)

    assert logout_in(message) == logout
    assert (message.kind, message.attempts, message.once_key) == ("logout", 1, None)


def test_an_application_hears_of_its_latest_tickets_only() -> None:
    visited = [Visited("s", f"ST-{at}", "cas", "fees", "http://x", -at) for at in range(50)]
    other = [Visited("s", "ST-other", "cas", "usosweb", "http://y", -99)]

    kept = latest_per_application(visited + other)

    assert [one.ticket for one in kept] == [f"ST-{at}" for at in range(MOST_PER_APPLICATION)] + ["ST-other"]
