"""Rotate keys and record it: the keys themselves know no journal."""

from collections.abc import Iterable
from pathlib import Path

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.keys.key_files import Purpose, rotate_keys
from idp.keys.settings import KeysSettings
from idp.permissions import Actor


def rotate(
    databases: Databases, settings: KeysSettings, purposes: Iterable[Purpose], clock: Clock, actor: Actor
) -> list[Path]:
    """Add a new key to each purpose and return the files.

    Raises:  as `rotate_keys`; StoreError: then the journal does not have what the folder of keys may have
    Effect:  keys.rotated for each purpose, with the id of its new key
    """
    with databases.identity.write() as connection:
        files = rotate_keys(settings, purposes, actor)
        parts = (file.name.split(".") for file in files)
        events = [
            Event(event_types.KEYS_ROTATED, purpose, actor.actor_id, data={"key_id": key_id})
            for purpose, key_id, _ in parts
        ]
        record(connection, clock.timestamp(), *events)
    return files
