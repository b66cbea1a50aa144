"""The running service behind TLS, one student who can sign in, and the applications of other projects beside it."""

import json
import ssl
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from deploy.demo.configuration import write_toml
from deploy.demo.visitor import Visitor
from deploy.openldap.private import PrivateSlapd
from idp.cli.granian import granian_command
from idp.keys.key_files import Keys, create_missing_keys, load_keys
from idp.keys.settings import KeysSettings
from tests.support.cas_clients.apache import ApachePorts, start_apache
from tests.support.cas_clients.programs import Program
from tests.support.certificates import Certificates, make_certificates
from tests.support.databases import SqliteTemplate
from tests.support.processes import is_listened_on, quiet_port
from tests.support.sign_on import give_password
from tests.support.students import Student, add_student

PHP = Path(__file__).parent / "php"
USOSWEB = Path(__file__).parents[3] / "deploy" / "applications" / "usosweb.toml"
PASSWORD = "zażółć gęślą jaźń"
ANNA = Student(
    "anna",
    album="12345",
    given_name="Anna & Łucja",  # what XML must write otherwise
    claimed_at=datetime(2020, 9, 20, tzinfo=UTC),
    status_from=date(2020, 10, 1),
)
REGISTRATION = """
id = "{id}"
name = {{ pl = "Aplikacja {id}", en = "Application {id}" }}
owner = "tests"
attributes = ["album", "givenName", "eduPersonAffiliation"]
{more}
[[url]]
schemes = ["{scheme}"]
host = "{host}"
port = {port}
{path}
"""


@dataclass(frozen=True)
class Ports:
    """A free one for each server."""

    idp: int
    behind_idp: int
    protected: int
    saml: int
    php: int
    behind_php: int
    django: int

    @classmethod
    def free(cls) -> "Ports":
        found: set[int] = set()
        while len(found) < len(fields(cls)):
            found.add(quiet_port())
        return cls(*found)


@dataclass(frozen=True)
class Site:
    """Everything that runs."""

    folder: Path
    ports: Ports
    certificates: Certificates

    @property
    def cas_url(self) -> str:
        return f"https://localhost:{self.ports.idp}/cas"

    def php(self, script: str) -> str:
        """Return the address of a PHP application."""
        return f"https://localhost:{self.ports.php}/{script}"

    @property
    def usosweb(self) -> str:
        """The first page of the application of USOSweb's shape."""
        return self.php("kontroler.php?_action=home/index")

    @property
    def protected(self) -> str:
        """Where mod_auth_cas protects pages, asking by CAS 2."""
        return f"https://localhost:{self.ports.protected}"

    @property
    def protected_by_saml(self) -> str:
        """Where it asks by SAML 1.1."""
        return f"https://localhost:{self.ports.saml}"

    @property
    def django(self) -> str:
        return f"http://localhost:{self.ports.django}/"

    def person(self) -> "Person":
        """Return somebody at a browser without cookies."""
        return Person(self)


class Person(Visitor):
    """Anna at a browser; it knows the site's certificate authority."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.cas_url, tls=ssl.create_default_context(cafile=str(site.certificates.authority)))
        self._cas_url = site.cas_url

    @property
    def is_asked_to_sign_in(self) -> bool:
        """Whether the sign-in form is what the browser shows."""
        return self.url.startswith(f"{self._cas_url}/login") and bool(self.page.xpath("//input[@type='password']"))

    @property
    def told(self) -> Any:
        """What an application's answer says, as JSON."""
        return json.loads(self.text)

    def sign_in_to(self, address: str) -> None:
        """Open an application's page, and sign in where it leads to."""
        self.visit(address)
        assert self.is_asked_to_sign_in, f"{self.url}: {self.status} {self.text[:2000]}"
        self.submit({"username": "12345"}, PASSWORD)

    def sign_out(self) -> list[str]:
        """Sign out at the service and return what its page says of each application."""
        self.visit(f"{self._cas_url}/logout?lang=en")
        assert self.status == 200
        return [" ".join(item.text_content().split()) for item in self.page.xpath("//main//li")]


@contextmanager
def running_site(folder: Path, template: SqliteTemplate) -> Iterator[Site]:
    """Yield the site; everything starts at once and is ready.

    Shape:   folder: to be made, traversable for everybody (Apache serves as another user)
    """
    folder.mkdir(mode=0o711)
    site = Site(folder, Ports.free(), make_certificates(folder / "tls", "localhost"))
    with ExitStack() as stack:
        started: list[Callable[[], None]] = []

        def start(program: Program, is_ready: Callable[[], bool]) -> None:
            stack.callback(program.stop)
            started.append(lambda: program.wait_until(is_ready))

        start(_start_django(site), lambda: is_listened_on(site.ports.django))
        slapd = stack.enter_context(PrivateSlapd(folder / "slapd", durable=False, dies_with_us=True))
        _fill(site, slapd, template)
        start(_start_idp(site, slapd), lambda: _answers(f"http://127.0.0.1:{site.ports.behind_idp}/healthz"))
        start(_start_php(site), lambda: is_listened_on(site.ports.behind_php))
        start(_start_apache(site), lambda: is_listened_on(site.ports.idp))
        for wait in started:
            wait()
        yield site


