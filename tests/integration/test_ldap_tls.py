"""Both LDAP clients over TLS: nothing is sent to a server whose certificate is not vouched for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.drivers.ldap import Directory
from idp.drivers.ldap_bulk import BulkLdap
from idp.drivers.ldap_values import LdapServer
from idp.errors import ConfigError, TargetUnavailable
from tests.support.certificates import Certificates, make_certificates

Client = Callable[[LdapServer, str, str], str]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def outsider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that vouches for nobody here."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "theirs").authority


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[PrivateSlapd]:
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
    slapd: PrivateSlapd, files: Certificates, client: Client, start_tls: bool
) -> None:
    server = LdapServer(slapd.url if start_tls else slapd.tls_url, files.authority, start_tls)

    assert client(server, slapd.service_dn("reader"), slapd.password("reader")) == "reader"


@pytest.mark.parametrize("start_tls", [False, True])
def test_a_server_of_another_authority_is_not_spoken_to(
    slapd: PrivateSlapd, outsider: Path, client: Client, start_tls: bool
) -> None:
    server = LdapServer(slapd.url if start_tls else slapd.tls_url, outsider, start_tls)

    with pytest.raises(TargetUnavailable):
        client(server, slapd.service_dn("reader"), slapd.password("reader"))


def test_a_server_of_another_name_is_not_spoken_to(slapd: PrivateSlapd, files: Certificates, client: Client) -> None:
    server = LdapServer(slapd.tls_url.replace("127.0.0.1", "localhost"), files.authority)

    with pytest.raises(TargetUnavailable):
        client(server, slapd.service_dn("reader"), slapd.password("reader"))


def test_a_server_without_tls_is_not_spoken_to_where_tls_is_asked_for(
    tmp_path: Path, files: Certificates, client: Client
) -> None:
    with PrivateSlapd(tmp_path / "plain", durable=False, dies_with_us=True) as plain:
        server = LdapServer(plain.url, files.authority, start_tls=True)
        with pytest.raises(TargetUnavailable):
            client(server, plain.service_dn("reader"), plain.password("reader"))


def test_a_file_that_holds_no_authority_is_named_at_once(
    slapd: PrivateSlapd, tmp_path: Path, files: Certificates
) -> None:
    for file in (tmp_path / "missing.pem", files.key):
        with pytest.raises(ConfigError, match=file.name):
            Directory(LdapServer(slapd.tls_url, file), slapd.service_dn("reader"), slapd.password("reader"))
