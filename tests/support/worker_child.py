"""A worker in a process of its own, to be killed, frozen or upgraded: `python -m tests.support.worker_child FILE`.

FILE is JSON: how to open the store and the directory, and settings. It says "ready" when it lives.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from idp.cli.children import end_with_parent
from idp.clock import Clock
from idp.db.databases import Databases, open_databases
from idp.db.engine_database import engine_url
from idp.db.settings import StoreSettings
from idp.jobs.engine import EngineRunner
from idp.jobs.liveness import Liveness
from idp.jobs.settings import JobsSettings
from idp.jobs.worker import Sweep, run
from idp.people.directory import DirectorySettings
from idp.people.settings import PeopleSettings
from idp.provisioning.health import try_again
from idp.provisioning.live import reconcile_due
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.targets.ldap import LdapTarget
from idp.provisioning.targets.ldap import Settings as LdapSettings
from tests.support.provisioning import NO_LIMITS, ZONE


def provisioner_of(told: dict[str, Any]) -> Provisioner:
    """Return what the steps are given, over real systems."""
    url = told.get("postgresql_url")
    store = StoreSettings(folder=Path(told["folder"]), postgresql_url=SecretStr(url) if url else None)
    ldap = LdapTarget(
        LdapSettings.model_validate(told.get("ldap", {})),
        DirectorySettings.model_validate(told["directory"]),
        told["password"],
    )
    settings = ProvisioningSettings.model_validate({"limits": NO_LIMITS, **told.get("provisioning", {})})
    return Provisioner(
        databases=open_databases(store),
        targets={"ldap": ldap},
        people=PeopleSettings(),
        settings=settings,
        zone=ZONE,
        clock=Clock(),
        paces=told.get("paces", {}),
    )


def main(file: Path) -> None:
    """Work until a signal comes."""
    end_with_parent()  # a test run that is killed leaves nobody at work
    told = json.loads(file.read_text())
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    provisioner = provisioner_of(told)
    databases: Databases = provisioner.databases
    settings = JobsSettings.model_validate({"interval_s": 0.1, "liveness_s": 3.0, **told.get("jobs", {})})
    with Liveness(databases, settings, provisioner.clock, told.get("release")) as me:
        engine_runner = EngineRunner(provisioner, settings, lambda: engine_url(databases.settings), me.name)
        os.write(1, b"ready\n")

        def ask_failing() -> int:
            try_again(provisioner)
            return 0

        sweeps: dict[str, Sweep] = {"runs": engine_runner, "failing": ask_failing}
        if told.get("sweeps_people"):
            sweeps["people"] = lambda: reconcile_due(provisioner)
        try:
            run(sweeps, settings)
        finally:
            engine_runner.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
