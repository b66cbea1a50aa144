"""Two addresses that machines ask: is the process alive, and can it do its work."""

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from idp.errors import ConfigError
from idp.fees.database import Database, require_migrated


def blueprint(database: Database) -> Blueprint:
    """Return `/healthz` and `/readyz`."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", content_type="text/plain")

    @health.get("/readyz")
    def readyz() -> tuple[Response, int]:
        """Say which part is down. CAS is not asked: who is signed in can work without it."""
        parts = {"database": _state_of(database)}
        ready = all(state == "ok" for state in parts.values())
        return jsonify(ready=ready, parts=parts), 200 if ready else 503

    return health


def _state_of(database: Database) -> str:
    try:
        require_migrated(database)
    except ConfigError:
        return "not at this version"
    except SQLAlchemyError:
        return "down"
    return "ok"
