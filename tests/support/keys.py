"""Keys that tests share: always the same, so that hashes in one process match those in another."""

from pathlib import Path

from idp.keys.key_files import Key, Keys, Purpose

_SECRETS = {
    Purpose.MATCHING: b"a1" * 32,
    Purpose.PAIRWISE: b"b2" * 32,
    Purpose.SEALING: b"c2VhbGluZyBrZXkgZm9yIHRlc3RzIG9ubHkuLi4uLi4=",
    Purpose.WEB: b"c3" * 32,
    Purpose.JOURNAL: b"0a" * 32,
}


def key_set() -> list[Key]:
    """Return one key for each purpose."""
    return [Key(purpose, "0001", secret) for purpose, secret in _SECRETS.items()]


def shared_keys() -> Keys:
    """Return the keys of every test."""
    return Keys(key_set())


def write_key_files(folder: Path) -> None:
    """Write them as an installation keeps them."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in key_set():
        file = folder / f"{key.purpose}.{key.key_id}.key"
        file.touch(mode=0o600)
        file.write_bytes(key.secret)
