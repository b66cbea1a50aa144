"""Plug the parts together: settings, databases, directories, targets, pages, sweeps. Nothing is decided here."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from flask import Blueprint, Flask
from pydantic import BaseModel, ConfigDict, create_model

from idp.accounts.claim import Claims
from idp.accounts.mail_names import MailNames
from idp.accounts.settings import AccountsSettings
from idp.accounts.staff import StaffDesk
from idp.aliases.refusals import name_rules
from idp.aliases.settings import AliasSettings
from idp.audit.sealing import seal_pending
from idp.audit.settings import AuditSettings
from idp.cas.login_tickets import LoginTickets
from idp.cas.logout import CasLogoutSender
from idp.cas.registered import RegisteredServices, journal_refusals
from idp.cas.services import estudent
from idp.cas.settings import CasSettings
from idp.cas.tickets import TicketDesk
from idp.cas.views import blueprint as cas_blueprint
from idp.clock import Clock
from idp.drivers.http import Outgoing
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapServer
from idp.errors import ConfigError, TargetUnavailable
from idp.jobs import housekeeping
from idp.jobs.after_imports import AfterImports
from idp.jobs.settings import JobsSettings
from idp.jobs.worker import Sweep
from idp.letters.albums import owe_album_letters
from idp.letters.sending import Sender, send_due
from idp.letters.settings import LettersSettings
from idp.letters.texts import Letterhead
from idp.letters.transports import make_transport
from idp.people.directory import DirectorySettings
from idp.people.settings import PeopleSettings
from idp.portal.parts import Parts
from idp.portal.settings import PortalSettings
from idp.portal.views import blueprint as portal_blueprint
from idp.provisioning.live import bring_true, sweep_dirty
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.values import Target
from idp.registry.settings import RegistrySettings
from idp.settings import Section, load
from idp.sso import sessions
from idp.sso.cookie import SessionCookie
from idp.sso.door import Door
from idp.sso.settings import HttpSettings, SsoSettings
from idp.sso.sign_in import PasswordCheck
from idp.sso.sign_out import SignOutDesk
from idp.store.base import Databases, open_databases
from idp.store.keys import Keys, load_keys
from idp.store.migrate import require_migrated
from idp.store.raw import RawStore, open_raw
from idp.store.settings import KeysSettings, StoreSettings
from idp.web.logs import configure_logs
from idp.web.plumbing import new_flask
from idp.web.settings import UniversitySettings, WebSettings

log = structlog.get_logger(__name__)

ESTUDENT = "eStudent"


def target_modules() -> dict[str, ModuleType]:
    """Return the modules in `idp/provisioning/targets` by the kind of system that they write to."""
    package = importlib.import_module("idp.provisioning.targets")
    modules = (
        importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
    )
    return {module.KIND: module for module in modules}


def _target_settings() -> type[Section]:
    """`[targets.<kind>]`: each target's module declares its own table."""
    fields: dict[str, Any] = {kind: (module.Settings, module.Settings()) for kind, module in target_modules().items()}
    return create_model("TargetsSettings", __base__=Section, **fields)


TargetsSettings = _target_settings()


