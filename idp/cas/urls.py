"""Service URLs as the protocol handles them: compared, and returned to with a ticket. Pure.

Sources: CAS Protocol 3.0.3, 2.1.1 and appendix B; docs/domain.md on what real clients send.
"""

from urllib.parse import quote

from idp.applications.urls import SESSION_ID, as_ascii

TICKET, SAML_TICKET = "ticket", "SAMLart"
_TICKETS = (f"{TICKET}=", f"{SAML_TICKET}=")


def same_service(bound: str, given: str) -> bool:
    """Tell whether a ticket for `bound` may be validated as `given`: the same text.

    Clients cause four differences without wanting to, so these do not count:
    - `;jsessionid=…`: the Java client signs in with one and validates with another
    - a ticket left over from before
    - the fragment: browsers do not send it to the application
    - letters beyond ASCII: browsers percent-encode them
    """
    return bound == given or _comparable(bound) == _comparable(given)


def _comparable(text: str) -> str:
    return as_ascii(without_ticket(SESSION_ID.sub("", text)).partition("#")[0])


def with_ticket(text: str, ticket: str, parameter: str = TICKET) -> str:
    """Return the address that the browser is sent to.

    Shape:   "https://a/b?c=d#e" -> "https://a/b?c=d&ticket=ST-…#e"; a left-over ticket goes, other bytes stay
    """
    return _with_query(without_ticket(text), f"{parameter}={ticket}")  # letters, digits and a hyphen: nothing to quote


def with_parameters(text: str, added: dict[str, str]) -> str:
    """Return `text` in ASCII with parameters at the end of its query, before any fragment."""
    return _with_query(
        text, "&".join(f"{quote(name, safe='')}={quote(value, safe='-')}" for name, value in added.items())
    )


def _with_query(text: str, pairs: str) -> str:
    address, hash_sign, fragment = as_ascii(text).partition("#")
    sign = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{sign}{pairs}{hash_sign}{fragment}"


def without_ticket(text: str) -> str:
    """Return `text` without tickets, every other byte as it was."""
    if not any(start in text for start in _TICKETS):
        return text
    address, hash_sign, fragment = text.partition("#")
    path, question_mark, query = address.partition("?")
    kept = [pair for pair in query.split("&") if not pair.startswith(_TICKETS)]
    query = "&".join(kept)
    return f"{path}{question_mark if query else ''}{query}{hash_sign}{fragment}"
