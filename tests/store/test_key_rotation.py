"""A rotation of keys is on record."""

from pathlib import Path

import pytest

from idp.audit import event_types
from idp.audit.journal_queries import newest
from idp.audit.key_rotation import rotate
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import NotAllowed
from idp.keys.key_files import Purpose, create_missing_keys, load_keys
from idp.keys.settings import KeysSettings
from idp.permissions import SYSTEM
from tests.support.actors import SHELL
from tests.support.clock import ManualClock


def test_each_purpose_that_gets_a_key_is_recorded_with_the_keys_id(
    databases: Databases, clock: ManualClock, tmp_path: Path
) -> None:
    settings = KeysSettings(folder=tmp_path / "keys")
    create_missing_keys(settings)

    files = rotate(databases, settings, [Purpose.SEALING, Purpose.WEB], clock, SHELL)

    assert [file.name for file in files] == ["sealing.0002.key", "web.0002.key"]
    recorded = newest(databases.identity, event_pending, 10, event_types.KEYS_ROTATED, [])
    told = {(one["subject"], one["actor"], one["data"]) for one in recorded}
    assert told == {(purpose, SHELL.actor_id, '{"key_id":"0002"}') for purpose in ("sealing", "web")}


def test_who_may_not_rotate_leaves_neither_key_nor_event(
    databases: Databases, clock: ManualClock, tmp_path: Path
) -> None:
    settings = KeysSettings(folder=tmp_path / "keys")
    create_missing_keys(settings)

    with pytest.raises(NotAllowed):
        rotate(databases, settings, [Purpose.SEALING], clock, SYSTEM)

    assert load_keys(settings).newest(Purpose.SEALING).key_id == "0001"
    assert newest(databases.identity, event_pending, 10, event_types.KEYS_ROTATED, []) == []