class Settings(BaseModel):
    """All sections of one settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    web: WebSettings = WebSettings()
    university: UniversitySettings = UniversitySettings()
    store: StoreSettings = StoreSettings()
    keys: KeysSettings = KeysSettings()
    people: PeopleSettings = PeopleSettings()
    directory: DirectorySettings = DirectorySettings()
    registry: RegistrySettings = RegistrySettings()
    provisioning: ProvisioningSettings = ProvisioningSettings()
    targets: TargetsSettings = TargetsSettings()  # type: ignore[valid-type] # made from the targets' modules
    aliases: AliasSettings = AliasSettings()
    accounts: AccountsSettings = AccountsSettings()
    letters: LettersSettings = LettersSettings()
    sso: SsoSettings = SsoSettings()
    cas: CasSettings = CasSettings()
    http: HttpSettings = HttpSettings()
    portal: PortalSettings = PortalSettings()
    jobs: JobsSettings = JobsSettings()
    audit: AuditSettings = AuditSettings()


SECTIONS: Mapping[str, type[Section]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def load_settings() -> Settings:
    """Return the settings that the environment names.

    Raises:  ConfigError with every mistake at once
    """
    return load(Settings)


def warnings(settings: Settings) -> list[str]:
    """Return what is allowed and still risky, a sentence each."""
    found = []
    if not settings.web.is_https and not settings.web.base_url.startswith(("http://127.0.0.1", "http://localhost")):
        found.append("web.base_url is plain http: cookies and passwords travel unprotected.")
    if settings.web.is_https and settings.web.trusted_proxies == 0:
        found.append("web.trusted_proxies is 0: behind a reverse proxy every visitor seems to come from it.")
    if not settings.sso.throttle.enabled:
        found.append("sso.throttle.enabled is false: passwords may be guessed without limit.")
    return found


class Idp:
    """One opened installation: its parts, each made when it is first asked for."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.databases: Databases = open_databases(settings.store)
        self.zone = ZoneInfo(settings.university.time_zone)

    def close(self) -> None:
        """Give connections and threads back."""
        for part in ("provisioner", "sign_out_desk", "raw_store"):
            if part in self.__dict__:
                self.__dict__[part].close()
        self.databases.close()

    # --- keys and stores ---

    @cached_property
    def keys(self) -> Keys:
        return load_keys(self.settings.keys)

    @cached_property
    def raw_store(self) -> RawStore:
        return open_raw(self.databases)

    # --- systems outside ---

    @cached_property
    def outgoing(self) -> Outgoing:
        http = self.settings.http
        return Outgoing(http.extra_ca_files, http.private_networks, http.timeout_s)

    @cached_property
    def signin_directory(self) -> Directory:
        layout = self.settings.directory
        return self._directory(layout.signin_dn, "signin_password_file", layout.signin_password_file)

    @cached_property
    def accounts_directory(self) -> Directory:
        layout = self.settings.directory
        return self._directory(layout.accounts_dn, "accounts_password_file", layout.accounts_password_file)

    def _directory(self, dn: str, name: str, file: Path | None) -> Directory:
        layout = self.settings.directory
        server = LdapServer(layout.url, layout.ca_file, layout.start_tls, layout.timeout_s)
        return Directory(server, dn, secret(f"directory.{name}", file), layout.pool_size)

    @cached_property
    def provisioner(self) -> Provisioner:
        """The systems that are provisioned, in the order in which a person is written to them."""
        settings = self.settings
        targets: dict[str, Target] = {
            kind: module.open_target(getattr(settings.targets, kind), settings.directory, secret)
            for kind, module in target_modules().items()
        }
        return Provisioner(self.databases, targets, settings.people, settings.provisioning, self.zone, self.clock)

    # --- steps ---

    def bring_true(self, person_id: str) -> None:
        """Bring one person's entries in every target up to date now."""
        bring_true(self.provisioner, person_id)

    @cached_property
    def claims(self) -> Claims:
        return Claims(
            databases=self.databases,
            keys=self.keys,
            settings=self.settings.accounts,
            clock=self.clock,
            zone=self.zone,
            directory=self.accounts_directory,
            layout=self.settings.directory,
            bring_true=self.bring_true,
        )

    @cached_property
    def mail_names(self) -> MailNames:
        people = self.settings.people
        rules = name_rules(self.settings.aliases, people.alias_prefix, people.mail_domain)
        return MailNames(self.databases, self.clock, rules, people, self.bring_true)

    @cached_property
    def staff_desk(self) -> StaffDesk:
        return StaffDesk(
            databases=self.databases,
            keys=self.keys,
            settings=self.settings.accounts,
            clock=self.clock,
            directory=self.accounts_directory,
            layout=self.settings.directory,
            student_domain=self.settings.people.mail_domain,
            base_url=self.settings.web.base_url,
            language=self.settings.university.default_language,
        )

    @cached_property
    def letter_sender(self) -> Sender:
        university, settings = self.settings.university, self.settings.letters
        letterhead = Letterhead(
            university=university.name,
            service_center=university.service_center_name,
            service_center_url=university.service_center_url,
            base_url=self.settings.web.base_url,
            accent_colour=university.accent_colour,
            from_address=settings.from_address,
            reply_to=settings.reply_to,
        )
        return Sender(self.databases, self.keys, settings, self.clock, letterhead, make_transport(settings))

    # --- sign-in ---

    @cached_property
    def registered_services(self) -> RegisteredServices:
        return RegisteredServices(
            self.settings.cas.services_dirs,
            [estudent(self.settings.web.base_url)],
            self.clock,
            journal_refusals(self.raw_store, self.clock),
        )

    @cached_property
    def sign_out_desk(self) -> SignOutDesk:
        cas = CasLogoutSender(self.registered_services, self.outgoing, self.clock)
        return SignOutDesk(self.raw_store, {"cas": cas}, self.clock)

    @cached_property
    def ticket_desk(self) -> TicketDesk:
        return TicketDesk(
            raw_store=self.raw_store,
            registered=self.registered_services,
            settings=self.settings.cas,
            people=self.settings.people,
            keys=self.keys,
            callbacks=self.outgoing,
            clock=self.clock,
            zone=self.zone,
        )

    @cached_property
    def door(self) -> Door:
        check = PasswordCheck(
            databases=self.databases,
            raw_store=self.raw_store,
            directory=self.signin_directory,
            layout=self.settings.directory,
            people=self.settings.people,
            clock=self.clock,
        )
        cookie = SessionCookie(self.settings.web.is_https)
        return Door(self.raw_store, self.settings.sso, self.clock, cookie, check, self.sign_out_desk)

    @cached_property
    def login_tickets(self) -> LoginTickets:
        return LoginTickets(self.raw_store, self.clock, self.settings.cas.login_ticket_s)


