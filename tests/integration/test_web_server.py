"""The web server with clients that stall: others are served meanwhile.

Source:  findings of an attack: 70 stalled bodies or 1,024 idle connections made the server deaf for 20 s and more
"""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from idp.cli.granian import HEADER_WITHIN_MS, granian_command
from tests.support.cas_clients.programs import Program
from tests.support.echo import FACTORY
from tests.support.processes import is_listened_on, quiet_port
from tests.support.stalling import ask, is_readable, open_connections, stalled_bodies

# A quiet machine answers in 20 ms; a test's machine is busy.
SERVED_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running server with two processes and the usual number of threads."""
    port = quiet_port()
    server = Program(tmp_path_factory.mktemp("server") / "log", granian_command(FACTORY, "127.0.0.1", port, 2, 32))
    try:
        server.wait_until(lambda: is_listened_on(port))
        yield port
    finally:
        server.stop()


def test_connections_without_a_whole_header_do_not_make_it_deaf_and_are_closed_in_time(port: int) -> None:
    with ExitStack() as stack:
        idle, trickling = open_connections(stack, port, 1024), open_connections(stack, port, 1)
        trickling[0].sendall(b"GET /echo HTTP/1.1\r\n")
        answer = ask(port)

        assert answer.status == 200
        assert answer.seconds < SERVED_WITHIN_S
        deadline = time.monotonic() + HEADER_WITHIN_MS / 1000 + SERVED_WITHIN_S
        while not is_readable(trickling[0], 0.5):
            assert time.monotonic() < deadline
            trickling[0].sendall(b"X-Slow: 1\r\n")
        assert all(is_readable(client, max(0.0, deadline - time.monotonic())) for client in idle)


def test_stalled_bodies_do_not_make_it_deaf(port: int) -> None:
    with ExitStack() as stack:
        stalled = stalled_bodies(stack, port, 70)
        answers = [ask(port) for _ in range(20)]
        # The server waits for a body in half of its 2 × 32 threads, and refuses the others without waiting.
        deadline = time.monotonic() + SERVED_WITHIN_S
        refused: list[socket.socket] = []
        while len(refused) < 70 - 2 * 16 and time.monotonic() < deadline:
            refused = [client for client in stalled if is_readable(client, 0)]

        assert len(refused) >= 70 - 2 * 16
        assert {client.recv(12) for client in refused} == {b"HTTP/1.1 503"}
    assert {answer.status for answer in answers} == {200}
    assert max(answer.seconds for answer in answers) < SERVED_WITHIN_S


def test_it_speaks_http_1_and_nothing_else(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=SERVED_WITHIN_S) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        try:
            answer = client.recv(100)
        except ConnectionError:
            answer = b""

    assert b"\x00\x00\x00\x04" not in answer, "an HTTP/2 SETTINGS frame"


def test_a_header_that_is_too_large_is_refused(port: int) -> None:
    assert ask(port, headers={"X-Long": "x" * 200_000}).status == 431


def test_a_body_arrives_whole_however_it_is_sent(port: int) -> None:
    assert ask(port, body=b"a=1&b=2").json()["body"] == "a=1&b=2"
    assert ask(port, body=b"a=1&b=2", is_chunked=True).json()["body"] == "a=1&b=2"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(port: int, is_chunked: bool) -> None:
    assert ask(port, body=b"x" * 300_000, is_chunked=is_chunked).status == 413


def test_the_server_does_not_say_what_it_runs(port: int) -> None:
    assert ask(port).headers["Server"] == "idp"