def _fill(site: Site, slapd: PrivateSlapd, template: SqliteTemplate) -> None:
    settings = KeysSettings(folder=site.folder / "keys")
    create_missing_keys(settings)
    keys: Keys = load_keys(settings)
    with template.databases(site.folder / "data") as databases:
        add_student(databases, keys, ANNA)
    give_password(slapd, ANNA.uid, PASSWORD)


def _start_idp(site: Site, slapd: PrivateSlapd) -> Program:
    _register(site)
    file = site.folder / "idp.toml"
    directory = slapd.settings.model_dump(mode="json", exclude_defaults=True)
    sections: dict[str, dict[str, Any]] = {
        "web": {"base_url": site.cas_url.removesuffix("/cas"), "trusted_proxies": 1},
        "university": {"default_language": "en"},
        "store": {"folder": "data"},
        "keys": {"folder": "keys"},
        "letters": {"transport": "folder", "folder": "letters"},
        # Patient, since it is not the clients that are slow where many tests share a machine.
        "directory": directory | {"timeout_s": 30},
        "sso": {"logout_wait_s": 30, "check_wait_s": 30},
        "applications": {"dirs": ["applications"]},
        "cas": {"service_ticket_s": 300, "proxy_ticket_s": 300},
        "http": {"extra_ca_files": [str(site.certificates.authority)], "timeout_s": 30},
    }
    write_toml(file, "IDP_CONFIG_EXTRA", sections)
    # The web server of `idp serve`; its worker would send again what failed, and nothing is to fail.
    words = granian_command("idp.app.pages:create_app", "127.0.0.1", site.ports.behind_idp, 1, 4)
    return Program(site.folder / "idp.log", words, {"IDP_CONFIG": str(file)})


def _register(site: Site) -> None:
    """Register each application as docs/how-to/configure-a-cas-client.md says."""
    ports = site.ports
    redirects = "logout = { redirect_confirms = true }"
    protected = 'path_prefix = "/protected"'
    texts = {
        "apache": _registration("apache", "https", "localhost", ports.protected, protected, redirects),
        "apache-saml": _registration("apache-saml", "https", "localhost", ports.saml, protected, redirects),
        "django": _registration("django", "http", "localhost", ports.django, 'path = "/login"', redirects),
        "php": _registration("php", "https", "localhost", ports.php, 'path_prefix = "/"'),
        "portal": _registration(
            "portal", "https", "localhost", ports.php, 'path = "/portal.php"', "proxy = { allowed = true }"
        ),
        "python": _registration(
            "python", "https", "127.0.0.1", '"*"', 'path_prefix = "/"', "proxy = { allowed = true }"
        ),
        # The example that we ship, at this machine.
        "usosweb": USOSWEB.read_text(encoding="utf-8").replace(
            '"usosweb.po.edu.pl"', f'"localhost"\nport = {ports.php}'
        ),
    }
    folder = site.folder / "applications"
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def _registration(id_: str, scheme: str, host: str, port: int | str, path: str, more: str = "") -> str:
    return REGISTRATION.format(id=id_, scheme=scheme, host=host, port=port, path=path, more=more)


def _start_php(site: Site) -> Program:
    sessions, granted = site.folder / "php-sessions", site.folder / "php-pgt"
    sessions.mkdir()
    granted.mkdir()
    settings = {
        "session.save_path": sessions,
        "curl.cainfo": site.certificates.authority,
        "display_errors": "0",  # Debian's phpCAS complains of being used without Composer
    }
    environment = {
        "IDP_PORT": str(site.ports.idp),
        "IDP_APPLICATION": site.php("").rstrip("/"),
        "IDP_CA": str(site.certificates.authority),
        "IDP_PGT_FOLDER": str(granted),
        "PHP_FCGI_CHILDREN": "4",  # a proxy waits for its callback, and for the application behind it
    }
    options = [word for name, value in settings.items() for word in ("-d", f"{name}={value}")]
    words = ["php-cgi", "-b", f"127.0.0.1:{site.ports.behind_php}", *options]
    return Program(site.folder / "php.log", words, environment)


def _start_apache(site: Site) -> Program:
    ports = site.ports
    inner = ApachePorts(ports.idp, ports.protected, ports.saml, ports.php, ports.behind_idp, ports.behind_php)
    return start_apache(site.folder / "apache", site.certificates, inner)


def _start_django(site: Site) -> Program:
    folder = site.folder / "django"
    folder.mkdir()
    arguments = [str(site.ports.django), f"{site.cas_url}/", str(site.certificates.authority), str(folder)]
    words = [sys.executable, "-m", "tests.support.cas_clients.django_application", *arguments]
    return Program(site.folder / "django.log", words, {"PYTHONPATH": str(Path(__file__).parents[3])})


def _answers(address: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
