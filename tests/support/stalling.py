"""Clients of the web server and of the proxy: ordinary ones, and ones that stall on purpose."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and after how long."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    path: str = "/echo",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    is_chunked: bool = False,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send one request on a connection of its own and return the answer."""
    began_at = time.monotonic()
    if tls:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "localhost", port, timeout=PATIENCE_S, context=tls
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        content: bytes | Iterable[bytes] | None = iter((body,)) if body and is_chunked else body
        method = "GET" if body is None else "POST"
        connection.request(method, path, content, dict(headers or {}), encode_chunked=is_chunked)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read(), time.monotonic() - began_at)
    finally:
        connection.close()


def open_connections(stack: ExitStack, port: int, number: int, address: str = "127.0.0.1") -> list[socket.socket]:
    """Open connections that say nothing; `stack` closes them. `address`: where they come from."""
    return [
        stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S, source_address=(address, 0)))
        for _ in range(number)
    ]


def stalled_bodies(stack: ExitStack, port: int, number: int, tls: ssl.SSLContext | None = None) -> list[socket.socket]:
    """Open connections that announce a body of 1,000 bytes and send three; `stack` closes them."""
    begun = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
    clients = open_connections(stack, port, number)
    if tls:
        clients = [stack.enter_context(tls.wrap_socket(client, server_hostname="localhost")) for client in clients]
    for client in clients:
        client.sendall(begun)
    return clients
