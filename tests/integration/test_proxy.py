"""The nginx configuration in deploy/proxy in front of our web server: what it passes on, and what it keeps away."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from idp.cli.granian import granian_command
from tests.support.cas_clients.programs import Program
from tests.support.certificates import Certificates, make_certificates
from tests.support.echo import FACTORY
from tests.support.nginx import HOST, start_nginx
from tests.support.processes import is_listened_on, quiet_port
from tests.support.stalling import Answer, ask, is_readable, open_connections, stalled_bodies
from tests.support.workers import until

SERVED_WITHIN_S = 5.0
HEADER_OR_BODY_WITHIN_S = 10.0
REQUESTS_OF_ONE_ADDRESS = 100
TICKET = "ST-1-secret"


@dataclass(frozen=True)
class Proxy:
    """The running proxy."""

    http: int
    https: int
    tls: ssl.SSLContext
    log: Path

    def ask(self, path: str = "/echo", **how: object) -> Answer:
        return ask(self.https, path, tls=self.tls, host=HOST, **how)  # type: ignore[arg-type] # as `ask`


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy with our web server behind it."""
    folder = tmp_path_factory.mktemp("proxy")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o711)
    certificates: Certificates = make_certificates(folder / "certificates", HOST)
    http, https, behind = quiet_port(), quiet_port(), quiet_port()
    with ExitStack() as stack:
        words = granian_command(FACTORY, "127.0.0.1", behind, 1, 32)
        server = Program(folder / "server.log", words)
        stack.callback(server.stop)
        nginx = start_nginx(folder / "nginx", certificates, http, https, behind)
        stack.callback(nginx.stop)
        server.wait_until(lambda: is_listened_on(behind))
        nginx.wait_until(lambda: is_listened_on(https))
        tls = ssl.create_default_context(cafile=str(certificates.authority))
        yield Proxy(http, https, tls, folder / "nginx" / "idp.log")


def test_the_application_learns_who_asks_and_by_which_address(proxy: Proxy) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    seen = proxy.ask(f"/echo?ticket={TICKET}", headers=forged).json()

    assert seen["url"] == f"https://{HOST}/echo?ticket={TICKET}"
    assert seen["address"] == "127.0.0.1"


def test_the_log_holds_neither_path_nor_query(proxy: Proxy) -> None:
    number = proxy.ask(f"/echo?ticket={TICKET}").headers["X-Request-Id"]
    until(lambda: number in proxy.log.read_text(), within_s=20)  # nginx writes it after it has answered
    log = proxy.log.read_text()

    assert TICKET not in log
    assert "echo" not in log


def test_plain_http_is_sent_to_https(proxy: Proxy) -> None:
    answer = ask(proxy.http, "/cas/login?service=x", headers={"Host": HOST})

    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{HOST}/cas/login?service=x"


def test_another_host_name_gets_nothing(proxy: Proxy) -> None:
    with pytest.raises(ssl.SSLError):
        ask(proxy.https, tls=proxy.tls, host="evil.example")
    with pytest.raises(ConnectionError):
        ask(proxy.http, headers={"Host": "evil.example"})


def test_browsers_get_http_2(proxy: Proxy) -> None:
    with ExitStack() as stack:
        proxy.tls.set_alpn_protocols(["h2", "http/1.1"])
        stack.callback(proxy.tls.set_alpn_protocols, ["http/1.1"])
        plain = open_connections(stack, proxy.https, 1)[0]
        client = stack.enter_context(proxy.tls.wrap_socket(plain, server_hostname=HOST))

        assert client.selected_alpn_protocol() == "h2"


def test_no_version_is_told(proxy: Proxy) -> None:
    assert proxy.ask().headers["Server"] == "nginx"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_stops_at_the_proxy(proxy: Proxy, is_chunked: bool) -> None:
    answer = proxy.ask(body=b"x" * 300_000, is_chunked=is_chunked)

    assert answer.status == 413
    assert "X-Request-Id" not in answer.headers


def test_a_header_that_is_too_large_stops_at_the_proxy(proxy: Proxy) -> None:
    assert proxy.ask(headers={"X-Long": "x" * 40_000}).status == 400


def test_stalled_bodies_stop_at_the_proxy_and_end_in_time(proxy: Proxy) -> None:
    with ExitStack() as stack:
        stalled = stalled_bodies(stack, proxy.https, 70, proxy.tls, HOST)
        answers = [proxy.ask(body=b"whole") for _ in range(20)]

        assert {answer.status for answer in answers} == {200}
        assert max(answer.seconds for answer in answers) < SERVED_WITHIN_S
        assert all(is_readable(client, HEADER_OR_BODY_WITHIN_S + SERVED_WITHIN_S) for client in stalled)


def test_one_address_has_a_limit_and_others_do_not_feel_it(proxy: Proxy) -> None:
    with ExitStack() as stack:
        stalled_bodies(stack, proxy.https, REQUESTS_OF_ONE_ADDRESS, proxy.tls, HOST)

        assert proxy.ask().status == 429
        assert proxy.ask(source="127.0.0.2").status == 200


def test_idle_connections_do_not_make_it_deaf_and_end_in_time(proxy: Proxy) -> None:
    with ExitStack() as stack:
        idle = open_connections(stack, proxy.https, 1024)
        answer = proxy.ask()

        assert answer.status == 200
        assert answer.seconds < SERVED_WITHIN_S
        assert is_readable(idle[-1], HEADER_OR_BODY_WITHIN_S + SERVED_WITHIN_S)
