"""Keep one PostgreSQL for a whole test run; run as `python -m tests.support.keeper WATCHED_PID FOLDER`.

The xdist worker that needs it first starts this process; all workers share the server. It ends when the watched
process (pytest's controller) ends, however that ends, so nothing is ever left behind.
"""

import json
import os
import select
import shutil
import signal
import sys
from pathlib import Path

from deploy.postgresql.private import PrivatePostgres


def main(watched_pid: int, folder: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    watched = os.pidfd_open(watched_pid)
    with PrivatePostgres(folder / "cluster") as server:
        found = folder / "postgresql.new"
        found.write_text(json.dumps({"port": server.port, "password": server.password}))
        found.rename(folder / "postgresql.json")
        select.select([watched], [], [])
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
