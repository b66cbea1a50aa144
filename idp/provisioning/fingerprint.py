"""By which rules a target is filled, as one short text: while it is the same, only changed people need a look."""

import inspect
from hashlib import blake2b

import msgspec

from idp.people import identifiers, lifecycle
from idp.people import values as people_values
from idp.people.settings import PeopleSettings
from idp.provisioning import desired, values, wanted
from idp.provisioning.target import Target

# Whatever decides what a person should have, or how that is digested. By their text: nobody has to remember to raise
# a version, and a change of a mere comment costs one look at everybody.
RULES = (desired, wanted, values, identifiers, lifecycle, people_values)


def fingerprint(target: Target, people: PeopleSettings) -> str:
    """Return 64 hex digits that differ when anybody's entry in this target might have to."""
    rules = [inspect.getsource(module) for module in RULES]
    content = (rules, people.model_dump_json(), sorted(target.attributes.items()))
    return blake2b(msgspec.json.encode(content), digest_size=32).hexdigest()
