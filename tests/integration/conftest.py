"""Parts that several suites over a real directory share."""

from collections.abc import Iterator

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.provisioning.provisioner import Provisioner
from tests.support.clock import ManualClock
from tests.support.provisioning import Eyes, make_provisioner


@pytest.fixture
def directory(slapd: PrivateSlapd) -> Iterator[PrivateSlapd]:
    """A directory without anybody, running again afterwards."""
    slapd.reset()
    yield slapd
    slapd.start()


@pytest.fixture
def eyes(directory: PrivateSlapd) -> Iterator[Eyes]:
    """Sees in the directory what no account of ours may see."""
    eyes = Eyes(directory)
    yield eyes
    eyes.directory.close()


@pytest.fixture
def provisioner(databases: Databases, directory: PrivateSlapd, clock: ManualClock) -> Iterator[Provisioner]:
    """Everything that steps of provisioning are given."""
    made = make_provisioner(databases, directory, clock)
    yield made
    made.close()
