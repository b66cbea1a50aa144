"""Databases of an earlier revision with data, stored as text: upgrades are tried on them.

`python -m tests.support.stored_databases` stores today's newest revision under tests/data. Do it once, when the
migrations of a release are final: from then on a test refuses to see them edited.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from sqlalchemy import Connection, MetaData, Table, insert, inspect, select
from sqlalchemy.types import Boolean, Date, DateTime, LargeBinary, TypeEngine

from deploy.openldap.private import PrivateSlapd
from idp.accounts.locks import lock_account
from idp.app.installation import Idp
from idp.audit.sealing import seal_pending
from idp.cli.registry import sample
from idp.clock import Clock
from idp.db.databases import Database, Databases, open_databases
from idp.db.migrate import migrate
from idp.db.revisions import MIGRATIONS, newest_revision, version_table
from idp.db.settings import StoreSettings
from idp.people.account_queries import load_account
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import make_plan
from idp.registry.imports import import_file
from idp.sso import sessions
from idp.sso.session_queries import Visited, add_visited
from idp.sso.sessions import Browser
from idp.sso.tokens import short_token
from tests.support.actors import SHELL, shell
from tests.support.installation import installed, settings_for

FOLDER = Path(__file__).parents[1] / "data" / "databases"
PEOPLE = 8

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class StoredDatabases:
    """Both databases at one revision, and the migrations that led to it."""

    revisions: Mapping[str, str]
    migrations: Mapping[str, str]  # file below idp/db/migrations -> SHA-256
    rows: Mapping[str, Rows]

    @classmethod
    def load(cls, file: Path) -> "StoredDatabases":
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = {"revisions": self.revisions, "migrations": self.migrations, "rows": self.rows}
        file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def restore(self, databases: Databases) -> None:
        """Make empty databases what was stored: the tables by the migrations of then, then the rows."""
        migrate(databases, self.revisions)
        for name, database in both(databases):
            with database.write() as connection:
                tables = tables_in(connection, name)
                for table in tables.sorted_tables:
                    if rows := self.rows[name].get(table.name):
                        connection.execute(insert(table), [_decoded(table, row) for row in rows])


def both(databases: Databases) -> list[tuple[str, Database]]:
    return [("identity", databases.identity), ("sessions", databases.sessions)]


def tables_in(connection: Connection, name: str) -> MetaData:
    """Return the tables as the database itself describes them: the declared ones may be newer."""
    found = MetaData()
    names = inspect(connection).get_table_names()  # of the first schema on the search path, which is its own
    found.reflect(connection, only=[each for each in names if each != version_table(name)])
    return found


def rows_in(databases: Databases) -> dict[str, Rows]:
    """Return every row of both databases, as text and numbers."""
    kept: dict[str, Rows] = {}
    for name, database in both(databases):
        with database.read() as connection:
            kept[name] = {
                table.name: [_encoded(dict(row)) for row in connection.execute(_ordered(table)).mappings()]
                for table in tables_in(connection, name).sorted_tables
            }
    return kept


def digests() -> dict[str, str]:
    """Return the SHA-256 of every migration."""
    files = sorted(MIGRATIONS.glob("*/versions/*.py"))
    return {str(file.relative_to(MIGRATIONS)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def make(folder: Path, slapd: PrivateSlapd) -> StoredDatabases:
    """Return the databases of an installation in which a little of everything has happened."""
    databases = open_databases(StoreSettings(folder=folder / "data"))
    migrate(databases)
    with installed(settings_for(databases, slapd, folder / "keys"), Clock()) as installation:
        _live_a_little(installation, folder / "export.csv")
        revisions = {name: newest_revision(name) for name, _ in both(databases)}
        return StoredDatabases(revisions, digests(), rows_in(databases))


def _live_a_little(idp: Idp, export: Path) -> None:
    CliRunner().invoke(sample, [str(export), "--people", str(PEOPLE), "--seed", "1"], catch_exceptions=False)
    policy = idp.settings.people.access_policy
    registry = idp.settings.registry
    import_file(idp.databases, idp.keys, registry, policy, idp.clock, idp.zone, export, delta=False, actor=SHELL)
    run = make_plan(idp.provisioner, shell("sample"))
    apply_run(idp.provisioner, run.run_id, shell("sample"))
    with idp.databases.identity.read() as connection:
        accounts = tables_in(connection, "identity").tables["account"]
        ids = connection.execute(select(accounts.c.account_id).where(accounts.c.enabled)).scalars().all()
        first = load_account(connection, ids[0])
    assert first is not None
    started = sessions.start(idp.raw_store, idp.settings.sso, idp.clock, first, Browser("192.0.2.1", "sample"))
    address = "https://fees.po.edu.pl/app"
    visited = Visited(started.session_id, short_token("ST-"), "cas", "fees", address, idp.clock.timestamp())
    with idp.raw_store.lend() as raw, raw.transaction():
        add_visited(raw, visited)
    lock_account(idp.databases, idp.clock, ids[1], shell("sample"), "sample")
    seal_pending(idp.databases, idp.settings.audit, idp.clock, "sample")


def _ordered(table: Table) -> Any:
    return select(table).order_by(*table.primary_key.columns)


def _encoded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _as_text(value) for name, value in row.items()}


def _as_text(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case datetime():
            # SQLite keeps UTC without saying so.
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
    return value


def _decoded(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value is None else _decode(table.c[name].type, value) for name, value in row.items()}


def _decode(kind: TypeEngine[Any], value: Any) -> Any:
    for known, decode in _DECODERS.items():
        if isinstance(kind, known):
            return decode(value)
    return value


_DECODERS: dict[type[TypeEngine[Any]], Callable[[Any], Any]] = {
    LargeBinary: bytes.fromhex,
    DateTime: datetime.fromisoformat,
    Date: date.fromisoformat,
    Boolean: bool,
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, PrivateSlapd(Path(folder) / "slapd", durable=False) as slapd:
        stored = make(Path(folder), slapd)
    file = FOLDER / f"{'-'.join(sorted(set(stored.revisions.values())))}.json"
    stored.save(file)
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
