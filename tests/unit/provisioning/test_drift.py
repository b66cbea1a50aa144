"""What becomes of values that somebody else wrote."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from idp.people.catalogue import BY_KEY
from idp.provisioning.drift import differences_of
from idp.provisioning.targets.ldap import ATTRIBUTES, Settings
from idp.provisioning.values import Entry

ENTRY = Entry("p1", "u2345678a", True, {"displayName": ("Anna Nowak",)})


@pytest.mark.parametrize(("is_open", "policy"), [(True, "adopt"), (False, "repair")])
def test_everything_about_a_closed_entry_is_repaired(is_open: bool, policy: str) -> None:
    desired = replace(ENTRY, enabled=is_open)
    found = replace(desired, attributes={"displayName": ("Ania",)})

    (difference,) = differences_of(desired, found, "ldap", {"displayName": "adopt"})

    assert (difference.attribute, difference.policy) == ("displayName", policy)


FOLLOWS_ACCESS = [name for name, key in ATTRIBUTES.items() if isinstance(key, str) and BY_KEY[key].follows_access]


@pytest.mark.parametrize("attribute", ["objectClass", *FOLLOWS_ACCESS])
def test_what_somebody_is_or_may_is_never_left_as_found(attribute: str) -> None:
    with pytest.raises(ValidationError, match="may be left as found"):
        Settings(drift={attribute: "adopt"})
    assert Settings(drift={"displayName": "adopt"}).drift
