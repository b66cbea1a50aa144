"""`access.json`: what scripts and tests need to use the running demo."""

from pathlib import Path
from typing import Any

from deploy.demo.memory import Memory, write_privately
from deploy.demo.places import Places
from deploy.openldap.private import PrivateSlapd


def describe(
    places: Places, slapd: PrivateSlapd, memory: Memory, urls: dict[str, str], unclaimed: Any
) -> dict[str, Any]:
    """Return the whole content."""
    return {
        **urls,
        "ldap_url": slapd.url,
        "base_dn": slapd.base_dn,
        "ldap_reader": {"dn": slapd.service_dn("reader"), "password": slapd.password("reader")},
        "config": str(places.settings),
        "applications_dir": str(places.applications),
        "services_dir": str(places.applications),  # the older name of the same folder
        "letters_dir": str(places.letters),
        "student": memory["student"],
        "unclaimed": unclaimed.as_access(),
        "clerk": memory["clerk"],
        "operators": [memory["operator-1"], memory["operator-2"]],
        "administrator": memory["administrator"],
    }


def publish(file: Path, content: dict[str, Any]) -> None:
    """Let the file appear, whole and for us alone: from now on everything is ready."""
    write_privately(file, content)
