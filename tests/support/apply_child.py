"""Apply a plan in a process of its own, to be killed: `python -m tests.support.apply_child DATA SLAPD RUN`.

Prints a line when the first change is written.
"""

import sys
from pathlib import Path

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from idp.db.databases import open_databases
from idp.db.settings import StoreSettings
from idp.provisioning.executor import apply_run
from tests.support.actors import shell
from tests.support.provisioning import make_provisioner


def main(data: Path, folder: Path, run_id: str) -> None:
    slapd = PrivateSlapd(folder, durable=False)
    slapd.start()  # it runs: this only learns where
    provisioner = make_provisioner(open_databases(StoreSettings(folder=data)), slapd, Clock(), batch=20)
    apply_run(provisioner, run_id, shell("child"), progress=lambda _: print("written", flush=True))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
