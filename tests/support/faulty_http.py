"""Stands before a real HTTP server and lets it down: refuses, fails inside, hangs up, keeps silent or loses answers."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Fault = int | str  # a status, "silent", "hangs up" or "loses the answer"
WITHOUT = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class FaultyHttp:
    """A reverse proxy on loopback: `fault(method, path, body)` says what goes wrong with a request, None for nothing.

    Shape:   with FaultyHttp("127.0.0.1", 8180) as proxy: proxy.fault = lambda method, path, body: 503
    """

    def __init__(self, host: str, port: int) -> None:
        self.fault: Callable[[str, str, bytes], Fault | None] = lambda method, path, body: None
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, host, port))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def keep_silent(self) -> None:
        """Return when the test is over."""
        self._released.wait()


def _handler(proxy: FaultyHttp, host: str, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            match proxy.fault(self.command, self.path, body):
                case "silent":
                    proxy.keep_silent()
                    self.close_connection = True
                case "hangs up":
                    self.close_connection = True
                case int() as status:
                    self.answer(status, {}, b"")
                case "loses the answer":
                    self.asked(body)
                    self.close_connection = True
                case _:
                    self.answer(*self.asked(body))

        def asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            upstream = http.client.HTTPConnection(host, port, timeout=60)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in WITHOUT}
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                kept = {name: value for name, value in answer.getheaders() if name.lower() not in WITHOUT}
                return answer.status, kept, answer.read()
            finally:
                upstream.close()

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != http.HTTPStatus.NO_CONTENT:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    return Handler
