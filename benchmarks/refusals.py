"""How long refusals of a sign-in take: unknown, wrong password, locked, disabled, not claimed, and no password.

    .venv/bin/python -m benchmarks.refusals [--rounds 60]

In one process over a private slapd and SQLite, argon2id as shipped, one of each in turn so that the machine's moods
fall on all alike. Prints medians and the largest difference between them; the goal is 2 ms.
"""

import argparse
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cas import ARGON2, PASSWORD
from benchmarks.machine import describe
from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from idp.db.databases import open_databases
from idp.db.migrate import migrate
from idp.db.raw import open_raw
from idp.db.settings import StoreSettings
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapServer
from idp.errors import BadCredentials
from idp.people.settings import PeopleSettings
from idp.provisioning.targets.ldap import LOCK
from idp.sso.concurrency import ConcurrencyLimiter
from idp.sso.login_throttle import LoginThrottle
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings, ThrottleSettings
from idp.sso.sign_in import PasswordCheck
from tests.support.keys import shared_keys
from tests.support.students import Student, add_student

CLAIMED = datetime(2026, 9, 20, tzinfo=UTC)
KEYS = shared_keys()
KINDS = {
    "unknown": ("99999", PASSWORD),
    "wrong password": ("1", "wrong"),
    "locked": ("4", PASSWORD),
    "disabled": ("2", PASSWORD),
    "not claimed": ("3", PASSWORD),
    "no password": ("1", ""),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="idp-refusals-") as folder,
        PrivateSlapd(Path(folder) / "ldap", durable=False, dies_with_us=True) as slapd,
    ):
        times = measure(Path(folder), slapd, asked.rounds)
    print("\n".join(describe()))
    medians = {kind: statistics.median(one) for kind, one in times.items()}
    for kind, median in medians.items():
        quarters = statistics.quantiles(times[kind], n=4)
        print(f"{kind:<16} median {median:7.2f} ms   quartiles {quarters[0]:7.2f} to {quarters[2]:7.2f} ms")
    print(f"largest difference between medians {max(medians.values()) - min(medians.values()):.2f} ms")
    return 0


def measure(folder: Path, slapd: PrivateSlapd, rounds: int) -> dict[str, list[float]]:
    """Return each kind's milliseconds."""
    databases = open_databases(StoreSettings(folder=folder / "data"))
    migrate(databases)
    anna = add_student(databases, KEYS, Student("anna", album="1", claimed_at=CLAIMED))
    closed = add_student(databases, KEYS, Student("closed", album="2", claimed_at=CLAIMED, enabled=False))
    add_student(databases, KEYS, Student("new", album="3"))
    manager = Directory(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager"))
    locked = add_student(databases, KEYS, Student("locked", album="4", claimed_at=CLAIMED))
    for person in (anna, closed, locked):
        dn = slapd.settings.person_dn(person.uid)
        manager.add(
            dn,
            {
                "objectClass": ["inetOrgPerson", "idpPerson"],
                **{name: [person.uid] for name in ("uid", "cn", "sn")},
                "idpOwner": [f"idp:{person.person_id}"],
            },
        )
        manager.set_password(dn, ARGON2.hash(PASSWORD))
    manager.modify(slapd.settings.person_dn(locked.uid), [LOCK])
    manager.close()
    raw_store, clock = open_raw(databases), Clock()
    # Limits so high that nobody waits, and everything is counted as ever.
    many = 1_000_000
    limits = ThrottleSettings(account_free_failures=many, network_free_failures=many, captcha_after=many)
    sso = SsoSettings(throttle=limits)
    directory = Directory(LdapServer(slapd.url), slapd.service_dn("signin"), slapd.password("signin"))
    check = PasswordCheck(
        databases,
        raw_store,
        directory,
        slapd.settings,
        PeopleSettings(),
        clock,
        LoginThrottle(raw_store, sso, clock),
        ConcurrencyLimiter(1, 0, 1.0),
    )
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 3):
        for kind, (name, password) in KINDS.items():
            began = time.perf_counter()
            try:
                check(name, password, Browser("203.0.113.7"))
            except BadCredentials:
                if number >= 3:  # the first rounds open connections
                    times[kind].append(1000 * (time.perf_counter() - began))
    directory.close()
    raw_store.close()
    databases.close()
    return times


if __name__ == "__main__":
    sys.exit(main())
