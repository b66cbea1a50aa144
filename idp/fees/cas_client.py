"""Ask CAS who somebody is, with the python-cas client, kept within limits of time and size."""

import logging
import re
from dataclasses import dataclass
from typing import Any

from cas import CASClientV3
from lxml import etree

from idp.errors import BadCredentials, InvalidInput, TargetUnavailable
from idp.fees.settings import CasSettings
from idp.tls import client_context
from idp.xml import parse_xml

MAX_ANSWER_BYTES = 64 * 1024
MAX_LOGOUT_BYTES = 16 * 1024
# python-cas and urllib3 log tickets and attributes at DEBUG.
TALKATIVE = ("cas", "urllib3")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom CAS vouches for; `album` is None for people without one."""

    user: str
    album: str | None


class Cas:
    """The sign-in service. Each `service_url` is one sign-in: where it sends that browser back with a ticket."""

    def __init__(self, settings: CasSettings) -> None:
        self._settings = settings
        self._session = _session(settings)
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.INFO)

    def login_url(self, service_url: str, language: str) -> str:
        """Return where to send somebody who wants to sign in, in their language."""
        url: str = self._client(service_url).get_login_url()
        parameter = self._settings.language_parameter
        return f"{url}&{parameter}={language}" if parameter else url

    @property
    def logout_url(self) -> str:
        """Where to send somebody who signs out: CAS signs them out everywhere and says so."""
        return str(self._client().get_logout_url())

    def verify(self, ticket: str, service_url: str) -> Principal:
        """Return whom CAS vouches for.

        Raises:  BadCredentials when it gave no such ticket for `service_url`; TargetUnavailable when it gives no usable
                 answer
        """
        client = self._client(service_url)
        answer = client.get_verification_response(ticket)
        try:
            user, attributes, _ = client.verify_response(_plain(answer, MAX_ANSWER_BYTES))
        # python-cas lets these through when the answer is no CAS answer: an element or a tag is missing.
        except (InvalidInput, ValueError, IndexError, AttributeError) as exc:
            raise TargetUnavailable("CAS sent something that is no CAS answer.") from exc
        if not user:
            raise BadCredentials
        return Principal(user, _album((attributes or {}).get(self._settings.album_attribute)))

    def close(self) -> None:
        """Give kept connections back."""
        self._session.close()

    def _client(self, service_url: str | None = None) -> "_BoundedClient":
        return _BoundedClient(self._settings, self._session, service_url)


def ended_ticket(logout_request: str) -> str:
    """Return the ticket whose session CAS asks to end.

    Raises:  InvalidInput
    Source:  CAS protocol 3.0, section 2.3.3; the ticket stands in samlp:SessionIndex
    """
    # Bytes: lxml refuses a text that names its encoding.
    indexes = CASClientV3.get_saml_slos(_plain(logout_request.encode(), MAX_LOGOUT_BYTES))
    if not indexes or not indexes[0].text:
        raise InvalidInput("That is no logout request.")
    return str(indexes[0].text).strip()


def _plain(document: bytes, max_bytes: int) -> bytes:
    """Return a document as our own parser read it, so that no other parser sees what that one refuses."""
    return etree.tostring(parse_xml(document, max_bytes))


def _album(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value) else None


class _BoundedClient(CASClientV3):  # type: ignore[misc] # python-cas ships no type information
    """python-cas, whose own request waits for ever, reads without end and follows redirects."""

    def __init__(self, settings: CasSettings, session: Any, service_url: str | None) -> None:
        super().__init__(service_url=service_url, server_url=settings.server_url, session=session)
        self._timeout_s = settings.timeout_s

    def get_verification_response(self, ticket: str) -> bytes:
        """Return the answer of CAS. Raises: TargetUnavailable."""
        parameters = {"ticket": ticket, "service": self.service_url}
        try:
            with self.session.get(
                f"{self.server_url}{self.url_suffix}",
                params=parameters,
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
            ) as page:
                return self._read(page)
        # requests' own errors are OSErrors; those of urllib3 while reading are not all translated by it.
        except OSError as exc:
            raise TargetUnavailable(f"CAS did not answer: {type(exc).__name__}.") from exc

    def _read(self, page: Any) -> bytes:
        if page.status_code != 200:
            raise TargetUnavailable(f"CAS answered with status {page.status_code}.")
        answer = bytearray()
        for chunk in page.iter_content(8192):
            answer += chunk
            if len(answer) > MAX_ANSWER_BYTES:
                raise TargetUnavailable("CAS sent too long an answer.")
        return bytes(answer)


def _session(settings: CasSettings) -> Any:
    """Return python-cas's kept connections; one set for every sign-in."""
    session = CASClientV3().session
    session.trust_env = False  # proxies and .netrc: only settings.py reads the environment
    if settings.extra_ca_files:
        session.get_adapter("https://").init_poolmanager(4, 4, ssl_context=client_context(settings.extra_ca_files))
    return session
