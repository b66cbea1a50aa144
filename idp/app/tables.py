"""Imports the tables of all features, for migrations and tests."""

from idp.accounts import tables as accounts
from idp.audit import tables as audit
from idp.cas import tables as cas
from idp.db import leases, one_time, outbox, workers
from idp.jobs import tables as jobs
from idp.people import tables as people
from idp.provisioning import tables as provisioning
from idp.registry import tables as registry
from idp.sso import tables as sso

__all__ = [
    "accounts",
    "audit",
    "cas",
    "jobs",
    "leases",
    "one_time",
    "outbox",
    "people",
    "provisioning",
    "registry",
    "sso",
    "workers",
]
