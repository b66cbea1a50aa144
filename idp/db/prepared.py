"""Prepared statements of one PostgreSQL connection, run through libpq itself.

A cursor of psycopg takes four times the processor time of libpq's own call, because it waits in Python, in small steps.
The hot path does not need that. Values travel as text; psycopg's adapters read the answers.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

Load = Callable[[bytes], Any]

# The types that the server is told. 0: it finds the type by itself, as for a text or NULL.
_TYPES: Final[dict[type, int]] = {str: 0, type(None): 0, int: 20, float: 701, bool: 16}
_GOOD: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class _Prepared(NamedTuple):
    name: bytes
    loads: list[Load]  # by column; filled by the first answer


class PreparedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection in autocommit mode that keeps every statement prepared that it has ever run.

    Texts are constants of ours with `$1`, `$2` …, so there are few.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._prepared_by_text: dict[tuple[str, tuple[int, ...]], _Prepared] = {}

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        prepared, result = self._run(sql, parameters)
        count = result.ntuples
        if not count:
            return []
        loads = prepared.loads
        if not loads:
            loads.extend(self._load_for(result.ftype(column)) for column in range(result.nfields))
        value = result.get_value
        return [
            tuple(None if (text := value(row, column)) is None else load(text) for column, load in enumerate(loads))
            for row in range(count)
        ]

    def count(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement that writes and return how many rows it wrote."""
        return self._run(sql, parameters)[1].command_tuples or 0

    def _run(self, sql: str, parameters: Sequence[Any]) -> tuple[_Prepared, PGresult]:
        types = tuple([_type_of(value) for value in parameters])
        prepared = self._prepared_by_text.get((sql, types))
        if prepared is None:
            prepared = _Prepared(b"idp%d" % len(self._prepared_by_text), [])
            self._check(self.pgconn.prepare(prepared.name, sql.encode(), types))
            self._prepared_by_text[sql, types] = prepared
        result = self.pgconn.exec_prepared(prepared.name, list(map(_as_text, parameters)))  # type: ignore[arg-type] # libpq takes NULL too
        return prepared, self._check(result)

    def _check(self, result: PGresult) -> PGresult:
        if result.status in _GOOD:
            return result
        if self.pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection to the server is lost")
        raise error_from_result(result)

    def _load_for(self, oid: int) -> Load:
        loader = self.adapters.get_loader(oid, Format.TEXT) or self.adapters.get_loader(0, Format.TEXT)
        assert loader is not None  # that of unknown types is always there
        return loader(oid, self).load


def _type_of(value: Any) -> int:
    known = _TYPES.get(type(value))
    if known is not None:
        return known
    if isinstance(value, str):  # a word of an enumeration
        return 0
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _as_text(value: Any) -> bytes | None:
    if isinstance(value, str):
        text = value.encode()
        if b"\0" in text:  # libpq would send the text up to there
            raise psycopg.DataError("a text with NUL cannot be sent")
        return text
    if value is None:
        return None
    if isinstance(value, bool):
        return b"t" if value else b"f"
    return repr(value).encode()
