"""Compress pages, except pages with a form token."""

import gzip

from flask import Flask, Response, g, request

LEAST_BYTES = 1000  # less fits into one packet anyway
LEVEL = 5
TYPES = {"text/html", "text/plain", "application/json", "application/problem+json"}


def compress(app: Flask) -> None:
    """Send pages with gzip to browsers that accept it.

    A page with a CSRF token also repeats its address. An attacker who makes a browser request it many times could learn
    the token from the sizes (BREACH), because Flask-WTF does not mask it. Such pages are not compressed.
    """

    @app.after_request
    def compress_page(response: Response) -> Response:
        if response.mimetype not in TYPES or response.is_streamed or "Content-Encoding" in response.headers:
            return response
        response.vary.add("Accept-Encoding")
        if "csrf_token" in g or request.accept_encodings["gzip"] <= 0:
            return response
        body = response.get_data()
        if len(body) >= LEAST_BYTES:
            response.set_data(gzip.compress(body, LEVEL, mtime=0))
            response.content_encoding = "gzip"
        return response
