"""Outgoing requests end in time, follow nothing, and trust only who they should."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from idp.drivers.http import ANSWER_BYTES, Outgoing
from idp.errors import ConfigError, TargetRejected, TargetUnavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Answering = Callable[[Callable[[bytes], object]], object]


@contextmanager
def server(answer: Answering, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yield the port of a server that hands each connection, after its request, to `answer`."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            try:
                connection = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                connection.recv(65536)
                answer(connection.sendall)
                connection.close()
            except OSError:
                pass  # the client left, as it should

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield listening.server_address[1]
        listening.shutdown()
        thread.join()


def test_an_answer_is_status_and_body() -> None:
    with server(lambda send: send(OK)) as port:
        answer = Outgoing().post_form(f"http://127.0.0.1:{port}/x?y", {"a": "b c"})

    assert (answer.status, answer.body, answer.is_success) == (200, b"hi", True)


def test_redirects_are_not_followed() -> None:
    with server(
        lambda send: send(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n")
    ) as port:
        answer = Outgoing().get(f"http://127.0.0.1:{port}/")

    assert (answer.status, answer.is_success) == (302, False)


def test_too_long_an_answer_is_given_up() -> None:
    def endless(send: Callable[[bytes], object]) -> None:
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(64):
            send(b"x" * ANSWER_BYTES)

    with server(endless) as port, pytest.raises(TargetUnavailable, match="too long"):
        Outgoing().get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_one_deadline_covers_headers_and_body_however_slowly_they_drip(first: bytes) -> None:
    released = threading.Event()

    def drip(send: Callable[[bytes], object]) -> None:
        send(first)
        while not released.wait(0.02):
            send(b"x")

    with server(drip) as port:
        began = time.monotonic()
        with pytest.raises(TargetUnavailable):
            Outgoing(timeout_s=0.3).get(f"http://127.0.0.1:{port}/")
        took = time.monotonic() - began
        released.set()
    assert took < 2


def test_the_deadline_covers_resolving_the_name() -> None:
    released = threading.Event()

    def silent(_host: str, _port: int) -> list[IPv4Address | IPv6Address]:
        released.wait()
        return []

    began = time.monotonic()
    with pytest.raises(TargetUnavailable, match="ConnectTimeout"):
        Outgoing(timeout_s=0.3, resolve=silent).get("http://fees.example/")
    took = time.monotonic() - began
    released.set()

    assert took < 2


def test_a_name_is_resolved_to_the_address_that_is_asked() -> None:
    with server(lambda send: send(OK)) as port:
        assert Outgoing().get(f"http://localhost:{port}/").status == 200


def test_a_name_that_nobody_has_is_unavailable() -> None:
    with pytest.raises(TargetUnavailable):
        Outgoing().get("http://nobody.invalid/")


def test_nobody_listening_is_unavailable() -> None:
    with pytest.raises(TargetUnavailable):
        Outgoing().get("http://127.0.0.1:1/")


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[fd00::1]/"])
def test_networks_that_are_not_public_are_not_reached(url: str) -> None:
    with pytest.raises(TargetRejected, match="not public"):
        Outgoing().get(url)


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_a_file_without_ca_certificates_is_a_mistake_in_the_settings(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigError, match=r"ca\.pem: no file with CA certificates"):
        Outgoing([file])


def test_other_protocols_are_refused() -> None:
    with pytest.raises(TargetRejected):
        Outgoing().get("file:///etc/passwd")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that no system trusts, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return folder / "ca.pem", context


def test_tls_is_verified_and_a_configured_ca_is_believed(certificate: tuple[Path, ssl.SSLContext]) -> None:
    ca_file, context = certificate
    with server(lambda send: send(OK), context) as port:
        assert Outgoing([ca_file]).get(f"https://127.0.0.1:{port}/").status == 200
        with pytest.raises(TargetUnavailable):
            Outgoing().get(f"https://127.0.0.1:{port}/")
        with pytest.raises(TargetUnavailable):  # the certificate names the address, not this name
            Outgoing([ca_file]).get(f"https://localhost:{port}/")
