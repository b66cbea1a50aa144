"""What the demo remembers from start to start: the steps that are done, and who got which password."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Memory:
    """A small JSON file, mode 600; each change is on the disk before the next step begins."""

    file: Path
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, file: Path) -> "Memory":
        """Return what was remembered; nothing when this is the first start."""
        return cls(file, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {})

    def __contains__(self, name: str) -> bool:
        return name in self.facts

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    def keep(self, name: str, value: Any) -> None:
        """Remember `value`."""
        self.facts[name] = value
        write_privately(self.file, self.facts)


def write_privately(file: Path, value: Any) -> None:
    """Write JSON that only we can read; it appears whole, by rename."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump(value, stream, ensure_ascii=False, indent=2)
        stream.write("\n")
    fresh.rename(file)
