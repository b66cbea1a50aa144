"""Headers that tell the browser what these pages may do: nothing but what is served from here.

Sources: OWASP Secure Headers; CSP Level 3; HTML `Cross-Origin-Opener-Policy`.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, g

HSTS = "max-age=31536000"
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
# `same-origin` and not `no-referrer`: over https, Flask-WTF takes a form only with a Referer from this host.
REFERRER = "same-origin"

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)


def allow_form_targets(*urls: str) -> None:
    """Let the forms of this page lead, by redirects, to the origins of `urls` too.

    A browser stops a form whose answer redirects to an origin that `form-action` does not name (CSP 3, section 6.4.2;
    Chromium checks every redirect). So the view that shows the form says where it may end: the CAS login page adds its
    service, a sign-out button adds the sign-in service.

    Effect:  this response only; give reviewed addresses, never a text that was not matched with a registration
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
    """Return the policy of a page. Nothing inline, nothing from elsewhere."""
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


def send_headers(app: Flask, is_https: bool) -> None:
    """Add the headers to every answer of `app`. A view that set one itself keeps its own."""

    @app.after_request
    def add(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", content_security_policy(g.get("form_targets", ())))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Referrer-Policy", REFERRER)
        headers.setdefault("Permissions-Policy", PERMISSIONS)
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Pages are about one person, and the back button of a shared computer must not show them.
        headers.setdefault("Cache-Control", "no-store")
        if is_https:
            headers.setdefault("Strict-Transport-Security", HSTS)
        return response
