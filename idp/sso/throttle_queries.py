"""Failed sign-ins counted per account and per network, and the devices that a person is known by; on raw connections.

Counts belong to all processes together and outlive them. What they are kept under is hashed: the tables name nobody.
Times are seconds since 1970.
"""

from dataclasses import dataclass

from idp.db.one_time import hash_of
from idp.db.raw import Raw, one, sweep


@dataclass(frozen=True, slots=True)
class Failures:
    """How often something failed lately, and when last."""

    count: int = 0
    last_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that this account has signed in with before."""

    token_hash: str
    failures: Failures


NONE = Failures()


def failures_of(raw: Raw, scope: str, key: str, since: float) -> Failures:
    """Return the failures of an account or a network; those whose last one was before `since` are forgotten."""
    row = one(
        raw.all(
            "SELECT failures, last_at FROM failed_sign_in WHERE scope = ? AND key_hash = ? AND last_at > ?",
            (scope, hash_of(key), since),
        )
    )
    return NONE if row is None else Failures(*row)


def count_failure(raw: Raw, scope: str, key: str, now: float, since: float) -> int:
    """Count one more failure and return how many there are now. Effect: parallel failures are each counted."""
    row = one(
        raw.all(
            "INSERT INTO failed_sign_in (scope, key_hash, failures, last_at) VALUES (?, ?, 1, ?)"
            " ON CONFLICT (scope, key_hash) DO UPDATE SET last_at = excluded.last_at,"
            " failures = CASE WHEN failed_sign_in.last_at > ? THEN failed_sign_in.failures + 1 ELSE 1 END"
            " RETURNING failures",
            (scope, hash_of(key), now, since),
        )
    )
    assert row is not None
    count: int = row[0]
    return count


def note_guess(raw: Raw, network: str, account: str, now: float, since: float) -> int:
    """Note that a network failed on an account, and return on how many it has since then."""
    raw.run(
        "INSERT INTO guessed_account (network_hash, account_hash, at) VALUES (?, ?, ?)"
        " ON CONFLICT (network_hash, account_hash) DO UPDATE SET at = excluded.at",
        (hash_of(network), hash_of(account), now),
    )
    return accounts_guessed(raw, network, since)


def accounts_guessed(raw: Raw, network: str, since: float) -> int:
    """Return on how many accounts a network has failed."""
    ((count,),) = raw.all(
        "SELECT count(*) FROM guessed_account WHERE network_hash = ? AND at > ?", (hash_of(network), since)
    )
    found: int = count
    return found


def find_device(raw: Raw, tokens: tuple[str, ...], account_id: str, now: float) -> Device | None:
    """Return the device that one of a browser's tokens stands for, if it is this account's."""
    for token in tokens:
        row = one(
            raw.all(
                "SELECT token_hash, failures, last_at FROM known_device"
                " WHERE token_hash = ? AND account_id = ? AND expires_at > ?",
                (hash_of(token), account_id, now),
            )
        )
        if row is not None:
            return Device(row[0], Failures(row[1], row[2]))
    return None


def is_any_device(raw: Raw, tokens: tuple[str, ...], now: float) -> bool:
    """Tell whether a browser is known by any account."""
    sql = "SELECT 1 FROM known_device WHERE token_hash = ? AND expires_at > ?"
    return any(raw.all(sql, (hash_of(token), now)) for token in tokens)


def count_device_failure(raw: Raw, token_hash: str, now: float, since: float) -> None:
    """Count one more failure of a known device; failures before `since` are forgotten."""
    raw.run(
        "UPDATE known_device SET failures = CASE WHEN last_at > ? THEN failures + 1 ELSE 1 END, last_at = ?"
        " WHERE token_hash = ?",
        (since, now, token_hash),
    )


def add_device(raw: Raw, token: str, account_id: str, now: float, expires_at: float) -> None:
    """Know a browser from now on, without failures."""
    raw.run(
        "INSERT INTO known_device (token_hash, account_id, failures, last_at, expires_at) VALUES (?, ?, 0, ?, ?)",
        (hash_of(token), account_id, now, expires_at),
    )


def drop_device(raw: Raw, token_hash: str) -> None:
    """Forget a device."""
    raw.run("DELETE FROM known_device WHERE token_hash = ?", (token_hash,))


def drop_forgotten(raw: Raw, now: float, before: float) -> int:
    """Delete failures and guesses whose last one was before a moment, and devices past their time; return how many."""
    return (
        sweep(raw, "failed_sign_in WHERE last_at <= ?", (before,))
        + sweep(raw, "guessed_account WHERE at <= ?", (before,))
        + sweep(raw, "known_device WHERE expires_at <= ?", (now,))
    )
