"""How fast students are written to a Keycloak, and read from it.

    .venv/bin/python -m benchmarks.keycloak [--people 1000] [--warm-up 1000]

A private Keycloak with an H2 file in a temporary folder, started as `make keycloak` does. Prints people per second, and
processor time per person of the server and of us: on a busy machine that is the figure that counts.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.machine import describe
from deploy.keycloak.install import VERSION
from deploy.keycloak.private import PrivateKeycloak
from idp.provisioning.targets.keycloak import KeycloakTarget, Settings
from idp.provisioning.values import Change, Entry


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--warm-up", type=int, default=1000)
    asked = parser.parse_args()
    print("\n".join(describe()))
    print(f"Keycloak {VERSION}, H2, 512 MiB of heap; {asked.people} people per row after {asked.warm_up} to warm up\n")
    with (
        tempfile.TemporaryDirectory(prefix="idp-keycloak-") as folder,
        PrivateKeycloak(Path(folder), dies_with_us=True) as keycloak,
    ):
        Measurement(keycloak, asked.people).run(asked.warm_up)
    return 0


class Measurement:
    """Rows over one running server."""

    def __init__(self, keycloak: PrivateKeycloak, people: int) -> None:
        self._keycloak = keycloak
        self._people = people

    def run(self, warm_up: int) -> None:
        made = [entry("w", number) for number in range(warm_up)]
        _all_of(self._target(8).apply(Change.create(each) for each in made))
        for parallel in (1, 4, 8):
            self._create(f"create, {parallel} at a time", self._target(parallel), f"c{parallel}")
        self._load()
        target, people = self._target(8), [entry("c8", number) for number in range(self._people)]
        changed = [Change.update(each, entry("c8", number, "Nowak")) for number, each in enumerate(people)]
        self._row("update, 8 at a time", lambda: _all_of(target.apply(changed)))
        ids = [each.person_id for each in people]
        names = {each.person_id: each.name for each in people}
        self._row("read these people, 8 at a time", lambda: sum(1 for _ in target.read(ids, names)))
        gone = {f"n{number:08}": f"un{number:08}" for number in range(self._people)}
        self._row("look for people who are not there", lambda: sum(1 for _ in target.read([*gone], gone)) + len(gone))
        self._row("read everybody", lambda: sum(1 for _ in target.read()))
        target.close()

    def _create(self, name: str, target: KeycloakTarget, group: str) -> None:
        changes = [Change.create(entry(group, number)) for number in range(self._people)]
        self._row(name, lambda: _all_of(target.apply(changes)))
        target.close()

    def _load(self) -> None:
        admin = self._keycloak.admin()
        client_id = admin.get_client_id("idp-load")
        assert client_id is not None  # our realm has it
        admin.update_client(client_id, {"enabled": True})
        self._create("create by import", self._target(8, loads=True), "l")

    def _target(self, parallel: int, *, loads: bool = False) -> KeycloakTarget:
        settings = Settings(enabled=True, url=self._keycloak.url, parallel_writes=parallel, timeout_s=120)
        load_secret = self._keycloak.secret("load") if loads else None
        return KeycloakTarget(settings, self._keycloak.secret("provisioning"), load_secret)

    def _row(self, name: str, act: Callable[[], int]) -> None:
        server, ours, begun = self._server_s(), _own_s(), time.monotonic()
        count = act()
        seconds = time.monotonic() - begun
        server_ms, own_ms = ((now - was) * 1000 / count for now, was in ((self._server_s(), server), (_own_s(), ours)))
        print(
            f"{name:<32} {count:6} {count / seconds:8.0f}/s   server {server_ms:6.1f} ms   we {own_ms:5.1f} ms",
            flush=True,
        )

    def _server_s(self) -> float:
        """Return the processor time of the server so far."""
        words = Path(f"/proc/{self._keycloak.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def entry(group: str, number: int, surname: str = "Kowalska") -> Entry:
    """Return one person as the records of a student make it."""
    person_id, uid = f"{group}{number:08}", f"u{group}{number:08}"
    attributes = {
        "displayName": f"Anna {surname}",
        "firstName": "Anna",
        "lastName": surname,
        "email": f"{uid}@student.po.edu.pl",
        "eduPersonPrincipalName": f"{uid}@po.edu.pl",
        "idpAlbum": str(number),
        "idpStatus": "active",
        "schacPersonalUniqueCode": f"urn:schac:personalUniqueCode:int:esi:po.edu.pl:{number}",
        "link": person_id,
    }
    affiliations = ("member", "student")
    several = {
        "eduPersonAffiliation": affiliations,
        "eduPersonScopedAffiliation": tuple(f"{word}@po.edu.pl" for word in affiliations),
        "groups": affiliations,
    }
    return Entry(person_id, uid, True, {**{name: (value,) for name, value in attributes.items()}, **several})


def _all_of(outcomes: Iterable[object]) -> int:
    count = 0
    for outcome in outcomes:
        error = getattr(outcome, "error", None)
        if error is not None:
            raise error
        count += 1
    return count


def _own_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
