"""The worker's sweeps of an installation."""

from idp.accounts.locks import end_locks
from idp.app.installation import Idp
from idp.app.schedules import sync_of, timetable
from idp.audit.checkpoints import CheckpointSweep
from idp.audit.sealing import seal_pending
from idp.db.engine_database import engine_url
from idp.jobs import housekeeping
from idp.jobs.after_imports import AfterImports
from idp.jobs.engine import EngineRunner
from idp.jobs.lanes import Lane
from idp.jobs.syncing import InboxWatch
from idp.jobs.worker import Sweep
from idp.letters.albums import queue_album_letters
from idp.letters.sending import send_due
from idp.permissions import SYSTEM
from idp.provisioning.drift import DriftSweep
from idp.provisioning.health import try_again
from idp.provisioning.live import sweep_bulk, sweep_live
from idp.provisioning.removal import announce_removals
from idp.registry.duplicates import find_duplicates
from idp.registry.reviews import review_statuses
from idp.sso import sessions


def engine_runner(installation: Idp, name: str) -> EngineRunner:
    """Return the runner of this worker. It imports and starts the engine with the first run."""
    settings = installation.settings
    return EngineRunner(installation.provisioner, settings.jobs, lambda: engine_url(settings.store), name)


def sweeps(installation: Idp, lane: Lane, name: str) -> dict[str, Sweep]:
    """Return the sweeps of the worker of this lane and name, without runs."""
    return {Lane.FAST: _fast, Lane.BULK: _bulk}[lane](installation, name)


def _fast(installation: Idp, name: str) -> dict[str, Sweep]:
    """Return the sweeps that people wait for. Each has its own thread, so a slow application does not delay sealing."""
    settings, databases, clock = installation.settings, installation.databases, installation.clock

    def seal() -> int:
        sealed = seal_pending(databases, settings.audit, clock, name)
        # A few events do not start the next round at once: each batch costs the same.
        return sealed if sealed >= settings.audit.batch else 0

    return {
        "closed accounts": sessions.ClosedAccounts(installation.raw_store, clock).sweep,
        "sign-outs": installation.sign_out_service.sweep,
        "people's own changes": lambda: sweep_live(installation.provisioner),
        "letters": lambda: send_due(installation.letter_sender, SYSTEM),
        "sealing": seal,
        "checkpoints": CheckpointSweep(databases, installation.keys, settings.audit, clock),
        "log of the sessions": installation.raw_store.tidy,
    }


def _bulk(installation: Idp, name: str) -> dict[str, Sweep]:
    """Return the sweeps that may be slow: imports, schedules, changes of many people, and cleaning up."""
    settings, databases, clock = installation.settings, installation.databases, installation.clock

    def album_letters() -> int:
        url = f"{settings.web.base_url}/account/new"
        keys, zone = installation.keys, installation.zone
        return queue_album_letters(databases, keys, settings.letters, clock, zone, url, SYSTEM).queued

    def removal_notices() -> int:
        return announce_removals(installation.provisioner, installation.keys)

    def ask_failing() -> int:
        try_again(installation.provisioner)
        return 0  # nothing that should start the next round at once

    return {
        "inbox": InboxWatch(lambda: sync_of(installation)),
        "schedules": timetable(installation, name).sweep,
        "statuses": lambda: review_statuses(databases, settings.people.access_policy, clock, installation.zone, SYSTEM),
        "ended locks": lambda: end_locks(databases, clock),
        "failing targets": ask_failing,
        "drift": DriftSweep(lambda: installation.provisioner, settings.provisioning.drift_s),
        "imported changes": lambda: sweep_bulk(installation.provisioner),
        "duplicates": AfterImports(
            databases, clock, installation.zone, lambda: find_duplicates(databases, clock, SYSTEM)
        ),
        "album letters": AfterImports(databases, clock, installation.zone, album_letters),
        "removal notices": AfterImports(databases, clock, installation.zone, removal_notices),
        "settled sign-outs": installation.sign_out_service.forget_settled,
        "expired sessions": lambda: sessions.sweep_expired(installation.raw_store, clock),
        "expired tickets": installation.ticket_service.drop_expired,
        "used login tickets": installation.login_tickets.drop_expired,
        "forgotten failures": installation.login_throttle.forget,
        "expired tokens": lambda: housekeeping.drop_expired_tokens(databases, clock),
        "old claim attempts": lambda: housekeeping.drop_old_claim_attempts(databases, clock, installation.zone),
        "old exports": lambda: sync_of(installation).forget(),
        "old runs": lambda: housekeeping.drop_old_runs(databases, clock, settings.provisioning.keep_runs_days),
    }
