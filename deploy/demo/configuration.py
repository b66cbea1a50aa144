"""Write the demo's settings: the service's, the fees application's, and the registered applications."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.demo.places import Places
from deploy.openldap.private import PrivateSlapd

NOTE = """# Written by `make demo` at each start. Put your changes into a file of your own and name it by {extra}:
# it is laid over this one. Relative paths are relative to this file.
"""

# Any application on this machine may try things out here: proxying and single logout included, and no other host.
LOOPBACK = """id = "demo"
name = {{ pl = "Aplikacja na tym komputerze", en = "An application on this machine" }}
owner = "demo"
principal = "uid"
attributes = {attributes}
proxy = {{ allowed = true }}
logout = {{ to = "service" }}

[[url]]
schemes = ["http", "https"]
host = "127.0.0.1"
port = "*"
path_prefix = "/"

[[url]]
schemes = ["http", "https"]
host = "localhost"
port = "*"
path_prefix = "/"
"""

# Proxy callbacks need https, as everywhere. This registration allows plain http below one path of this machine.
HTTP_CALLBACKS = """id = "demo-http-callbacks"
name = {{ pl = "Aplikacja na tej maszynie (zwrotne http)", en = "An application on this machine (http callbacks)" }}
owner = "demo"
principal = "uid"
attributes = {attributes}
proxy = {{ allowed = true, http_on_loopback = true }}

[[url]]
schemes = ["http", "https"]
host = "127.0.0.1"
port = "*"
path_prefix = "/http-callbacks"

[[url]]
schemes = ["http", "https"]
host = "localhost"
port = "*"
path_prefix = "/http-callbacks"
"""

FEES = """id = "fees"
name = {{ pl = "Opłaty", en = "Fees" }}
owner = "demo"
principal = "uid"
attributes = ["album", "cn", "givenName", "sn"]

[[url]]
schemes = ["http"]
host = "localhost"
port = {port}
path_prefix = "/"
"""


def write_settings(places: Places, slapd: PrivateSlapd, port: int, fees_port: int) -> None:
    """Write idp.toml and fees.toml with the ports of this start.

    Effect:  a file of that name is replaced
    """
    base_url = f"http://127.0.0.1:{port}"
    directory = slapd.settings.model_dump(mode="json", exclude_defaults=True)
    for key, value in directory.items():
        if key.endswith("_file") and value is not None:
            directory[key] = str(Path(value).relative_to(places.folder))
    write_toml(
        places.settings,
        "IDP_CONFIG_EXTRA",
        {
            "web": {"base_url": base_url, "port": port},
            "store": {"folder": "data"},
            "keys": {"folder": "keys"},
            "directory": directory,
            "letters": {"transport": "folder", "folder": places.letters.name},
            "applications": {"dirs": [places.applications.name]},
            "portal": {"fees_url": f"http://localhost:{fees_port}"},
            # Everybody who plays with the demo comes from this machine; whoever mistypes must not slow the others.
            "sso.throttle": {"shared_networks": ["127.0.0.0/8", "::1/128"], "shared_network_factor": 1000},
        },
    )
    write_toml(
        places.fees_settings,
        "IDP_FEES_CONFIG_EXTRA",
        {
            "web": {"base_url": f"http://localhost:{fees_port}", "port": fees_port},
            "fees": {"folder": "fees"},
            "cas": {"server_url": f"{base_url}/cas/"},
        },
    )


def write_applications(places: Places, fees_port: int, attributes: list[str]) -> None:
    """Register every application on this machine, and the fees application; files of other names stay."""
    places.applications.mkdir(exist_ok=True)
    released = json.dumps(attributes)
    for name, text in {"demo": LOOPBACK, "demo-http-callbacks": HTTP_CALLBACKS}.items():
        (places.applications / f"{name}.toml").write_text(text.format(attributes=released), encoding="utf-8")
    (places.applications / "fees.toml").write_text(FEES.format(port=fees_port), encoding="utf-8")


def write_toml(file: Path, extra: str, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Write sections of plain values; JSON's texts, numbers, truth values and lists are TOML's, too."""
    lines = [NOTE.format(extra=extra)]
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
        lines.append("")
    fresh = file.with_suffix(".new")
    fresh.write_text("\n".join(lines), encoding="utf-8")
    fresh.rename(file)
