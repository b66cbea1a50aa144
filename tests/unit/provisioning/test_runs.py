"""The states of a run."""

from pathlib import Path

from idp.provisioning.run import ENDS, JUDGED_LATE, TRANSITIONS, RunKind, RunState, states_before
from idp.provisioning.run_policy import POLICIES

PAGE = Path("docs/reference/provisioning.md")


def test_the_documents_print_the_table_of_transitions() -> None:
    rows = [f"| `{state}` | {', '.join(f'`{one}`' for one in after) or '–'} |" for state, after in TRANSITIONS.items()]
    assert "\n".join(["| from | to |", "| --- | --- |", *rows]) in PAGE.read_text(encoding="utf-8")


def test_every_state_is_reached_and_only_ends_lead_nowhere() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert {state for state in RunState if not states_before(state)} == {RunState.PLANNING}
    assert set(ENDS) == {RunState.APPLIED, RunState.CANCELLED, RunState.STALE}


def test_every_kind_of_run_has_a_policy_and_those_judged_late_a_late_check() -> None:
    assert POLICIES.keys() == set(RunKind)
    assert {kind for kind, policy in POLICIES.items() if policy.late_check} == set(JUDGED_LATE)
