"""All sections of a settings file. The package that uses a section declares it."""

import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from pydantic import create_model

from idp.accounts.settings import AccountsSettings
from idp.aliases.settings import AliasSettings
from idp.applications.settings import ApplicationsSettings
from idp.audit.settings import AuditSettings
from idp.cas.settings import CasSettings
from idp.db.settings import StoreSettings
from idp.errors import ConfigError
from idp.jobs.settings import JobsSettings
from idp.keys.settings import KeysSettings
from idp.letters.settings import LettersSettings
from idp.people.directory import DirectorySettings
from idp.people.settings import PeopleSettings
from idp.portal.settings import PortalSettings
from idp.provisioning.settings import ProvisioningSettings
from idp.registry.settings import RegistrySettings
from idp.settings import Joined, Section, load
from idp.sso.settings import HttpSettings, SsoSettings
from idp.web.logs import configure_logs
from idp.web.settings import UniversitySettings, WebSettings

TARGETS = "idp.targets"  # the entry point group of targets outside this repository


def target_modules() -> dict[str, ModuleType]:
    """Return the targets' modules by kind: those in `idp/provisioning/targets`, and those of other distributions.

    Raises:  ConfigError when two modules have the same kind
    """
    package = importlib.import_module("idp.provisioning.targets")
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
    ]
    # The target `accounts` is our own store: it has no settings.
    modules = [module for module in modules if hasattr(module, "open_target")]
    modules += [entry_point.load() for entry_point in entry_points(group=TARGETS)]
    found: dict[str, ModuleType] = {}
    for module in modules:
        if module.KIND in found:
            raise ConfigError(f"two targets are called {module.KIND}: {found[module.KIND].__name__}, {module.__name__}")
        found[module.KIND] = module
    return found


def _target_settings() -> type[Section]:
    """`[targets.<kind>]`: each target's module declares its own table."""
    fields: dict[str, Any] = {kind: (module.Settings, module.Settings()) for kind, module in target_modules().items()}
    return create_model("TargetsSettings", __base__=Section, **fields)


TargetsSettings = _target_settings()


class Settings(Joined):
    """All sections of one settings file."""

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
    applications: ApplicationsSettings = ApplicationsSettings()
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

    Raises:  ConfigError that lists every mistake
    """
    return load(Settings)


def start_logs(settings: Settings) -> None:
    """Send this process's log lines to standard error, in the form that the settings name."""
    configure_logs(settings.web.log_format)


def start_plain_lines() -> None:
    """Send warnings of this process to standard error as plain lines: a person typed the command."""
    configure_logs("plain", "WARNING")
