"""Walk through the pages as a browser without JavaScript would: follow links, fill in forms, keep cookies."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.cookiejar import CookieJar
from urllib.parse import urlencode

import lxml.html


class LostWay(Exception):
    """A page did not look as expected; the text says which, without what was typed."""


class Visitor:
    """One browser with its own cookies."""

    def __init__(self, timeout_s: float = 20.0) -> None:
        # No proxy of the machine: we only visit loopback.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )
        self._timeout_s = timeout_s
        self.url = ""
        self.page = lxml.html.Element("html")

    def visit(self, url: str) -> None:
        """Open a page."""
        self._open(urllib.request.Request(url))  # noqa: S310 - http, made by us

    def follow(self, path_part: str) -> None:
        """Follow the first link whose address holds `path_part`."""
        for _, _, address, _ in self.page.iterlinks():
            if path_part in address:
                self.visit(address)
                return
        raise LostWay(f"{self.url}: no link to {path_part}")

    def submit(self, values: Mapping[str, str]) -> None:
        """Fill in the form that has all these fields and send it by its own button."""
        for form in self.page.forms:
            if set(values) <= set(form.fields.keys()):
                for name, value in values.items():
                    form.fields[name] = value
                data = urlencode([*form.form_values(), *_button(form)]).encode()
                self._open(urllib.request.Request(form.action or self.url, data))  # noqa: S310 - as above
                return
        raise LostWay(f"{self.url}: no form with {', '.join(values)}")

    @property
    def text(self) -> str:
        """What a person would read."""
        return " ".join(self.page.text_content().split())

    def _open(self, request: urllib.request.Request) -> None:
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                self.url, content = answer.url, answer.read()
        except urllib.error.HTTPError as refusal:
            self.url, content = refusal.url or request.full_url, refusal.read()
        self.page = lxml.html.document_fromstring(content or b"<html></html>", base_url=self.url)
        self.page.make_links_absolute()


def _button(form: lxml.html.FormElement) -> list[tuple[str, str]]:
    for button in form.iter("button"):
        if button.get("type", "submit") == "submit" and button.get("name"):
            return [(button.get("name") or "", button.get("value") or "")]
    return []
