"""Imports every module that declares tables, for whoever needs them all: migrations and tests."""

from idp.store import (
    attempts,
    events,
    leases,
    letters,
    onetime,
    people,
    provisioning,
    registry,
    runs,
    sessions,
    throttle,
    workers,
)

__all__ = [
    "attempts",
    "events",
    "leases",
    "letters",
    "onetime",
    "people",
    "provisioning",
    "registry",
    "runs",
    "sessions",
    "throttle",
    "workers",
]
