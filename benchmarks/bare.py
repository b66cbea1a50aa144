"""The least that could be called single sign-on: one table, two requests, no audit, no checks. What a machine, granian
and SQLite leave to a service; benchmarks.cas runs it beside the real one and prints the ratio.
"""

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

FILE = "IDP_BENCH_BARE"  # names the database file


def create_app() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return the application: /issue answers with a ticket, /take?… spends it."""
    connection = sqlite3.connect(os.environ[FILE], isolation_level=None, check_same_thread=False, timeout=15)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS ticket (hash TEXT PRIMARY KEY, service TEXT)")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/issue":
            ticket = secrets.token_hex(16)
            connection.execute("INSERT INTO ticket VALUES (?, ?)", (_hash(ticket), "https://fees.po.edu.pl/app"))
            body = ticket.encode()
        else:
            sql = "DELETE FROM ticket WHERE hash = ? RETURNING service"
            body = b"yes" if connection.execute(sql, (_hash(environ["QUERY_STRING"]),)).fetchall() else b"no"
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return app


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
