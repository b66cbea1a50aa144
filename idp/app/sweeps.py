"""The worker's sweeps over one installation."""

from idp.app.installation import Idp
from idp.audit.sealing import seal_pending
from idp.jobs import housekeeping
from idp.jobs.after_imports import AfterImports
from idp.jobs.worker import Sweep
from idp.letters.albums import owe_album_letters
from idp.letters.sending import send_due
from idp.provisioning.live import sweep_dirty
from idp.registry.standings import sweep_standings
from idp.provisioning.drift import DriftSweep
from idp.provisioning.health import try_again
from idp.sso import sessions


def sweeps(installation: Idp) -> dict[str, Sweep]:
    """Return what the worker does round after round."""
    settings, databases, clock = installation.settings, installation.databases, installation.clock
    name = housekeeping.worker_name()

    def album_letters() -> int:
        url = f"{settings.web.base_url}/account/new"
        return owe_album_letters(databases, installation.keys, settings.letters, clock, installation.zone, url).owed

    def seal() -> int:
        sealed = seal_pending(databases, settings.audit, clock, name)
        # A trickle does not hurry the next round: each batch costs the same, however few events are in it.
        return sealed if sealed >= settings.audit.batch else 0

    return {
        "sign of life": lambda: housekeeping.sign_of_life(databases, settings.jobs, clock, name),
        "standings": lambda: sweep_standings(databases, settings.people.access_policy, clock, installation.zone),
        "changed people": lambda: sweep_dirty(installation.provisioner),
        "album letters": AfterImports(databases, clock, installation.zone, album_letters),
        "letters": lambda: send_due(installation.letter_sender),
        "closed accounts": lambda: sessions.sweep_closed(installation.raw_store, clock),
        "sign-outs": installation.sign_out_desk.sweep,
        "settled sign-outs": installation.sign_out_desk.forget_settled,
        "expired sessions": lambda: sessions.sweep_expired(installation.raw_store, clock),
        "forgotten failures": installation.watch.forget,
        "expired tokens": lambda: housekeeping.drop_expired_tokens(databases, clock),
        "old claim tries": lambda: housekeeping.drop_old_claim_tries(databases, clock, installation.zone),
        "sealing": seal,
        "log of the sessions": installation.raw_store.tidy,
    }
        "failing targets": ask_failing,
        "drift": DriftSweep(lambda: installation.provisioner, settings.provisioning.drift_s),
