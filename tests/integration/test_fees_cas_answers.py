"""What the fees application makes of the answers of a sign-in service: only a clear yes signs somebody in."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from idp.errors import BadCredentials, TargetUnavailable
from idp.fees.cas_client import Cas, Principal
from idp.fees.settings import CasSettings
from tests.support.sign_on import silent_port

SERVICE = "http://localhost:8081/login?state=s"
NAMESPACE = 'xmlns:cas="http://www.yale.edu/tp/cas"'


def success(attributes: str) -> bytes:
    return (
        f"<cas:serviceResponse {NAMESPACE}><cas:authenticationSuccess><cas:user>u23456789</cas:user>"
        f"<cas:attributes>{attributes}</cas:attributes></cas:authenticationSuccess></cas:serviceResponse>"
    ).encode()


FAILURE = (
    f'<cas:serviceResponse {NAMESPACE}><cas:authenticationFailure code="INVALID_TICKET">no'
    "</cas:authenticationFailure></cas:serviceResponse>"
).encode()


@contextmanager
def answering(body: bytes, status: int = 200, location: str = "", tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield the address of a service that always gives this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_parts: Any) -> None:
            """Keep the terminal clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # refused handshakes are what is tested
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/cas/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(url: str, **settings: Any) -> Principal:
    client = Cas(CasSettings(server_url=url, **settings))
    try:
        return client.verify("ST-1", SERVICE)
    finally:
        client.close()


def test_user_and_album_of_a_success_are_taken() -> None:
    with answering(success("<cas:sn>Nowak</cas:sn><cas:album>00123</cas:album>")) as url:
        assert ask(url) == Principal("u23456789", "00123")


def test_another_attribute_may_hold_the_album() -> None:
    with answering(success("<cas:studentNumber>5</cas:studentNumber>")) as url:
        assert ask(url, album_attribute="studentNumber").album == "5"


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        "<cas:sn>Nowak</cas:sn>",
        "<cas:album>12x</cas:album>",
        "<cas:album></cas:album>",
        "<cas:album>1</cas:album><cas:album>2</cas:album>",
    ],
)
def test_without_one_clear_album_somebody_is_known_by_name_only(attributes: str) -> None:
    with answering(success(attributes)) as url:
        assert ask(url) == Principal("u23456789", None)


def test_a_failure_signs_nobody_in() -> None:
    with answering(FAILURE) as url, pytest.raises(BadCredentials):
        ask(url)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"yes\nu23456789\n",
        b"<html></html>",
        b"<html><body>Please log in</body></html>",
        success("<cas:album>1</cas:album>")[:-10],
        success("").replace(b"<cas:user>u23456789</cas:user>", b""),
        b"<!DOCTYPE a [<!ENTITY b 'u1'>]>" + success("").replace(b"u23456789", b"&b;"),
        (
            "<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE a [<!ENTITY b 'u1'>]>"
            + success("<cas:album>1</cas:album>").decode().replace("u23456789", "&b;")
        ).encode("utf-16"),
        success("<cas:album>1</cas:album>" + " " * 70_000),
    ],
)
def test_what_is_no_cas_answer_signs_nobody_in(body: bytes) -> None:
    with answering(body) as url, pytest.raises((TargetUnavailable, BadCredentials)):
        ask(url)


@pytest.mark.parametrize("status", [204, 401, 404, 500, 503])
def test_only_status_200_is_an_answer(status: int) -> None:
    with answering(success("<cas:album>1</cas:album>"), status) as url, pytest.raises(TargetUnavailable):
        ask(url)


def test_a_redirect_is_not_followed() -> None:
    with (
        answering(success("<cas:album>1</cas:album>")) as elsewhere,
        answering(b"", 302, elsewhere) as url,
        pytest.raises(TargetUnavailable),
    ):
        ask(url)


def test_a_service_that_does_not_answer_is_not_waited_for() -> None:
    with silent_port() as listener:
        port = listener.getsockname()[1]

        with pytest.raises(TargetUnavailable):
            ask(f"http://127.0.0.1:{port}/cas/", timeout_s=0.2)


def test_a_service_that_is_not_there_is_said_to_be_so() -> None:
    with silent_port() as listener:
        port = listener.getsockname()[1]

    with pytest.raises(TargetUnavailable):
        ask(f"http://127.0.0.1:{port}/cas/")


def test_a_proxy_from_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")

    with answering(success("<cas:album>1</cas:album>")) as url:
        assert ask(url).album == "1"


def test_tls_is_verified_and_a_local_authority_can_be_trusted(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    with answering(success("<cas:album>1</cas:album>"), tls=tls) as url:
        with pytest.raises(TargetUnavailable, match="SSLError"):
            ask(url)
        assert ask(url, extra_ca_files=[certificate]).album == "1"


def self_signed(folder: Path) -> Path:
    """Return a file with a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "cas.pem"
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + plain)
    return file
