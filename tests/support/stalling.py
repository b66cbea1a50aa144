"""Clients of the web server and of the proxy: ordinary ones, and ones that stall on purpose."""

import http.client
import json
import select
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
    host: str = "localhost",
    source: str = "127.0.0.1",
) -> Answer:
    """Send one request on a connection of its own and return the answer.

    Shape:   source: the loopback address that it comes from
    """
    began_at = time.monotonic()
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
    with ExitStack() as stack:
        connection.sock = open_connections(stack, port, 1, source)[0]
        if tls:
            connection.sock = stack.enter_context(tls.wrap_socket(connection.sock, server_hostname=host))
        content: bytes | Iterable[bytes] | None = iter((body,)) if body and is_chunked else body
        method = "GET" if body is None else "POST"
        connection.request(method, path, content, dict(headers or {}), encode_chunked=is_chunked)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read(), time.monotonic() - began_at)


def is_readable(client: socket.socket, within_s: float) -> bool:
    """Tell whether an answer or the end of the connection came in time."""
    poll = select.poll()
    poll.register(client, select.POLLIN)
    return bool(poll.poll(1000 * within_s))


def open_connections(stack: ExitStack, port: int, number: int, source: str = "127.0.0.1") -> list[socket.socket]:
    """Open connections that say nothing; `stack` closes them."""
    return [
        stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S, source_address=(source, 0)))
        for _ in range(number)
    ]


def stalled_bodies(
    stack: ExitStack, port: int, number: int, tls: ssl.SSLContext | None = None, host: str = "localhost"
) -> list[socket.socket]:
    """Open connections that announce a body of 1,000 bytes and send three; `stack` closes them."""
    begun = f"POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nabc".encode()
    clients = open_connections(stack, port, number)
    if tls:
        clients = [stack.enter_context(tls.wrap_socket(client, server_hostname=host)) for client in clients]
    for client in clients:
        client.sendall(begun)
    return clients
