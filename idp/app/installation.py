"""An open installation: the parts that commands, pages and sweeps use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from idp.app.settings import Settings, load_settings, target_modules
from idp.clock import Clock
from idp.db.databases import Databases, open_databases, require_made
from idp.db.revisions import require_migrated
from idp.keys.key_files import Keys, load_keys
from idp.settings import read_secret

if TYPE_CHECKING:
    from idp.accounts.claim import Claims
    from idp.accounts.mail_names import MailNames
    from idp.accounts.password_writer import PasswordWriter
    from idp.accounts.staff import StaffService
    from idp.applications.registered import RegisteredApplications
    from idp.cas.tickets import TicketService
    from idp.db.raw import RawStore
    from idp.drivers.http import Outgoing
    from idp.drivers.ldap import Directory
    from idp.letters.sending import Sender
    from idp.provisioning.provisioner import Provisioner
    from idp.provisioning.target import Target
    from idp.sso.captcha import Captcha
    from idp.sso.login_page import LoginPage
    from idp.sso.login_throttle import LoginThrottle
    from idp.sso.login_tickets import LoginTickets
    from idp.sso.sign_on import SignOnService
    from idp.sso.sign_out import SignOutService


class Idp:
    """An open installation. Each part is created, and its libraries imported, on first use.

    The late imports keep commands fast: `idp audit` imports SQLAlchemy, but not Flask, LDAP clients and XML.

    Raises:  ConfigError when nothing is set up in the folder that the settings name
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        require_made(settings.store)
        self.databases: Databases = open_databases(settings.store)
        self.zone = ZoneInfo(settings.university.time_zone)

    def close(self) -> None:
        """Close connections and threads."""
        for part in ("provisioner", "sign_out_service", "signin_directory", "accounts_directory", "raw_store"):
            if part in self.__dict__:
                self.__dict__[part].close()
        self.databases.close()

    # --- keys and stores ---

    @cached_property
    def keys(self) -> Keys:
        return load_keys(self.settings.keys)

    @cached_property
    def raw_store(self) -> RawStore:
        from idp.db.raw import open_raw

        return open_raw(self.databases)

    # --- external systems ---

    @cached_property
    def outgoing(self) -> Outgoing:
        from idp.drivers.http import Outgoing

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
        from idp.drivers.ldap import Directory
        from idp.drivers.ldap_values import LdapServer

        layout = self.settings.directory
        server = LdapServer(layout.url, layout.ca_file, layout.start_tls, layout.timeout_s)
        return Directory(server, dn, read_secret(f"directory.{name}", file), layout.pool_size)

    @cached_property
    def provisioner(self) -> Provisioner:
        """The targets, and what provisioning steps need."""
        from idp.provisioning.provisioner import Provisioner
        from idp.provisioning.targets.accounts import KIND, AccountsTarget

        settings = self.settings
        targets: dict[str, Target] = {KIND: AccountsTarget(self.databases.identity)}
        targets |= {
            kind: module.open_target(getattr(settings.targets, kind), settings.directory, read_secret)
            for kind, module in target_modules().items()
            if getattr(getattr(settings.targets, kind), "enabled", True)
        }
        paces = {kind: getattr(getattr(settings.targets, kind, None), "per_second", 0.0) for kind in targets}
        return Provisioner(
            databases=self.databases,
            targets=targets,
            people=settings.people,
            settings=settings.provisioning,
            zone=self.zone,
            clock=self.clock,
            paces=paces,
        )

    # --- steps ---

    def reconcile_person(self, person_id: str) -> None:
        """Reconcile one person in every target now."""
        from idp.provisioning.live import reconcile_person

        reconcile_person(self.provisioner, person_id)

    @cached_property
    def password_writer(self) -> PasswordWriter:
        from idp.accounts.password_writer import PasswordWriter
        from idp.provisioning.live import reconcile_person
        from idp.provisioning.targets.ldap import KIND, only_of

        layout = self.settings.directory
        owner = getattr(self.settings.targets, KIND).owner
        return PasswordWriter(
            directory=self.accounts_directory,
            layout=layout,
            settings=self.settings.accounts,
            reconcile_person=lambda person_id: reconcile_person(self.provisioner, person_id, needed={KIND}),
            only_of=lambda person_id: only_of(person_id, owner, layout.people_dn),
        )

    @cached_property
    def claims(self) -> Claims:
        from idp.accounts.claim import Claims

        return Claims(
            databases=self.databases,
            keys=self.keys,
            settings=self.settings.accounts,
            throttle=self.settings.sso.throttle,
            clock=self.clock,
            zone=self.zone,
            password_writer=self.password_writer,
        )

    @cached_property
    def mail_names(self) -> MailNames:
        from idp.accounts.mail_names import MailNames
        from idp.aliases.refusals import name_rules

        people = self.settings.people
        rules = name_rules(self.settings.aliases, people.alias_prefix, people.mail_domain)
        return MailNames(self.databases, self.clock, rules, people, self.reconcile_person)

    @cached_property
    def staff_service(self) -> StaffService:
        from idp.accounts.staff import StaffService

        return StaffService(
            databases=self.databases,
            raw_store=self.raw_store,
            keys=self.keys,
            settings=self.settings.accounts,
            clock=self.clock,
            password_writer=self.password_writer,
            student_domain=self.settings.people.mail_domain,
            base_url=self.settings.web.base_url,
            language=self.settings.university.default_language,
        )

    @cached_property
    def letter_sender(self) -> Sender:
        from idp.letters.sending import Sender
        from idp.letters.texts import Letterhead
        from idp.letters.transports import make_transport

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
    def registered_applications(self) -> RegisteredApplications:
        from idp.applications.files import estudent
        from idp.applications.registered import RegisteredApplications, journal_refusals

        return RegisteredApplications(
            self.settings.applications.dirs,
            [estudent(self.settings.web.base_url)],
            self.clock,
            journal_refusals(self.raw_store, self.clock),
        )

    @cached_property
    def sign_out_service(self) -> SignOutService:
        from idp.cas.logout import CasLogoutSender
        from idp.sso.sign_out import SignOutService

        cas = CasLogoutSender(self.registered_applications, self.outgoing, self.clock)
        return SignOutService(self.raw_store, {"cas": cas}, self.clock)

    @cached_property
    def ticket_service(self) -> TicketService:
        from idp.cas.tickets import TicketService
        from idp.people.views import PersonValues

        return TicketService(
            raw_store=self.raw_store,
            applications=self.registered_applications,
            settings=self.settings.cas,
            people=PersonValues.over(self.databases.identity, self.settings.people),
            keys=self.keys,
            callbacks=self.outgoing,
            clock=self.clock,
            zone=self.zone,
        )

    @cached_property
    def sign_on(self) -> SignOnService:
        from idp.sso.concurrency import ConcurrencyLimiter
        from idp.sso.cookie import SessionCookie
        from idp.sso.sign_in import PasswordCheck
        from idp.sso.sign_on import SignOnService

        sso = self.settings.sso
        check = PasswordCheck(
            databases=self.databases,
            raw_store=self.raw_store,
            directory=self.signin_directory,
            layout=self.settings.directory,
            people=self.settings.people,
            clock=self.clock,
            throttle=self.login_throttle,
            limiter=ConcurrencyLimiter(sso.parallel_checks, sso.waiting_checks, sso.check_wait_s),
        )
        cookie = SessionCookie(self.settings.web.is_https)
        return SignOnService(self.raw_store, sso, self.clock, cookie, check, self.sign_out_service, self.login_throttle)

    @cached_property
    def login_throttle(self) -> LoginThrottle:
        from idp.sso.login_throttle import LoginThrottle

        return LoginThrottle(self.raw_store, self.settings.sso, self.clock)

    @cached_property
    def captcha(self) -> Captcha:
        from idp.sso.captcha import Captcha

        sso = self.settings.sso
        return Captcha(self.keys.derive("captcha").hex(), sso.captcha_cost, sso.captcha_steps)

    @cached_property
    def login_tickets(self) -> LoginTickets:
        from idp.sso.login_tickets import LoginTickets

        key = self.keys.derive("login ticket")
        return LoginTickets(self.raw_store, key, self.clock, self.settings.sso.login_ticket_s)

    @cached_property
    def login_page(self) -> LoginPage:
        from idp.sso.login_page import LoginPage

        settings = self.settings
        return LoginPage(
            self.sign_on,
            self.login_tickets,
            self.captcha,
            settings.web.base_url,
            settings.people.mail_domain,
            new_account_url="/account/new",
        )


@contextmanager
def open_idp(settings: Settings | None = None, clock: Clock | None = None) -> Iterator[Idp]:
    """Yield the installation that the environment names, and close it at the end.

    Raises:  ConfigError when settings are wrong or the databases have another version
    """
    installation = Idp(settings or load_settings(), clock or Clock())
    try:
        require_migrated(installation.databases)
        yield installation
    finally:
        installation.close()
