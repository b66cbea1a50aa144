"""The realm as code: `realm.json` and `user-profile.json`, filled with a name, addresses and secrets."""

import json
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent
PROFILE = "org.keycloak.userprofile.UserProfileProvider"


def realm(name: str, *, provisioning_secret: str, load_secret: str, base_url: str) -> dict[str, Any]:
    """Return the realm as `POST /admin/realms` takes it.

    Source:  Keycloak 26.7, RealmRepresentation; an attribute that the user profile does not declare is dropped silently
    """
    values = {
        "realm": name,
        "provisioning_secret": provisioning_secret,
        "load_secret": load_secret,
        "base_url": base_url.rstrip("/"),
    }
    in_json = {key: json.dumps(value)[1:-1] for key, value in values.items()}
    filled: dict[str, Any] = json.loads(Template((HERE / "realm.json").read_text("utf-8")).substitute(in_json))
    profile = json.loads((HERE / "user-profile.json").read_text("utf-8"))
    # Keycloak keeps the profile as text within a component.
    component = {
        "providerId": "declarative-user-profile",
        "config": {"kc.user.profile.config": [json.dumps(profile)]},
    }
    return {**filled, "components": {PROFILE: [component]}}
