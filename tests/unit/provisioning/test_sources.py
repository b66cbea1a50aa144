"""Every fact can be explained."""

from idp.people.settings import PeopleSettings
from idp.provisioning.desired import CHOICE, FACTS, HOLD, OURS, PERSON, PROGRAMMES, SOURCES


def test_every_fact_says_where_it_comes_from_and_has_a_sentence() -> None:
    assert SOURCES.keys() == FACTS.keys()
    assert all((rule.__doc__ or "").strip() for rule in FACTS.values())


def test_every_source_is_a_word_or_a_setting_that_exists() -> None:
    words = {word for sources in SOURCES.values() for word in sources} - {PERSON, PROGRAMMES, CHOICE, OURS, HOLD}

    assert {word.partition(".")[0] for word in words} == {"people"}
    assert {word.partition(".")[2] for word in words} <= PeopleSettings.model_fields.keys()
