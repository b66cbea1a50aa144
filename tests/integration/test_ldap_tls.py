"""Both LDAP clients over TLS: nothing is sent to a server whose certificate is not vouched for."""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.openldap.private import PrivateSlapd
from idp.drivers.ldap import Directory
from idp.drivers.ldap_bulk import BulkLdap
from idp.drivers.ldap_values import LdapServer
from idp.errors import ConfigError, TargetUnavailable

Client = Callable[[LdapServer, str, str], str]


@dataclass(frozen=True)
class Files:
    """A certificate authority, and what it gave to a server."""

    authority: Path
    certificate: Path
    key: Path


def make_files(folder: Path) -> Files:
    """Write an authority and a server's certificate for 127.0.0.1."""
    folder.mkdir()
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    # Real time, since the TLS libraries look at the machine's clock.
    now = datetime.now(UTC)

    def certificate(subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=not is_authority,
            key_cert_sign=is_authority,
            crl_sign=is_authority,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = x509.CertificateBuilder(authority_name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        builder = builder.add_extension(usage, critical=True).add_extension(address, critical=False)
        return builder.sign(authority_key, hashes.SHA256())

    files = Files(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    pem = serialization.Encoding.PEM
    files.authority.write_bytes(certificate(authority_name, authority_key, is_authority=True).public_bytes(pem))
    files.certificate.write_bytes(certificate(server_name, server_key, is_authority=False).public_bytes(pem))
    plain = serialization.NoEncryption()
    files.key.write_bytes(server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that vouches for nobody here."""
    return make_files(tmp_path_factory.mktemp("tls") / "theirs").authority


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Iterator[PrivateSlapd]:
    folder = tmp_path_factory.mktemp("slapd-tls")
    with PrivateSlapd(folder, durable=False, dies_with_us=True, certificate=files.certificate, key=files.key) as server:
        yield server


def read_single(server: LdapServer, dn: str, password: str) -> str:
    directory = Directory(server, dn, password)
    try:
        entry = directory.read(dn, ["cn"])
        assert directory.bind(dn, password)
        return entry.values("cn")[0] if entry else ""
    finally:
        directory.close()


def read_bulk(server: LdapServer, dn: str, password: str) -> str:
    with BulkLdap(server, dn, password) as bulk:
        return next(iter(bulk.stream(dn, "(objectClass=*)", ["cn"], scope="base"))).values("cn")[0]


@pytest.fixture(params=[read_single, read_bulk], ids=["ldap3", "python-ldap"])
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


@pytest.mark.parametrize("start_tls", [False, True])
def test_a_server_whose_certificate_is_vouched_for_is_read(
    slapd: PrivateSlapd, files: Files, client: Client, start_tls: bool
) -> None:
    server = LdapServer(slapd.url if start_tls else slapd.tls_url, files.authority, start_tls)

    assert client(server, slapd.service_dn("reader"), slapd.password("reader")) == "reader"


@pytest.mark.parametrize("start_tls", [False, True])
def test_a_server_of_another_authority_is_not_spoken_to(
    slapd: PrivateSlapd, stranger: Path, client: Client, start_tls: bool
) -> None:
    server = LdapServer(slapd.url if start_tls else slapd.tls_url, stranger, start_tls)

    with pytest.raises(TargetUnavailable):
        client(server, slapd.service_dn("reader"), slapd.password("reader"))


def test_a_server_of_another_name_is_not_spoken_to(slapd: PrivateSlapd, files: Files, client: Client) -> None:
    server = LdapServer(slapd.tls_url.replace("127.0.0.1", "localhost"), files.authority)

    with pytest.raises(TargetUnavailable):
        client(server, slapd.service_dn("reader"), slapd.password("reader"))


def test_a_server_without_tls_is_not_spoken_to_where_tls_is_asked_for(
    tmp_path: Path, files: Files, client: Client
) -> None:
    with PrivateSlapd(tmp_path / "plain", durable=False, dies_with_us=True) as plain:
        server = LdapServer(plain.url, files.authority, start_tls=True)
        with pytest.raises(TargetUnavailable):
            client(server, plain.service_dn("reader"), plain.password("reader"))


def test_a_file_that_holds_no_authority_is_named_at_once(slapd: PrivateSlapd, tmp_path: Path, files: Files) -> None:
    for file in (tmp_path / "missing.pem", files.key):
        with pytest.raises(ConfigError, match=file.name):
            Directory(LdapServer(slapd.tls_url, file), slapd.service_dn("reader"), slapd.password("reader"))
