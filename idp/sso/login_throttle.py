"""Count failed sign-ins: look before a password is checked, count after it, and know the devices of each person."""

from dataclasses import dataclass

from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.clock import Clock
from idp.db.one_time import hash_of
from idp.db.raw import Raw, RawStore
from idp.errors import Refused, TooManyAttempts
from idp.sso import throttle
from idp.sso import throttle_queries as store
from idp.sso.settings import SsoSettings
from idp.sso.throttle import Network, NetworkFailures, Pressure, Scope
from idp.sso.tokens import short_token

NOBODY = "-"  # looked up in place of an account that is not there: the same reads, and never a device


class TooSoon(TooManyAttempts):
    """After so many failures the next try has to wait."""

    code = "too_soon"

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"wait {wait_s:.0f} s")
        self.wait_s = wait_s


class CaptchaDue(Refused):
    """Whoever this is must show first that they are a person."""

    code = "captcha_due"


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """Whom a sign-in is for and where it comes from, as failures are counted."""

    key: str  # the account, or the name that nobody has; "" for what can name nobody
    account_id: str  # "" when nobody has the name
    address: str
    devices: tuple[str, ...]  # tokens that the browser holds, of this account or others


@dataclass(frozen=True, slots=True)
class LoginThrottle:
    """One for all sign-ins of this process; what it knows is in the store."""

    raw_store: RawStore
    settings: SsoSettings
    clock: Clock

    def admit(self, one: LoginAttempt, *, is_person: bool) -> None:
        """Let a try go on to its check, or not.

        Raises:  TooSoon, CaptchaDue
        """
        now = self.clock.timestamp()
        pressure = self._pressure(one, now)
        wait_s = throttle.wait_s(pressure, self.settings.throttle, now)
        if wait_s > 0:
            raise TooSoon(wait_s)
        if not is_person and throttle.captcha_is_due(pressure, self.settings.throttle, self.settings.captcha, now):
            raise CaptchaDue

    def widest_network(self, address: str) -> str:
        """Return the widest network that an address counts for."""
        return throttle.networks_of(address, self.settings.throttle)[-1].name

    def captcha_is_due(self, one: LoginAttempt) -> bool:
        """Tell whether the next form for this try asks for the CAPTCHA."""
        now = self.clock.timestamp()
        return throttle.captcha_is_due(self._pressure(one, now), self.settings.throttle, self.settings.captcha, now)

    def captcha_is_due_for_anybody(self, address: str, devices: tuple[str, ...]) -> bool:
        """Tell whether a form asks for the CAPTCHA before a name is known: a browser that somebody uses is trusted."""
        if self.settings.captcha == "adaptive" and self.settings.throttle.enabled and devices:
            with self.raw_store.lend() as raw:
                if store.is_any_device(raw, devices, self.clock.timestamp()):
                    return False
        return self.captcha_is_due(LoginAttempt("", "", address, ()))

    def note_failure(self, raw: Raw, one: LoginAttempt, now: float) -> None:
        """Count a failed check in the caller's transaction.

        Effect:  sign_in.guessing when a network reaches its limit
        """
        limits = self.settings.throttle
        if not limits.enabled:
            return
        since = now - limits.forget_s
        device = store.find_device(raw, one.devices, one.account_id or NOBODY, now)
        if device is not None:
            store.count_device_failure(raw, device.token_hash, now, since)
        if one.key:
            store.count_failure(raw, Scope.ACCOUNT, one.key, now, since)
        for network in throttle.networks_of(one.address, limits):
            store.count_failure(raw, Scope.NETWORK, network.name, now, since)
            if one.key:
                self._note_guess(raw, network, one.key, now)

    def know_device(self, account_id: str, devices: tuple[str, ...]) -> tuple[str, ...]:
        """Return the tokens that a browser holds from now on: a fresh one for this account first.

        Effect:  the device begins without failures; the account's and the network's stay
        """
        limits, now = self.settings.throttle, self.clock.timestamp()
        if not limits.enabled or not limits.device_s:
            return devices
        fresh = short_token("")
        with self.raw_store.lend() as raw, raw.transaction():
            mine = store.find_device(raw, devices, account_id, now)
            if mine is not None:
                store.drop_device(raw, mine.token_hash)
            store.add_device(raw, fresh, account_id, now, now + limits.device_s)
        others = [one for one in devices if mine is None or hash_of(one) != mine.token_hash]
        return (fresh, *others)

    def forget(self) -> int:
        """Delete what no longer counts and return how many rows that were: for the sweep."""
        now = self.clock.timestamp()
        longest_s = max(self.settings.throttle.forget_s, self.settings.throttle.guessing_s)
        with self.raw_store.lend() as raw:
            return store.drop_forgotten(raw, now, now - longest_s)

    def _pressure(self, one: LoginAttempt, now: float) -> Pressure:
        limits = self.settings.throttle
        if not limits.enabled:
            return Pressure()
        since = now - limits.forget_s
        with self.raw_store.lend() as raw:
            networks = tuple(
                NetworkFailures(
                    store.failures_of(raw, Scope.NETWORK, network.name, since),
                    store.accounts_guessed(raw, network.name, now - limits.guessing_s),
                    network.factor,
                )
                for network in throttle.networks_of(one.address, limits)
            )
            return Pressure(
                account=store.failures_of(raw, Scope.ACCOUNT, one.key, since) if one.key else store.NONE,
                networks=networks,
                device=store.find_device(raw, one.devices, one.account_id or NOBODY, now),
            )

    def _note_guess(self, raw: Raw, network: Network, key: str, now: float) -> None:
        limits = self.settings.throttle
        since, limit = now - limits.guessing_s, limits.guessed_accounts * network.factor
        before = store.accounts_guessed(raw, network.name, since)
        if before < limit <= store.note_guess(raw, network.name, key, now, since):
            noticed = Event(event_types.GUESSING_NOTICED, data={"network": network.name, "accounts": limit})
            add_events(raw, [row(noticed, now)])
