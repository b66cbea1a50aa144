"""Whether the fees application can do its work. CAS is not asked: who is signed in can work without it."""

import structlog
from flask import Blueprint
from sqlalchemy.exc import SQLAlchemyError

from idp.errors import ConfigError
from idp.fees.database import Database, require_migrated
from idp.web import health

log = structlog.get_logger(__name__)


def blueprint(database: Database) -> Blueprint:
    """Return `/healthz` and `/readyz`."""
    return health.blueprint(lambda: {"database": _state_of(database)})


def _state_of(database: Database) -> str:
    try:
        require_migrated(database)
    except (ConfigError, SQLAlchemyError) as error:
        log.warning("not ready", error=str(error))
        return health.DOWN
    return health.OK
