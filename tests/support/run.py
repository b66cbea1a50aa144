"""One test run: its folder, shared by the xdist workers, and the servers that live as long as it does."""

import os
import select
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

FOLDER = pytest.StashKey[Path]()
CONTROLLER = pytest.StashKey[int]()


class RunPlugin:
    """Makes the run's folder in the controller, tells the workers, and ends what was started in it."""

    def pytest_configure(self, config: pytest.Config) -> None:
        told = getattr(config, "workerinput", None)
        if told is None:
            # Servers run as other users: the folder must be traversable, what lies in it need not be readable.
            folder = Path(tempfile.mkdtemp(prefix="idp-test-"))
            folder.chmod(0o711)
            config.stash[FOLDER], config.stash[CONTROLLER] = folder, os.getpid()
        else:
            config.stash[FOLDER], config.stash[CONTROLLER] = Path(told["idp_folder"]), int(told["idp_controller"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: "pytest.Session") -> None:
        """Effect: an xdist worker learns the folder; xdist calls this in the controller only"""
        node.workerinput["idp_folder"] = str(node.config.stash[FOLDER])  # type: ignore[attr-defined] # xdist's WorkerController
        node.workerinput["idp_controller"] = node.config.stash[CONTROLLER]  # type: ignore[attr-defined] # as above

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        if hasattr(config, "workerinput"):
            return
        folder = config.stash[FOLDER]
        for pid_file in folder.glob("*.pid"):
            _end(int(pid_file.read_text()))
        shutil.rmtree(folder, ignore_errors=True)


def _end(pid: int) -> None:
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    os.kill(pid, signal.SIGTERM)
    select.select([ended], [], [], 15)
    os.close(ended)
