"""Where the demo keeps its things."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """All files of one demo. Everything is below `folder`, so a copied project is a second demo."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held while the demo runs; beside the folder, so that a reset does not take it away."""
        return self.folder.with_suffix(".lock")

    @property
    def access(self) -> Path:
        """For scripts and tests: there while everything is ready, and only then."""
        return self.folder / "access.json"

    @property
    def settings(self) -> Path:
        return self.folder / "idp.toml"

    @property
    def fees_settings(self) -> Path:
        return self.folder / "fees.toml"

    @property
    def applications(self) -> Path:
        """Registered applications, one TOML file per application."""
        return self.folder / "applications"

    @property
    def letters(self) -> Path:
        return self.folder / "letters"

    @property
    def slapd(self) -> Path:
        return self.folder / "ldap"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def sample(self) -> Path:
        """The registry export that the demo imported."""
        return self.folder / "registry.csv"

    @property
    def next_sample(self) -> Path:
        """The registry's export of the next day; the demo does not import it."""
        return self.folder / "registry.2.csv"

    @property
    def memory(self) -> Path:
        """What the first start did, and the passwords that it gave; mode 600."""
        return self.folder / "memory.json"
