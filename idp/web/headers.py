"""Headers that restrict pages to content from this host.

Sources: OWASP Secure Headers; CSP Level 3; HTML `Cross-Origin-Opener-Policy`.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, g

from idp.web.settings import WebSettings

PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "payment",
        "usb",
    )
)
# `same-origin`, not `no-referrer`: over https, Flask-WTF accepts a form only with a Referer of this host.
REFERRER = "same-origin"
# Pages show personal data, and the back button of a shared computer must not show them. The last two are for caches
# of HTTP/1.0 (CAS Protocol 3.0.3, appendix B).
NOT_CACHED = [("Cache-Control", "no-store"), ("Pragma", "no-cache"), ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")]

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)


def allow_form_targets(*urls: str) -> None:
    """Allow the forms of this page to be redirected to the origins of `urls`.

    A browser blocks a form whose answer redirects to an origin that `form-action` does not name (CSP 3, section 6.4.2;
    Chromium checks every redirect). So the view that shows the form names the destination. The CAS login page names the
    service, and a sign-out button names the sign-in service.

    Effect:  for this response only. Pass only addresses that matched a registration
    """
    g.setdefault("form_targets", set()).update(csp_source(url) for url in urls)


def csp_source(url: str) -> str:
    """Return the CSP source of a URL's origin.

    Shape:   "https://usosweb.example:8443/a?b" -> "https://usosweb.example:8443"; an address that the CSP grammar
             cannot write (IPv6) -> its scheme
    Raises:  ValueError
    """
    parts = urlsplit(url)
    if not _SCHEME.fullmatch(parts.scheme):
        raise ValueError("not an absolute URL")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        return f"{parts.scheme}:"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def content_security_policy(form_targets: Iterable[str] = ()) -> str:
    """Return the policy of a page: nothing inline, nothing from other hosts."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "media-src 'self'",  # the CAPTCHA, spoken
            "worker-src 'self'",  # the CAPTCHA's proof of work
            "manifest-src 'self'",
            " ".join(("form-action 'self'", *sorted(form_targets))),
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def plain_headers(web: WebSettings) -> list[tuple[str, str]]:
    """Return the default headers of an answer without form targets."""
    always = [
        ("Server", "idp"),  # otherwise granian names itself
        ("Content-Security-Policy", content_security_policy()),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", REFERRER),
        ("Permissions-Policy", PERMISSIONS),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        *NOT_CACHED,
    ]
    return [*always, ("Strict-Transport-Security", web.hsts)] if web.is_https and web.hsts else always


def send_headers(app: Flask, web: WebSettings) -> None:
    """Add the headers to every answer of `app`. A header that the view has set stays."""

    plain = plain_headers(web)

    @app.after_request
    def add(response: Response) -> Response:
        if targets := g.get("form_targets"):
            response.headers.setdefault("Content-Security-Policy", content_security_policy(targets))
        may_be_cached = "Cache-Control" in response.headers
        for name, value in plain:
            if not (may_be_cached and (name, value) in NOT_CACHED):
                response.headers.setdefault(name, value)
        return response
