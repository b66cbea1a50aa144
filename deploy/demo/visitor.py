"""Walk through the pages as a browser without JavaScript would: open them, fill in forms, keep cookies."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urljoin, urlsplit

import lxml.html


class LostWay(Exception):
    """A page did not look as expected; the text says which, without what was typed."""


class Visitor:
    """One browser with its own cookies, at one site; `url`, `status`, `headers`, `text`, `page` say where it is."""

    def __init__(self, site: str, timeout_s: float = 20.0, tls: ssl.SSLContext | None = None) -> None:
        # No proxy of the machine: we only visit loopback.
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(CookieJar()),
            urllib.request.HTTPSHandler(context=tls),
        )
        self._site = site
        self._timeout_s = timeout_s
        self.url = site
        self.status = 0
        self.headers = Message()
        self.text = ""
        self.page = lxml.html.Element("html")

    def visit(self, address: str) -> None:
        """Open a page of the site, by its path or whole address."""
        self._open(urllib.request.Request(urljoin(self._site, address)))  # noqa: S310 - http, made by us

    def submit(self, values: Mapping[str, str], password: str = "") -> None:
        """Fill in the form that has all these fields, the password wherever one is asked, and send it.

        Raises:  LostWay when no form has them
        """
        for form in self.page.forms:
            secret = [field for field in form.inputs if field.get("type") == "password"]
            if set(values) <= set(form.fields.keys()) and bool(secret) == bool(password):
                for name, value in values.items():
                    form.fields[name] = value
                for field in secret:
                    field.value = password
                data = urlencode(form.form_values()).encode()
                self._open(urllib.request.Request(form.action or self.url, data))  # noqa: S310 - as above
                return
        raise LostWay(f"{self.url}: no form with {', '.join(values) or 'a password'}: {self._said()}")

    def first_choice(self, name: str) -> str:
        """Return the first value of the radio buttons `name`."""
        for form in self.page.forms:
            if name in form.fields:
                return str(next(iter(form.inputs[name].value_options)))
        raise LostWay(f"{self.url}: nothing to choose as {name}: {self._said()}")

    def must_be_at(self, path: str) -> None:
        """Raises:  LostWay when another page came than that of `path`"""
        if urlsplit(self.url).path != path:
            raise LostWay(f"{self.url} instead of {path}: {self._said()}")

    def must_be_known(self) -> None:
        """Raises:  LostWay when the page asks for a password (again)"""
        if self.page.xpath("//input[@type='password']"):
            raise LostWay(f"{self.url}: {self._said()}")

    def _said(self) -> str:
        """The headings and complaints of the page: enough to see what happened, and nothing that was typed."""
        parts = self.page.xpath("//h1 | //*[@role='alert']")
        return " / ".join(" ".join(part.text_content().split()) for part in parts)[:400]

    def _open(self, request: urllib.request.Request) -> None:
        try:
            with self.opener.open(request, timeout=self._timeout_s) as answer:
                self.url, self.status, self.headers, content = answer.url, answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refusal:
            self.url, self.status, self.headers = refusal.url or request.full_url, refusal.code, refusal.headers
            content = refusal.read()
        self.text = content.decode(errors="replace")
        self.page = lxml.html.document_fromstring(content or b"<html></html>", base_url=self.url)
        self.page.make_links_absolute()
