"""Load settings: files, then the environment. What the settings are is declared by the package that uses them.

Order, later wins: defaults in the classes, the file named by `IDP_CONFIG`, the file named by `IDP_CONFIG_EXTRA`,
`IDP_<SECTION>__<FIELD>`. The fees application is configured apart: its variables begin with `IDP_FEES_`.
Tables merge, values and lists replace; a list marked `Adds` grows with every layer.
A relative path is relative to the file that holds it (in the environment: to the working folder), so that a copied
folder is a second installation.
"""

import json
import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError
from pydantic_settings import PydanticBaseSettingsSource as Source

from idp.errors import ConfigError
from idp.hosts import LOOPBACK

PREFIX = "IDP_"
FEES_PREFIX = "IDP_FEES_"


@dataclass(frozen=True, slots=True)
class Adds:
    """Marks a list field whose values from all layers are kept, first layer first."""


class Section(BaseModel):
    """Base of every settings section: frozen, and unknown keys are errors.

    Each field is `name: Annotated[type, "A sentence for the docs."] = default`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Joined(BaseSettings):
    """Base of an application's sections joined: a field per section. `load` reads the layers, the class itself none."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: Source,
        env_settings: Source,
        dotenv_settings: Source,
        file_secret_settings: Source,
    ) -> tuple[Source, ...]:
        """Leave out the environment: settings that a test builds must not depend on who runs it."""
        return (init_settings,)


VERIFIED = ("verify-full", "verify-ca")


def _require_tls(url: SecretStr) -> SecretStr:
    """Refuse to send the password and people's data to another machine without TLS, or to a server nobody verified."""
    parts = urlsplit(url.get_secret_value())
    options = parse_qs(parts.query, keep_blank_values=True)
    # With these the connection goes to another server than the one that the address shows.
    if elsewhere := [name for name in ("hostaddr", "service", "servicefile") if name in options]:
        raise ValueError(f"leave out {', '.join(elsewhere)}: name the server as the host of the address")
    given = parts.netloc.rpartition("@")[2]
    hosts = [host for name in options.get("host", []) for host in name.split(",")]
    hosts += given.split(",") if given or not hosts else []
    modes = options.get("sslmode", [])
    is_verified = bool(modes) and all(mode in VERIFIED for mode in modes)
    if not is_verified and not all(map(_is_here, hosts)):
        raise ValueError(
            "people's data would travel to another machine without verified TLS; end the address with"
            " ?sslmode=verify-full&sslrootcert=FILE (sslrootcert=system takes the system's authorities)"
        )
    return url


def _is_here(host: str) -> bool:
    """Return whether `host`, with or without a port, is on this machine. A path is a unix socket."""
    if any(os.environ.get(name) for name in ("PGHOSTADDR", "PGSERVICE")):
        return False  # libpq connects there, whatever the address says
    name = host[1:].partition("]")[0] if host.startswith("[") else host
    if name.count(":") == 1:
        name = name.partition(":")[0]
    name = name.lower()
    if not name:
        return not os.environ.get("PGHOST")  # else libpq's own unix socket
    return name in LOOPBACK or name.startswith("/")


PostgresqlUrl = Annotated[SecretStr, AfterValidator(_require_tls)]
"""The address of a PostgreSQL database; to another machine it demands verified TLS."""

Sections = Mapping[str, type[Section]]
M = TypeVar("M", bound=Joined)


def load(model: type[M], environment: Mapping[str, str] | None = None, prefix: str = PREFIX) -> M:
    """Return the joined settings, an instance of `model` whose fields are the sections.

    Shape:   prefix "IDP_FEES_" reads IDP_FEES_CONFIG, IDP_FEES_CONFIG_EXTRA and IDP_FEES_<SECTION>__<FIELD> instead
    Raises:  ConfigError with every mistake at once: unknown keys, wrong values, unreadable files
    """
    environment = os.environ if environment is None else environment
    merged: dict[str, Any] = {}
    for variable, file in settings_files(environment, prefix).items():
        layer = _with_absolute_paths(model, _read(file, variable), file.parent)
        merged = _merge(model, merged, layer)
    layer = _with_absolute_paths(model, _from_environment(model, environment, prefix), Path.cwd())
    merged = _merge(model, merged, layer)
    try:
        return model.model_validate(merged)
    except ValidationError as mistakes:
        raise ConfigError(_sentences(mistakes)) from None


def settings_files(environment: Mapping[str, str] | None = None, prefix: str = PREFIX) -> dict[str, Path]:
    """Return the settings files that the environment names, by variable, in the order in which they are read."""
    environment = os.environ if environment is None else environment
    variables = (f"{prefix}CONFIG", f"{prefix}CONFIG_EXTRA")
    return {variable: Path(name).resolve() for variable in variables if (name := environment.get(variable))}


def overriding_variables(environment: Mapping[str, str] | None = None, prefix: str = PREFIX) -> list[str]:
    """Return the variables of the environment that override single settings."""
    environment = os.environ if environment is None else environment
    return sorted(name for name in environment if "__" in name and _owner(name) == prefix)


def not_set_up(file: Path, setup: str, prefix: str = PREFIX) -> ConfigError:
    """Return what to say where a database is missing: mostly a forgotten variable, seldom the first time.

    Shape:   file: the database; setup: the command that makes it
    """
    variable = f"{prefix}CONFIG"
    nothing = f"nothing is set up here: there is no {file.absolute()}."
    if os.environ.get(variable):
        return ConfigError(f"{nothing} Run `{setup}`.")
    return ConfigError(
        f"{nothing} {variable} is not set: let it name your settings file. Only where this is to be a new"
        f" installation, run `{setup}`."
    )


