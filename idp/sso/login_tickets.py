"""Login tickets: each form that we show is good for one answer, from the browser that got it.

A ticket is encrypted and authenticated, and bound to the browser's pre-session cookie. So showing a form stores
nothing. A row begins with the first answer: it says that the ticket was used.
Source:  CAS Protocol 3.0.3, section 3.5
"""

import base64
import hashlib
import os
import re
import struct
from binascii import Error as Base32Error

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.clock import Clock
from idp.db.raw import RawStore
from idp.sso import login_ticket_queries as store

PREFIX = "LT-"
FORM, HEARING = b"form", b"hearing"
HEARINGS = 4  # a player may ask for one twice
NONCE_BYTES = 12
_BASE32 = re.compile(r"[A-Z2-7]{16,128}", re.ASCII).fullmatch
_EXPIRES_AT = struct.Struct(">d")


class LoginTickets:
    """Issues and consumes login tickets, and the keys by which the code of a picture is heard."""

    def __init__(self, raw_store: RawStore, key: bytes, clock: Clock, lifetime_s: float) -> None:
        """`key`: 32 bytes of the installation."""
        self._raw_store = raw_store
        self._cipher = AESGCM(key)
        self._clock = clock
        self._lifetime_s = lifetime_s

    def issue(self, pre_session: str, code: str = "") -> str:
        """Return a new login ticket. Shape: code: what stands in the picture of its form, if it has one"""
        return PREFIX + self._sealed(code, FORM + pre_session.encode())

    def consume(self, ticket: str, pre_session: str) -> str | None:
        """Return the picture's code of a ticket and spend it; None when it is not good.

        Effect:  of any number of parallel takers exactly one gets it
        """
        if not ticket.startswith(PREFIX) or not pre_session:
            return None
        return self._used(ticket.removeprefix(PREFIX), FORM + pre_session.encode(), uses=1)

    def issue_hearing(self, code: str) -> str:
        """Return a key by which the code of a picture is heard a few times.

        It is not the login ticket, because it travels in an address.
        """
        return self._sealed(code, HEARING)

    def hear(self, key: str) -> str | None:
        """Return the code to speak; None when the key is not good, or was used often enough."""
        return self._used(key, HEARING, uses=HEARINGS)

    def drop_expired(self) -> int:
        """Forget used tickets that have expired; return how many. For the worker."""
        with self._raw_store.lend() as raw:
            return store.drop_expired_uses(raw, self._clock.timestamp())

    def _sealed(self, code: str, bound_to: bytes) -> str:
        nonce = os.urandom(NONCE_BYTES)
        content = _EXPIRES_AT.pack(self._clock.timestamp() + self._lifetime_s) + code.encode()
        sealed = nonce + self._cipher.encrypt(nonce, content, bound_to)
        # Letters and digits only: every client takes them (CAS Protocol 3.0.3, section 3.7).
        return base64.b32encode(sealed).decode("ascii").rstrip("=")

    def _used(self, text: str, bound_to: bytes, uses: int) -> str | None:
        sealed = _decoded(text)
        if sealed is None:
            return None
        try:
            content = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except InvalidTag:
            return None
        (expires_at,) = _EXPIRES_AT.unpack_from(content)
        if expires_at <= self._clock.timestamp():
            return None
        # The hash of the bytes, not of the text: two texts may decode to the same bytes.
        ticket_hash = hashlib.sha256(sealed).hexdigest()
        with self._raw_store.lend() as raw:
            if store.count_use(raw, ticket_hash, expires_at) > uses:
                return None
        return content[_EXPIRES_AT.size :].decode("ascii")


def _decoded(text: str) -> bytes | None:
    if not _BASE32(text):
        return None
    try:
        sealed = base64.b32decode(text + "=" * (-len(text) % 8))
    except Base32Error:
        return None
    return sealed if len(sealed) > NONCE_BYTES else None
