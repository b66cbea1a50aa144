"""The checks of `idp config check` beyond the form of settings: files that others may read, and weak choices."""

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from idp.app.settings import Settings
from idp.db.databases import database_files
from idp.errors import ConfigError
from idp.hosts import LOOPBACK
from idp.keys.key_files import RESTORE_KEYS, key_files, missing_purposes
from idp.settings import require_private

SECRET_FILES = ("password_file", "secret_file")
# OWASP's minimum for Argon2id: 19 MiB and two passes, or more memory and fewer passes.
LEAST_ARGON2 = 19456 * 2
# A network with fewer leading bits is larger than any campus.
LEAST_BITS = {4: 8, 6: 32}


def mistakes(settings: Settings, files: Sequence[Path]) -> list[str]:
    """Return a sentence for each mistake that must be corrected before the service runs.

    Shape:   files: the settings files
    """
    found = [_secret_mistake(name, file) for name, file in secret_files(settings)]
    found += [_private_mistake("keys.folder", file) for file in key_files(settings.keys)]
    found += [_private_mistake("store.folder", file) for file in database_files(settings.store) if file.exists()]
    found += [_settings_file_mistake(file, settings) for file in files]
    for folder in settings.applications.dirs:
        applications = (folder, *sorted(folder.glob("*.toml"))) if folder.is_dir() else ()
        found += [_writable_mistake("applications.dirs", file) for file in applications]
    return [mistake for mistake in found if mistake]


def warnings(settings: Settings) -> list[str]:
    """Return a sentence for each risk that is allowed. It begins with the setting."""
    return [*_keys(settings), *_web(settings), *_sign_in(settings), *_networks(settings)]


def secret_files(section: BaseModel, name: str = "") -> Iterator[tuple[str, Path]]:
    """Yield each setting that names a password file, with the file."""
    for key, value in section:
        where = f"{name}.{key}".removeprefix(".")
        if isinstance(value, BaseModel):
            yield from secret_files(value, where)
        elif isinstance(value, Path) and key.endswith(SECRET_FILES):
            yield where, value


def _secret_mistake(name: str, file: Path) -> str:
    return _private_mistake(name, file) if file.exists() else f"{name}: {file}: there is no such file."


def _private_mistake(name: str, file: Path) -> str:
    try:
        require_private(name, file)
    except ConfigError as mistake:
        return str(mistake)
    except OSError as exc:
        return f"{name}: {file}: {exc.strerror}. Run this as the user of the service."
    return ""


def _settings_file_mistake(file: Path, settings: Settings) -> str:
    if mistake := _writable_mistake("the settings file", file):
        return mistake
    url = settings.store.postgresql_url
    if url and url.get_secret_value() in file.read_text(encoding="utf-8") and file.stat().st_mode & stat.S_IROTH:
        return f"the settings file: {file}: others may read the password in it. Run `chmod o= {file}`."
    return ""


def _writable_mistake(name: str, file: Path) -> str:
    if file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{name}: {file}: others may change it. Run `chmod go-w {file}`."
    return ""


def _keys(settings: Settings) -> Iterable[str]:
    if missing := missing_purposes(settings.keys):
        names = ", ".join(purpose.value for purpose in missing)
        yield f"keys.folder {settings.keys.folder} has no key for {names}. {RESTORE_KEYS}"


def _web(settings: Settings) -> Iterable[str]:
    web, sso = settings.web, settings.sso
    is_local = web.base_url.startswith(("http://127.0.0.1", "http://localhost"))
    if not web.is_https and not is_local:
        yield "web.base_url is plain http: cookies and passwords travel unprotected."
    if web.is_https and web.trusted_proxies == 0:
        yield (
            "web.trusted_proxies is 0: behind a reverse proxy all visitors are one network, and one guesser slows all."
        )
    if web.is_https and not web.hsts:
        yield "web.hsts is empty: a browser's first visit may be led to plain http."
    if web.host not in LOOPBACK:
        yield f"web.host is {web.host}: visitors reach the server past the proxy, and may invent their address."
    if web.blocking_threads <= sso.parallel_checks + sso.waiting_checks:
        yield (
            "web.blocking_threads is not above sso.parallel_checks and sso.waiting_checks together: while sign-ins wait"
            " for the directory, nobody else is served."
        )


def _sign_in(settings: Settings) -> Iterable[str]:
    sso, accounts = settings.sso, settings.accounts
    if not sso.throttle.enabled:
        yield "sso.throttle.enabled is false: passwords may be guessed without limit."
    if sso.captcha == "off":
        yield "sso.captcha is off: programs may guess passwords as fast as the limits allow."
    if len(set(accounts.claim_details)) < 2:
        yield "accounts.claim_details holds one detail: whoever knows it claims somebody else's account."
    if accounts.password_min_length < 15:
        yield (
            f"accounts.password_min_length is {accounts.password_min_length}: a password that is the only factor needs"
            " 15 characters (NIST SP 800-63B-4)."
        )
    if accounts.argon2_memory_kib * accounts.argon2_time_cost < LEAST_ARGON2:
        yield (
            "accounts.argon2_memory_kib and argon2_time_cost are below 19456 and 2: stolen hashes are guessed faster"
            " (OWASP)."
        )


def _networks(settings: Settings) -> Iterable[str]:
    for network in settings.http.private_networks:
        if network.prefixlen < LEAST_BITS[network.version]:
            yield f"http.private_networks holds {network}: applications may make us ask any machine inside."
    for network in settings.sso.throttle.shared_networks:
        if network.prefixlen < LEAST_BITS[network.version]:
            yield f"sso.throttle.shared_networks holds {network}: the limits of networks hold for nobody there."
