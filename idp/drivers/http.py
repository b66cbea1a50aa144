"""Send HTTP requests to reviewed addresses, within limits that the other side cannot exceed.

Each request has these limits. The name is resolved once, and the connection goes to that address. Networks that are not
public are reached only if they are allowed. One deadline covers everything from resolving to the last byte. Redirects
are not followed. The size of an answer is limited. TLS is verified against the system's CAs and configured ones.
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpcore2

from idp.errors import TargetRejected, TargetUnavailable
from idp.hosts import LOOPBACK
from idp.tls import client_context

ANSWER_BYTES = 64 * 1024
USER_AGENT = "idp"

# IPv6 that the internet routes. All other space is reserved, local or of one link (IANA's registry).
GLOBAL_UNICAST = IPv6Network("2000::/3")
# Translated to IPv4 by the network (RFC 6052, RFC 7915).
TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("::ffff:0:0:0/96"), IPv6Network("::/96"))
RELAYS_TO_6TO4 = IPv4Network("192.88.99.0/24")  # taken out of use by RFC 7526

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], list[Address]]
_UNREACHED = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Outgoing:
    """Sends requests; safe to share between threads."""

    def __init__(
        self,
        extra_ca_files: Iterable[Path] = (),
        private_networks: Sequence[Network] = (),
        timeout_s: float = 3.0,
        resolve: Resolve | None = None,
    ) -> None:
        """Shape: resolve: another way to look up names than the system's

        Raises:  ConfigError when a file holds no CA certificates
        """
        self._tls = client_context(extra_ca_files)
        self._private = tuple(private_networks)
        self._timeout_s = timeout_s
        self._resolve = resolve or addresses_of

    def get(self, url: str) -> Answer:
        """Fetch `url`.

        Raises:  TargetUnavailable when there was no answer in time; TargetRejected when the address may not be reached
        """
        return self._send("GET", url, None, {})

    def post_form(self, url: str, fields: Mapping[str, str]) -> Answer:
        """Post a form; a space travels as `%20`, which every decoder understands. Raises: as `get`."""
        return self.post(url, urlencode(fields, quote_via=quote).encode(), "application/x-www-form-urlencoded")

    def post(self, url: str, body: bytes, content_type: str) -> Answer:
        """Post `body`. Raises: as `get`."""
        return self._send("POST", url, body, {"Content-Type": content_type})

    def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        backend = _Backend(self._private, time.monotonic() + self._timeout_s, self._resolve)
        sent = [("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Connection", "close"), *headers.items()]
        try:
            with (
                httpcore2.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
                pool.stream(method, url, headers=sent, content=body) as response,
            ):
                return Answer(response.status, _limited(response.iter_stream()))
        except _UNREACHED as exc:
            raise TargetUnavailable(type(exc).__name__) from exc
        except httpcore2.UnsupportedProtocol as exc:
            raise TargetRejected("neither http nor https") from exc


def _limited(chunks: Iterable[bytes]) -> bytes:
    kept = b""
    for chunk in chunks:
        kept += chunk
        if len(kept) > ANSWER_BYTES:
            raise TargetUnavailable("the answer is too long")
    return kept


class _Backend(httpcore2.NetworkBackend):
    """Opens the one connection of a request."""

    def __init__(self, private: Sequence[Network], deadline: float, resolve: Resolve) -> None:
        self._private = private
        self._deadline = deadline
        self._resolve = resolve
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        found = _in_time(self._resolve, host, port, self._deadline)
        addresses = [address for address in found if may_reach(host, address, self._private)]
        if not addresses:
            raise TargetRejected("its address is not public, and its network is not in http.private_networks")
        failure: Exception | None = None
        for address in addresses:
            try:
                stream = self._plain.connect_tcp(str(address), port, _left(self._deadline))
                return _Stream(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failure = exc
        raise failure or httpcore2.ConnectError()


class _Stream(httpcore2.NetworkStream):
    """A stream in which every wait ends at the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time for the whole request is over")
    return left


def _in_time(resolve: Resolve, host: str, port: int, deadline: float) -> list[Address]:
    """Resolve a name before the deadline. Raises: OSError; httpcore2.ConnectTimeout."""
    try:
        return [ip_address(host.strip("[]"))]
    except ValueError:
        pass  # a name
    answer: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(resolve(host, port))
        except OSError as exc:
            answer.put(exc)

    # The system's call cannot be stopped. Its thread ends by itself, when the resolver gives up.
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=_left(deadline))
    except queue.Empty:
        raise httpcore2.ConnectTimeout("the name was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return found


def addresses_of(host: str, port: int) -> list[Address]:
    """Return the addresses of a name, in the system's order of preference.

    Raises:  OSError when it has none
    """
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def may_reach(host: str, address: Address, private: Sequence[Network]) -> bool:
    """Tell whether `host` may be reached at `address`.

    Public addresses may. Others may if a configured network contains them. Loopback may if the registration itself
    names it. A public name that resolves to an internal address is refused.
    """
    plain = embedded_ipv4(address) or address
    if plain.is_loopback and host.strip("[]").lower() in LOOPBACK:
        return True
    if any(plain.version == network.version and plain in network for network in private):
        return True
    if plain.is_multicast or not plain.is_global:
        return False
    return plain in GLOBAL_UNICAST if isinstance(plain, IPv6Address) else plain not in RELAYS_TO_6TO4


def embedded_ipv4(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, or None.

    Shape:   ::ffff:10.0.0.1, 64:ff9b::a00:1, 2002:a00:1::, ::10.0.0.1 and Teredo of 10.0.0.1 -> 10.0.0.1
    """
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return None
    if (embedded := address.ipv4_mapped or address.sixtofour) is not None:
        return embedded
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in TRANSLATED):
        return IPv4Address(address.packed[-4:])
    return None
