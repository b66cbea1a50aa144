"""What the browser is told about our pages."""

import pytest
from flask.testing import FlaskClient

from idp.web.headers import csp_source
from idp.web.settings import WebSettings
from tests.support.pages import Build


def test_a_page_may_load_nothing_but_what_is_served_from_here(client: FlaskClient) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self';" in policy


def test_a_form_may_lead_to_the_origins_that_its_view_names_and_no_further(client: FlaskClient) -> None:
    policy = client.get("/sign-in").headers["Content-Security-Policy"]

    assert "form-action 'self' http://localhost:8081 https://usosweb.example:8443;" in policy
    assert "usosweb" not in client.get("/").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://usosweb.example/x?y#z", "https://usosweb.example"),
        ("https://USOSweb.Example:8443/", "https://usosweb.example:8443"),
        ("http://[::1]:8080/", "http:"),
        ("https://user:pass@host.example/", "https://host.example"),
        ("myapp:/callback", "myapp:"),
    ],
)
def test_an_origin_is_written_as_a_csp_source(url: str, source: str) -> None:
    assert csp_source(url) == source


@pytest.mark.parametrize("url", ["/relative", "//host/x", "", "https://a b/; script-src *", "ht;tp://x"])
def test_a_text_that_is_no_address_adds_nothing_to_the_policy(url: str) -> None:
    try:
        source = csp_source(url)
    except ValueError:
        return
    assert source == "https:"


def test_pages_are_not_kept_by_the_browser(client: FlaskClient) -> None:
    assert client.get("/").headers["Cache-Control"] == "no-store"
    assert client.get("/nothing-here").headers["Cache-Control"] == "no-store"
    assert client.get("/").headers["Pragma"] == "no-cache"
    assert client.get("/").headers["Expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ],
)
def test_the_other_headers_are_sent_with_pages_and_failures(client: FlaskClient, header: str, value: str) -> None:
    assert client.get("/").headers[header] == value
    assert client.get("/nothing-here").headers[header] == value
    assert client.get("/static/style.css").headers[header] == value


def test_over_https_browsers_are_told_to_stay_there_and_cookies_are_bound_to_the_host(build: Build) -> None:
    app = build(WebSettings(base_url="https://id.example"))
    answer = app.test_client().get("/?lang=en", base_url="https://id.example")

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    cookies = answer.headers.getlist("Set-Cookie")
    assert any(cookie.startswith("__Host-idp_form=") for cookie in cookies)
    for cookie in cookies:
        assert "; Secure" in cookie
        assert "; HttpOnly" in cookie
        assert "; SameSite=Lax" in cookie


@pytest.mark.parametrize("hsts", ["max-age=31536000; includeSubDomains", ""])
def test_how_far_the_promise_of_https_goes_is_a_setting(build: Build, hsts: str) -> None:
    answer = build(WebSettings(base_url="https://id.example", hsts=hsts)).test_client().get("/")

    assert answer.headers.get("Strict-Transport-Security", "") == hsts


def test_over_http_on_loopback_nothing_is_promised_about_https(client: FlaskClient) -> None:
    answer = client.get("/")

    assert "Strict-Transport-Security" not in answer.headers
    assert answer.headers["Set-Cookie"].startswith("idp_form=")


def test_forwarded_headers_are_believed_only_from_trusted_proxies(build: Build) -> None:
    sent = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "id.example"}

    assert build().test_client().get("/address", headers=sent).text == "127.0.0.1 http localhost"
    behind = build(WebSettings(base_url="https://id.example", trusted_proxies=1)).test_client()
    assert behind.get("/address", headers=sent).text == "203.0.113.7 https id.example"


def test_with_one_trusted_proxy_only_the_last_address_is_believed(build: Build) -> None:
    behind = build(WebSettings(base_url="http://localhost", trusted_proxies=1)).test_client()
    answer = behind.get("/address", headers={"X-Forwarded-For": "198.51.100.66, 203.0.113.7"})

    assert answer.text.startswith("203.0.113.7 ")
