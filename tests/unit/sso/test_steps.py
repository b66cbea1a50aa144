"""The steps of signing in come in their order, and none can be skipped."""

import json

import pytest

from idp.applications.assurance import Assurance
from idp.sso.factors import Factor, FactorKind, assurance_of, factors_as_json
from idp.sso.steps import Step, due_step

PASSWORD, SECOND_FACTOR = Assurance.PASSWORD, Assurance.SECOND_FACTOR


@pytest.mark.parametrize(
    ("session", "required", "asks_again", "warns", "is_confirmed", "step"),
    [
        (None, PASSWORD, False, False, False, Step.CREDENTIALS),
        (None, SECOND_FACTOR, False, False, True, Step.CREDENTIALS),
        (PASSWORD, PASSWORD, True, False, True, Step.CREDENTIALS),
        (PASSWORD, SECOND_FACTOR, False, True, True, Step.SECOND_FACTOR),
        (SECOND_FACTOR, SECOND_FACTOR, False, False, False, Step.DONE),
        (SECOND_FACTOR, PASSWORD, False, False, False, Step.DONE),
        (PASSWORD, PASSWORD, False, True, False, Step.WARNING),
        (PASSWORD, PASSWORD, False, True, True, Step.DONE),
        (PASSWORD, PASSWORD, False, False, False, Step.DONE),
    ],
)
def test_the_due_step(
    session: Assurance | None, required: Assurance, asks_again: bool, warns: bool, is_confirmed: bool, step: Step
) -> None:
    assert due_step(session, required, asks_again=asks_again, warns=warns, is_confirmed=is_confirmed) is step


def test_a_password_alone_is_no_second_factor() -> None:
    twice = [Factor(FactorKind.PASSWORD, 1.0), Factor(FactorKind.PASSWORD, 2.0)]

    assert assurance_of(twice) is PASSWORD
    assert not PASSWORD.satisfies(SECOND_FACTOR)


def test_factors_are_kept_with_their_times() -> None:
    factors = (Factor(FactorKind.PASSWORD, 1790848800.5),)

    assert json.loads(factors_as_json(factors)) == [["password", 1790848800.5]]
