"""What docs/how-to/configure-a-cas-client.md says to configure is what signs in here."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[4]
CLIENTS = PROJECT / "tests" / "support" / "cas_clients"


def documented(language: str, mark: str) -> str:
    """Return the example in `language` that holds `mark`."""
    page = (PROJECT / "docs" / "how-to" / "configure-a-cas-client.md").read_text(encoding="utf-8")
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL) if mark in text]
    return str(found)


def tried(*patterns: str) -> str:
    files = [file for pattern in patterns for file in sorted(CLIENTS.glob(pattern))]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_line_for_apache_was_tried() -> None:
    lines = documented("apache", "AuthType CAS").replace("https://estudent.po.edu.pl", "https://localhost:$idp")
    lines = lines.replace("/var/cache/apache2/mod_auth_cas/", '"$folder/sessions/"')

    assert set(map(str.strip, lines.splitlines())) <= set(map(str.strip, tried("apache.conf").splitlines()))


def test_every_call_for_php_was_tried() -> None:
    calls = re.compile(r"phpCAS::(\w+)\(")

    assert set(calls.findall(documented("php", "phpCAS"))) - {"client", "getAttribute"} <= set(
        calls.findall(tried("php/*"))
    )


def test_every_setting_for_django_was_tried() -> None:
    words = re.compile(r"\bCAS_\w+|\bdjango_cas_ng[.\w]*|\b\w+View\b|\bcas_ng_\w+")

    assert set(words.findall(documented("python", "CAS_SERVER_URL"))) <= set(words.findall(tried("django_*.py")))
