"""The installation's keys: numbered files, one series per purpose, beside the database and never in it."""

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from idp.errors import ConfigError
from idp.files import create_private
from idp.keys.settings import KeysSettings
from idp.permissions import Actor, Permission
from idp.settings import require_private

_FILE = re.compile(r"(?P<purpose>[a-z]+)\.(?P<key_id>\d{4})\.key", re.ASCII)


class Purpose(StrEnum):
    """What a key is for. No key serves two purposes."""

    MATCHING = "matching"  # HMACs of national ids and registry rows
    PAIRWISE = "pairwise"  # names of persons that differ for each application
    SEALING = "sealing"  # rows that are encrypted at rest
    WEB = "web"  # form cookies, sign-in forms, CAPTCHA
    JOURNAL = "journal"  # signatures of journal checkpoints


FOR_EVER = frozenset({Purpose.MATCHING, Purpose.PAIRWISE})
"""Purposes whose key never changes: with another key, nobody would be recognised."""


_HEX = re.compile(rb"[0-9a-f]{64}")
_FORM = dict.fromkeys(Purpose, _HEX) | {Purpose.SEALING: re.compile(rb"[A-Za-z0-9_-]{43}=")}
"""The form of a complete key (`new_secret`). An empty or cut file would be a key that everybody knows."""


# The backup comes first: new keys recognise nobody in a database that other keys wrote.
RESTORE_KEYS = "Restore your keys from backup. Only for a new installation, run `idp setup`."


@dataclass(frozen=True, slots=True)
class Key:
    """One key file."""

    purpose: Purpose
    key_id: str  # "0001": counts up, the largest is the newest
    secret: bytes


