"""The schedules of an installation."""

from datetime import time

from idp.app.installation import Idp
from idp.jobs.schedules import DAYS, Done, Schedule, Timetable
from idp.jobs.syncing import Sync


def sync_of(installation: Idp) -> Sync:
    """Return the steps of a sync. External systems are connected when it writes."""
    settings = installation.settings
    return Sync(
        databases=installation.databases,
        keys=installation.keys,
        registry=settings.registry,
        policy=settings.people.access_policy,
        clock=installation.clock,
        zone=installation.zone,
        provisioner=installation.provisioner,
    )


def timetable(installation: Idp, worker: str) -> Timetable:
    """Return the installation's schedules for the worker of this name."""
    settings = installation.settings

    def pick_up() -> Done:
        return sync_of(installation).pick_up()

    def sync() -> Done:
        return sync_of(installation).sync()

    def everything() -> Done:
        return sync_of(installation).everything()

    schedules = {
        "pick-up": Schedule(tuple(map(time.fromisoformat, settings.jobs.pick_up_at)), pick_up),
        # The hour that pages name: corrections made by the Student Service Center before it apply after it.
        "sync": Schedule((time(settings.university.sync_hour),), sync),
        "everything": Schedule(
            (time.fromisoformat(settings.jobs.everything_at),),
            everything,
            frozenset(DAYS.index(day) for day in settings.jobs.everything_on),
        ),
    }
    return Timetable(installation.databases, installation.clock, installation.zone, schedules, worker)
