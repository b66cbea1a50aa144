"""Follow every link of the running service, as one visitor sees it."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit

import lxml.html
from playwright.sync_api import APIRequestContext, APIResponse


@dataclass(slots=True)
class Found:
    """What the links lead to."""

    pages: list[str] = field(default_factory=list)  # pages of ours, in the order in which they were found
    outside: set[str] = field(default_factory=set)  # addresses of others
    broken: list[str] = field(default_factory=list)  # "page -> link: what is wrong"


def crawl(visitor: APIRequestContext, starts: Iterable[str], is_passed_over: Callable[[str], bool]) -> Found:
    """Return all that can be reached from `starts` by links alone.

    Shape:   is_passed_over: links that do something when followed, as signing out does
    """
    starts = list(starts)
    origins = {_origin(start) for start in starts}
    found = Found()
    seen = set(starts)
    waiting = deque((start, "(start)") for start in starts)
    while waiting:
        address, from_page = waiting.popleft()
        answer = visitor.get(address)
        if answer.status != 200:
            found.broken.append(f"{from_page} -> {address}: {answer.status}")
            continue
        if not _is_page(answer) or _origin(answer.url) not in origins:
            continue
        if (shown := _plain(answer.url)) not in found.pages:
            found.pages.append(shown)
        page = lxml.html.document_fromstring(answer.text())
        found.broken += [f"{shown} -> {problem}" for problem in _problems(visitor, shown, page)]
        for link in _links(page):
            target = _plain(urljoin(answer.url, link))
            if _origin(target) not in origins:
                found.outside.add(target)
            elif target not in seen and not is_passed_over(target):
                seen.add(target)
                waiting.append((target, shown))
    return found


def _links(page: Any) -> list[str]:
    attributes = [
        *page.xpath("//a/@href"),
        *page.xpath("//link/@href"),
        *page.xpath("//script/@src"),
        *page.xpath("//img/@src"),
    ]
    return [str(link) for link in attributes if not str(link).startswith("#")]


def _problems(visitor: APIRequestContext, address: str, page: Any) -> list[str]:
    """Return what is wrong within a page: fragments without a target, forms that nothing answers."""
    ids = set(page.xpath("//@id"))
    problems = [f"{link}: no such place" for link in page.xpath("//a/@href") if link[0] == "#" and link[1:] not in ids]
    for form in page.xpath("//form[translate(@method, 'POST', 'post') = 'post']"):
        target = urljoin(address, form.get("action") or address)
        answer = visitor.fetch(target, method="OPTIONS")
        if "POST" not in answer.headers.get("allow", ""):
            problems.append(f"{target}: takes no form")
    return problems


def _is_page(answer: APIResponse) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")


def _plain(address: str) -> str:
    """Return the address without fragment and language: a page in two languages is one page here."""
    parts = urlsplit(urldefrag(address).url)
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in ("lang", "locale")])
    return parts._replace(query=query).geturl()


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