class Keys:
    """All keys of an installation. New values use the newest key; old key ids open old values."""

    def __init__(self, found: Iterable[Key], read_again: Callable[[], Iterable[Key]] | None = None) -> None:
        """`read_again`: returns the keys that stand in the files now, for an id that a rotation has added meanwhile."""
        self._read_again = read_again
        self._take(found)

    def _take(self, found: Iterable[Key]) -> None:
        rings: Mapping[Purpose, Mapping[str, bytes]] = _rings(found)
        if missing := [purpose.value for purpose in Purpose if not rings[purpose]]:
            raise ConfigError(f"no key for {', '.join(missing)}. {RESTORE_KEYS}")
        self._rings = rings
        # An import computes a hash for every person: the newest key is looked up once.
        self._newest = {purpose: Key(purpose, *max(ring.items())) for purpose, ring in self._rings.items()}
        self._begun: dict[str, HMAC] = {}

    def newest(self, purpose: Purpose) -> Key:
        """Return the key for new values."""
        return self._newest[purpose]

    def all_of(self, purpose: Purpose) -> list[Key]:
        """Return every key of a purpose, the newest first."""
        return [Key(purpose, *item) for item in sorted(self._rings[purpose].items(), reverse=True)]

    def mac(self, use: str, text: str) -> str:
        """Return the keyed HMAC-SHA-256 of `text` in hex; `use` keeps equal texts of two uses apart."""
        begun = self._begun.get(use)
        if begun is None:
            begun = HMAC(self.newest(Purpose.MATCHING).secret, SHA256())
            begun.update(f"{use}\0".encode())
            self._begun[use] = begun
        # A copy has the key and the use hashed already: an import computes several of these for each person.
        mac = begun.copy()
        mac.update(text.encode())
        return mac.finalize().hex()

    def pairwise(self, application_id: str, account_id: str) -> str:
        """Return 64 hex digits that name an account to one application and to no other."""
        secret = self.newest(Purpose.PAIRWISE).secret
        return hmac.digest(secret, f"{application_id}\0{account_id}".encode(), "sha256").hex()

    def derive(self, use: str) -> bytes:
        """Return 32 bytes for one use of the web pages, made from the newest web key."""
        return hmac.digest(self.newest(Purpose.WEB).secret, use.encode(), "sha256")

    def web_secrets(self) -> list[str]:
        """Return the secrets of form cookies, the newest first: older ones still open forms that are under way."""
        return [key.secret.decode() for key in self.all_of(Purpose.WEB)]

    def seal(self, text: str) -> str:
        """Return `text` encrypted and authenticated (Fernet), to be kept in the database.

        Shape:   "0001:gAAAA…": the key's id comes first
        """
        key = self.newest(Purpose.SEALING)
        return f"{key.key_id}:{Fernet(key.secret).encrypt(text.encode()).decode()}"

    def unseal(self, sealed: str) -> str:
        """Return what was sealed.

        Raises:  ConfigError when no key of this installation made it
        """
        key_id, _, token = sealed.partition(":")
        secret = self._secret(Purpose.SEALING, key_id)
        try:
            return Fernet(secret).decrypt(token.encode()).decode()
        except InvalidToken as exc:
            raise ConfigError(f"a sealed row does not open: is sealing.{key_id}.key of this installation?") from exc

    def sign(self, message: bytes) -> tuple[str, str]:
        """Return the id of the journal key and its Ed25519 signature of `message` in base64."""
        key = self.newest(Purpose.JOURNAL)
        return key.key_id, base64.b64encode(_private(key.secret).sign(message)).decode()

    def is_signed(self, message: bytes, key_id: str, signature: str) -> bool:
        """Tell whether the journal key of this id made the signature.

        Raises:  ConfigError when there is no such key here
        """
        public: Ed25519PublicKey = _private(self._secret(Purpose.JOURNAL, key_id)).public_key()
        try:
            public.verify(base64.b64decode(signature, validate=True), message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _secret(self, purpose: Purpose, key_id: str) -> bytes:
        if key_id not in self._rings[purpose] and self._read_again is not None:
            self._take(self._read_again())
        try:
            return self._rings[purpose][key_id]
        except KeyError:
            raise ConfigError(f"there is no key {purpose}.{key_id}.key: restore your keys from backup.") from None


def key_files(settings: KeysSettings) -> list[Path]:
    """Return the files of all existing keys."""
    return [file for file in sorted(settings.folder.glob("*.key")) if _FILE.fullmatch(file.name)]


def load_keys(settings: KeysSettings) -> Keys:
    """Return the keys.

    Raises:  ConfigError when a purpose has no key, or when others may read one
    """
    return Keys(_read(settings.folder), lambda: _read(settings.folder))


def missing_purposes(settings: KeysSettings) -> list[Purpose]:
    """Return the purposes that have no key."""
    present = {key.purpose for key in _read(settings.folder)} if settings.folder.exists() else set()
    return [purpose for purpose in Purpose if purpose not in present]


def create_missing_keys(settings: KeysSettings) -> list[Path]:
    """Make a first key for each purpose that has none and return the files; one that is there is never touched."""
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [_create(settings.folder, purpose, 1) for purpose in missing_purposes(settings)]


def rotate_keys(settings: KeysSettings, purposes: Iterable[Purpose], actor: Actor) -> list[Path]:
    """Add a new key to each purpose and return the files; older keys stay and open what they made.

    Raises:  NotAllowed; ConfigError for a purpose whose key can never change
    """
    actor.require(Permission.KEYS_ROTATE)
    wanted = list(purposes)
    if fixed := [purpose.value for purpose in wanted if purpose in FOR_EVER]:
        raise ConfigError(f"{', '.join(fixed)}: stored values depend on this key, so it can never change.")
    keys = load_keys(settings)
    return [_create(settings.folder, purpose, int(keys.newest(purpose).key_id) + 1) for purpose in wanted]


def _read(folder: Path) -> list[Key]:
    found = []
    try:
        files = sorted(folder.iterdir())
        for file in files:
            match = _FILE.fullmatch(file.name)
            if match and match["purpose"] in {purpose.value for purpose in Purpose}:
                require_private("keys.folder", file)
                secret = file.read_bytes().strip()
                if not _FORM[Purpose(match["purpose"])].fullmatch(secret):
                    raise ConfigError(f"{file} is not a whole key: restore your keys from backup.")
                found.append(Key(Purpose(match["purpose"]), match["key_id"], secret))
    except OSError as exc:
        raise ConfigError(f"{exc.filename}: {exc.strerror}. {RESTORE_KEYS}") from exc
    return found


def _rings(found: Iterable[Key]) -> dict[Purpose, dict[str, bytes]]:
    rings: dict[Purpose, dict[str, bytes]] = {purpose: {} for purpose in Purpose}
    for key in found:
        rings[key.purpose][key.key_id] = key.secret
    return rings


def _private(secret: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret.decode()))


def new_secret(purpose: Purpose) -> bytes:
    """Return a new secret in the form of a key file."""
    return Fernet.generate_key() if purpose is Purpose.SEALING else secrets.token_hex(32).encode()


def _create(folder: Path, purpose: Purpose, number: int) -> Path:
    file = folder / f"{purpose}.{number:04d}.key"
    create_private(file, new_secret(purpose) + b"\n")
    return file