def secret(setting: str, file: Path | None) -> str:
    """Return the password in a file that a setting names.

    Raises:  ConfigError with the setting's name
    """
    if file is None:
        raise ConfigError(f"{setting} is not set: name the file with the password.")
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ConfigError(f"{setting}: {file}: {exc.strerror}") from exc


@contextmanager
def open_idp(settings: Settings | None = None, clock: Clock | None = None) -> Iterator[Idp]:
    """Yield the installation that the environment names, closed at the end.

    Raises:  ConfigError when settings are wrong or the databases were not brought to this version
    """
    installation = Idp(settings or load_settings(), clock or Clock())
    try:
        require_migrated(installation.databases)
        yield installation
    finally:
        installation.close()


# --- the web ----------------------------------------------------------------------------------------------------------


def create_app() -> Flask:
    """Return the application that the environment describes: what the web server calls in each of its processes."""
    settings = load_settings()
    configure_logs(settings.web.log_format)
    installation = Idp(settings, Clock())
    require_migrated(installation.databases)
    return new_application(installation)


def new_application(installation: Idp) -> Flask:
    """Return all pages of an opened installation."""
    settings = installation.settings
    app = new_flask(ESTUDENT, settings.web, settings.university, installation.keys.web, installation.clock, "idp_form")
    app.register_blueprint(
        cas_blueprint(
            installation.door,
            installation.ticket_desk,
            installation.login_tickets,
            settings.web.base_url,
            new_account_url="/account/new",
        )
    )
    app.register_blueprint(portal_blueprint(_portal_parts(installation)))
    app.register_blueprint(_health(installation))
    return app


def _portal_parts(installation: Idp) -> Parts:
    settings = installation.settings
    return Parts(
        door=installation.door,
        tickets=installation.ticket_desk,
        claims=installation.claims,
        mail_names=installation.mail_names,
        staff_desk=installation.staff_desk,
        databases=installation.databases,
        clock=installation.clock,
        accounts=settings.accounts,
        aliases=settings.aliases,
        people=settings.people,
        portal=settings.portal,
        university=settings.university,
        base_url=settings.web.base_url,
    )


def _health(installation: Idp) -> Blueprint:
    """/healthz: this process answers. /readyz: so does everything that it needs, or which part does not."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @health.get("/readyz")
    def readyz() -> tuple[dict[str, Any], int]:
        parts = {name: _answer(check) for name, check in checks(installation).items()}
        ready = all(state == "ok" for state in parts.values())
        return {"status": "ok" if ready else "down", "parts": parts}, 200 if ready else 503

    return health


def checks(installation: Idp) -> dict[str, Callable[[], object]]:
    """Return what must answer for everything to work; a check that raises says what is wrong."""
    databases, layout = installation.databases, installation.settings.directory

    def worker_lives() -> None:
        if not housekeeping.is_alive(databases, installation.settings.jobs, installation.clock):
            raise TargetUnavailable("no worker has been seen lately; start `idp worker`")

    return {
        "identity database": lambda: require_migrated(databases),
        "directory": lambda: installation.signin_directory.read(layout.people_dn, ["ou"]),
        "worker": worker_lives,
    }


def _answer(check: Callable[[], object]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever is wrong is the answer; its text stays in the log
        log.warning("not ready", error=str(error))
        return "down"
    return "ok"


# --- the worker -------------------------------------------------------------------------------------------------------


def sweeps(installation: Idp) -> dict[str, Sweep]:
    """Return what the worker does round after round."""
    settings, databases, clock = installation.settings, installation.databases, installation.clock
    name = housekeeping.worker_name()

    def album_letters() -> int:
        url = f"{settings.web.base_url}/account/new"
        return owe_album_letters(databases, installation.keys, settings.letters, clock, installation.zone, url).owed

    return {
        "sign of life": lambda: housekeeping.sign_of_life(databases, settings.jobs, clock, name),
        "changed people": lambda: sweep_dirty(installation.provisioner),
        "album letters": AfterImports(databases, clock, installation.zone, album_letters),
        "letters": lambda: send_due(installation.letter_sender),
        "closed accounts": lambda: sessions.sweep_closed(installation.raw_store, clock),
        "sign-outs": installation.sign_out_desk.sweep,
        "settled sign-outs": installation.sign_out_desk.forget_settled,
        "expired sessions": lambda: sessions.sweep_expired(installation.raw_store, clock),
        "expired tokens": lambda: housekeeping.drop_expired_tokens(databases, clock),
        "sealing": lambda: seal_pending(databases, settings.audit, clock, name),
    }