def read_secret(setting: str, file: Path | None) -> str:
    """Return the password in a file that a setting names.

    Raises:  ConfigError with the setting's name: not set, missing, or readable for others
    """
    if file is None:
        raise ConfigError(f"{setting} is not set: name the file with the password.")
    try:
        require_private(setting, file)
        return file.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ConfigError(f"{setting}: {file}: {exc.strerror}") from exc


def require_private(setting: str, file: Path) -> None:
    """Return when only its owner can read and change a file. Its group may read it when root owns it.

    Raises:  ConfigError with the command that mends it; OSError when there is no such file
    Source:  PostgreSQL's rule for its key files
    """
    status = file.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~(0o740 if status.st_uid == 0 else 0o700):
        raise ConfigError(f"{setting}: {file}: others may read or change it (mode {mode:o}). Run `chmod 600 {file}`.")


def _read(file: Path, variable: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{variable}={file}: {exc.strerror}. Name an existing settings file.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{variable}={file}: not TOML in UTF-8: {exc}") from exc


def _from_environment(model: type[Joined], environment: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """`IDP_CAS__SERVICE_TICKET_S=20` -> `{"cas": {"service_ticket_s": "20"}}`; tables nest by `__`, lists are JSON."""
    ours = {name.lower(): environment[name] for name in overriding_variables(environment, prefix)}
    source = EnvSettingsSource(model, env_prefix=prefix, env_nested_delimiter="__", case_sensitive=False)
    source.env_vars = ours
    sections = {name.removeprefix(prefix.lower()).partition("__")[0] for name in ours}
    try:
        # The source looks only for what it knows; a section that does not exist is to be a mistake, too.
        return {**dict.fromkeys(sections - model.model_fields.keys()), **source()}
    except SettingsError as exc:
        raise ConfigError(f"{exc}: a list or table in the environment is written as JSON.") from exc


def _owner(variable: str) -> str | None:
    """Return the longest prefix that fits: `IDP_FEES_WEB__PORT` is not ours, though it begins with `IDP_`."""
    return next((prefix for prefix in (FEES_PREFIX, PREFIX) if variable.startswith(prefix)), None)


def _merge(model: type[BaseModel] | None, below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        field = model.model_fields.get(key) if model else None
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(_model(field.annotation) if field else None, merged[key], value)
        elif field and _adds(field) and isinstance(value, list) and isinstance(merged.get(key), list):
            merged[key] = [*merged[key], *value]
        else:
            merged[key] = value
    return merged


def _with_absolute_paths(model: type[BaseModel] | None, table: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {
        key: _absolute(model.model_fields[key].annotation, value, folder)
        if model and key in model.model_fields
        else value
        for key, value in table.items()
    }


def _absolute(annotation: Any, value: Any, folder: Path) -> Any:
    """Resolve `value` against `folder` wherever its annotation says that it is a path."""
    if isinstance(value, dict):
        if nested := _model(annotation):
            return _with_absolute_paths(nested, value, folder)
        inner = _arguments(annotation)
        return {key: _absolute(inner[-1], item, folder) for key, item in value.items()} if inner else value
    if isinstance(value, list):
        inner = _arguments(annotation)
        return [_absolute(inner[0], item, folder) for item in value] if inner else value
    if isinstance(value, str) and Path in _alternatives(annotation):
        return str(folder / Path(value).expanduser()) if value else value
    return value


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """`Annotated[Path | None, "…"]` -> `(Path, NoneType)`."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(part for one in get_args(annotation) for part in _alternatives(one))
    return (annotation,)


def _model(annotation: Any) -> type[BaseModel] | None:
    for one in _alternatives(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _arguments(annotation: Any) -> Sequence[Any]:
    for one in _alternatives(annotation):
        if get_origin(one) in (list, tuple, set, frozenset, dict):
            return get_args(one)
    return ()


def _adds(field: FieldInfo) -> bool:
    return any(isinstance(mark, Adds) for mark in field.metadata)


def _sentences(mistakes: ValidationError) -> str:
    lines = []
    for mistake in mistakes.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in mistake["loc"])
        what = "unknown key" if mistake["type"] == "extra_forbidden" else mistake["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {what}")
    return "\n".join(lines)


def example(sections: Sections) -> str:
    """Return every setting with its default and its sentence, as a TOML file of comments."""
    lines = ["# Every setting with its default. Remove the `#` in front of what you change."]
    for name, section in sections.items():
        lines += _example(name, section)
    return "\n".join(lines)


def _example(name: str, section: type[BaseModel]) -> list[str]:
    lines = ["", f"[{name}]"]
    nested: list[str] = []
    for key, field in section.model_fields.items():
        if inner := _model(field.annotation):
            nested += _example(f"{name}.{key}", inner)
            continue
        sentence = field.description or next((mark for mark in field.metadata if isinstance(mark, str)), "")
        lines += [f"# {sentence}", f"#{key} = {_toml(field.get_default(call_default_factory=True))}"]
    return lines + nested


def _toml(value: Any) -> str:
    match value:
        case None:
            return '""'
        case bool() | int() | float():
            return str(value).lower()
        case list() | tuple() | set() | frozenset():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case BaseModel():
            return _toml(value.model_dump())
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
        case _:
            return json.dumps(str(value), ensure_ascii=False)
