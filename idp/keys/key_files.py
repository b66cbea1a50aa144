"""The installation's keys, kept in files beside the database and never in it."""

import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from idp.errors import ConfigError
from idp.keys.settings import KeysSettings

MATCHING, SEALING, WEB = "matching.key", "sealing.key", "web.key"


@dataclass(frozen=True, slots=True)
class Keys:
    """Three keys, one purpose each: matching national ids, sealing rows at rest, signing form cookies."""

    matching: bytes
    sealing: bytes
    web: bytes

    def mac(self, purpose: str, text: str) -> str:
        """Return the keyed HMAC-SHA-256 of `text` in hex; `purpose` keeps equal texts of two uses apart."""
        return hmac.digest(self.matching, f"{purpose}\0{text}".encode(), "sha256").hex()

    def seal(self, text: str) -> str:
        """Return `text` encrypted and authenticated (Fernet), to be kept in the database."""
        return Fernet(self.sealing).encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Return what was sealed.

        Raises:  ConfigError when another installation's key, or nobody's, made it
        """
        try:
            return Fernet(self.sealing).decrypt(sealed.encode()).decode()
        except InvalidToken as exc:
            raise ConfigError("a sealed row does not open: is keys/sealing.key of this installation?") from exc


def load_keys(settings: KeysSettings) -> Keys:
    """Return the keys.

    Raises:  ConfigError when a file is missing; it names the command that makes it
    """
    try:
        found = [(settings.folder / name).read_bytes().strip() for name in (MATCHING, SEALING, WEB)]
    except OSError as exc:
        raise ConfigError(
            f"{exc.filename}: {exc.strerror}. Run `idp setup`, or restore your keys from backup."
        ) from exc
    return Keys(*found)


def create_missing_keys(settings: KeysSettings) -> list[Path]:
    """Make the key files that are not there and return them; one that is there is never touched."""
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = {
        MATCHING: secrets.token_hex(32).encode(),
        SEALING: Fernet.generate_key(),
        WEB: secrets.token_hex(32).encode(),
    }
    return [settings.folder / name for name, key in fresh.items() if _create(settings.folder / name, key)]


def _create(file: Path, key: bytes) -> bool:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as stream:
        stream.write(key + b"\n")
    return True
