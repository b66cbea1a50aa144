"""Plug the parts together: settings, databases, directories, targets, pages, sweeps. Nothing is decided here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from idp.audit.sealing import seal_pending
from idp.audit.settings import AuditSettings
from idp.clock import Clock
from idp.jobs import housekeeping
from idp.jobs.settings import JobsSettings
from idp.jobs.worker import Sweep
from idp.people.settings import PeopleSettings
from idp.settings import Section, load
from idp.store.base import Databases, open_databases
from idp.store.keys import Keys, load_keys
from idp.store.migrate import require_migrated
from idp.store.settings import KeysSettings, StoreSettings
from idp.web.settings import UniversitySettings, WebSettings


class Settings(BaseModel):
    """All sections of one settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    web: WebSettings = WebSettings()
    university: UniversitySettings = UniversitySettings()
    store: StoreSettings = StoreSettings()
    keys: KeysSettings = KeysSettings()
    people: PeopleSettings = PeopleSettings()
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
    if not settings.web.is_https and "://127.0.0.1" not in settings.web.base_url:
        found.append("web.base_url is plain http: cookies and passwords travel unprotected.")
    if settings.web.is_https and settings.web.trusted_proxies == 0:
        found.append("web.trusted_proxies is 0: behind a reverse proxy every visitor has the proxy's address.")
    return found


class Idp:
    """One opened installation: what commands, pages and sweeps are given."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.databases: Databases = open_databases(settings.store)

    @cached_property
    def keys(self) -> Keys:
        return load_keys(self.settings.keys)

    def close(self) -> None:
        """Give connections back."""
        self.databases.close()


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


def sweeps(installation: Idp) -> dict[str, Sweep]:
    """Return what the worker does round after round."""
    settings, databases, clock = installation.settings, installation.databases, installation.clock
    name = housekeeping.worker_name()
    return {
        "sign of life": lambda: housekeeping.sign_of_life(databases, settings.jobs, clock, name),
        "expired tokens": lambda: housekeeping.drop_expired_tokens(databases, clock),
        "sealing": lambda: seal_pending(databases, settings.audit, clock, name),
    }
