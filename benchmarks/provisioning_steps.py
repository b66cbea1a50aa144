"""One step of provisioning in a process of its own, so that its time and memory can be told from all others.

    IDP_CONFIG=… python -m benchmarks.provisioning_steps plan|apply|compare|cycle|import FILE

Prints one JSON document: seconds, processor seconds, peak MiB, and what the step has to say.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idp.app.installation import Idp, open_idp
from idp.provisioning import executor
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.run import Runner
from idp.provisioning.run_steps import request
from idp.provisioning.state_queries import Observed
from idp.provisioning.target import digests_in
from idp.registry.imports import import_file
from tests.support.actors import shell

ACTOR = shell("benchmark")
Facts = dict[str, Any]


def main() -> int:
    name, *words = sys.argv[1:]
    with open_idp() as installation:
        if name != "import":
            assert installation.provisioner.targets  # their libraries, before the clock starts
        facts = timed(lambda: STEPS[name](installation, *words))
    print(json.dumps(facts))
    return 0


def peak_mib() -> float:
    """Return the most memory that this program had: ru_maxrss begins with what its parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def timed(step: Callable[[], Facts]) -> Facts:
    """Return what a step says, with what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    said = step()
    took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {**took, "peak_mib": peak_mib(), **said}


def take(installation: Idp, file: str) -> Facts:
    """Import a full file."""
    settings = installation.settings
    found = import_file(
        installation.databases,
        installation.keys,
        settings.registry,
        settings.people.access_policy,
        installation.clock,
        installation.zone,
        Path(file),
        delta=False,
        actor=ACTOR,
    )
    return {"people": found.people, "added": found.added, "changed": found.changed}


def plan(installation: Idp) -> Facts:
    """Plan what is to be planned."""
    run = make_plan(installation.provisioner, ACTOR)
    return {"changes": run.changes, "run": run.run_id}


def everybody(installation: Idp) -> Facts:
    """Plan over everybody and all that the targets have."""
    run = make_plan(installation.provisioner, ACTOR, scope=Scope.ALL)
    return {"changes": run.changes, "run": run.run_id}


def apply(installation: Idp, run_id: str) -> Facts:
    """Carry a plan out as `idp apply --here` does; looking again is timed apart."""
    provisioner = installation.provisioner
    run = request(provisioner, run_id, ACTOR)
    attempt = run.attempt + 1
    begun = executor.begin(provisioner, run_id, attempt, Runner.COMMAND)
    failed: list[str] = []

    def write(of_ldap: bool) -> Facts:
        parts = [part for part in begun.chunks if (part.target == "ldap") is of_ldap]
        failed.extend(str(error) for error in executor.apply_chunks(provisioner, run_id, attempt, parts) if error)
        return {}

    ldap = timed(lambda: write(True))  # the directory's part alone: accounts have nothing to do with ldapadd
    rest = timed(lambda: write(False))
    looked = timed(lambda: {"result": executor.finish(provisioner, run_id, attempt)})
    result = looked["result"]
    return {
        "done": result.done,
        "in_ldap": result.run.summary["ldap"].counts.get("create", 0),
        "complete": result.is_complete,
        "failed": failed,
        "write_seconds": ldap["seconds"],
        "write_cpu": ldap["cpu"],
        "accounts_seconds": rest["seconds"],
        "verify_seconds": looked["seconds"],
        "verify_cpu": looked["cpu"],
    }


def compare(installation: Idp) -> Facts:
    """Read everything that the directory has of ours, and compare it with what is desired."""
    target = installation.provisioner.targets["ldap"]
    with installation.databases.identity.read() as connection:
        observed = Observed(connection, target.kind)
        count = observed.add(digests_in(target))
        return {"entries": count, "differing": sum(1 for _ in observed.differing())}


STEPS: dict[str, Callable[..., Facts]] = {
    "import": take,
    "plan": plan,
    "everybody": everybody,
    "apply": apply,
    "compare": compare,
}

if __name__ == "__main__":
    sys.exit(main())
