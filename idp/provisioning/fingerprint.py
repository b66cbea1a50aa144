"""The rules that fill a target, as one short text: while it is the same, only changed people are computed again."""

from hashlib import blake2b

import msgspec

from idp.people import catalogue, status
from idp.people.settings import PeopleSettings
from idp.provisioning import desired, values
from idp.provisioning.target import Target

# By content, not by source text. tests/unit/people/test_catalogue.py fails when an output changes and its version
# does not.
VERSIONS = (status.VERSION, desired.VERSION, values.DIGEST_VERSION)


def fingerprint(target: Target, people: PeopleSettings) -> str:
    """Return 64 hex digits that differ when anybody's entry in this target might have to."""
    keys = {target.entry_name, *(key for key in target.attributes.values() if isinstance(key, str))}
    content = (
        VERSIONS,
        catalogue.fingerprint_of(keys),
        target.entry_name,
        sorted(target.attributes.items()),
        people.model_dump_json(),
    )
    return blake2b(msgspec.json.encode(content), digest_size=32).hexdigest()
