"""Merge two records of one person, and end a merge: by runs like any other (idp.people.merges)."""

from collections.abc import Sequence
from functools import partial

from idp.audit.events import new_id
from idp.db.locks import exclusive
from idp.errors import NotFound
from idp.people import merges
from idp.people.merge_queries import Merge, merges_in_force, plan_merge
from idp.permissions import Actor, Permission
from idp.provisioning.compare import compare
from idp.provisioning.draft import LOCK, Draft
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import recompute
from idp.provisioning.run import Run, RunKind
from idp.provisioning.target import entries_named


def make_merge(provisioner: Provisioner, kept: str, merged: str, actor: Actor) -> Run:
    """Return a plan that makes one person of two records; `kept` is the one that stays.

    Raises:  NotAllowed; NotFound; Conflict when one of them was merged already; LastAdministrator; TargetUnavailable
    Effect:  a stored plan, to be applied like any other; until then nothing has changed
    """
    actor.require(Permission.PEOPLE_MERGE)
    with exclusive(provisioner.databases, LOCK):  # beside a run at work: `apply` refuses the plan if people moved since
        provisioner.read(merges.refuse_to_merge, kept, merged)
        new = Merge(new_id(), kept, merged, provisioner.clock.now(), actor.actor_id)
        draft = _plan(
            provisioner, new.began_run_id, actor.actor_id, [merged, kept], [*provisioner.read(merges_in_force), new]
        )
        return draft.seal(partial(plan_merge, merge=new))


def make_unmerge(provisioner: Provisioner, kept: str, merged: str, actor: Actor) -> Run:
    """Return a plan that makes two people of what was merged.

    Raises:  NotAllowed; NotFound when they are not merged; TargetUnavailable
    """
    actor.require(Permission.PEOPLE_MERGE)
    with exclusive(provisioner.databases, LOCK):
        in_force = provisioner.read(merges_in_force)
        old = next((one for one in in_force if (one.kept, one.merged) == (kept, merged)), None)
        if old is None:
            raise NotFound("these two are not merged")
        rest = [one for one in in_force if one != old]
        return _plan(provisioner, new_id(), actor.actor_id, [kept, merged], rest, undoes=old.began_run_id).seal()


def _plan(
    provisioner: Provisioner,
    run_id: str,
    actor: str,
    order: Sequence[str],
    in_force: Sequence[Merge],
    undoes: str | None = None,
) -> Draft:
    """Write the plan, changes in `order` of people: an address must be given up before another entry may have it."""
    people = provisioner.read(provisioner.load, order, in_force)
    if len(people) != len(set(order)):
        raise NotFound("there is no such person")
    people.sort(key=lambda person: order.index(person.person_id))
    draft = Draft.begin(provisioner, actor, provisioner.targets, RunKind.MERGE, undoes, run_id)
    for kind, target in provisioner.targets.items():
        desired = [provisioner.effective_entry(person, target) for person in people]
        observed = entries_named(target, {entry.person_id: entry.name for entry in desired}).values()
        comparison = compare(desired, observed)
        draft.add(kind, comparison.changes, comparison.findings)
    return draft


def put_in_force(provisioner: Provisioner, run: Run) -> bool:
    """Begin or end the merge that a run is about, and return whether this run did that, now or before a kill.

    Raises:  StaleVersion when another merge in force stands against it by now
    Effect:  what is desired of both; person.merged or person.unmerged; a repeat is harmless
    """
    at = provisioner.clock.now()
    merge, is_ours = provisioner.write(merges.put_in_force, run.run_id, run.undoes, run.requested_by, at)
    recompute(provisioner, [merge.kept, merge.merged])
    return is_ours


def take_out_of_force(provisioner: Provisioner, run: Run) -> None:
    """Put a merge back into its state before a run that ends without having written anything."""
    at = provisioner.clock.now()
    merge = provisioner.write(merges.take_out_of_force, run.run_id, run.undoes, run.requested_by, at)
    recompute(provisioner, [merge.kept, merge.merged])
