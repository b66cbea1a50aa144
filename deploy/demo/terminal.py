"""What the demo says: colours on a terminal, plain text elsewhere."""

from collections.abc import Mapping

from rich.console import Console

# soft_wrap: a command or an address must not be broken into two lines, people copy them.
console = Console(highlight=False, soft_wrap=True)
errors = Console(highlight=False, soft_wrap=True, stderr=True)


def say(text: str) -> None:
    """Print a line; rich's marks for colours are understood."""
    console.print(text)


def note(sentence: str) -> None:
    """Say that something happened while everything runs."""
    console.print(f"  {sentence}", style="yellow", markup=False)


def step(sentence: str) -> None:
    """Say what begins now."""
    console.print(f"  [dim]·[/] {sentence}")


def complain(sentence: str) -> None:
    """Say what is wrong, on standard error."""
    errors.print(sentence, style="red", markup=False)


def welcome(lines: Mapping[str, Mapping[str, str]]) -> None:
    """Print the final page: headings, each with what to see or try."""
    for heading, entries in lines.items():
        console.print(f"\n[bold]{heading}[/]")
        width = max(len(name) for name in entries)
        for name, what in entries.items():
            console.print(f"  [cyan]{name.ljust(width)}[/]  {what}")
    console.print()
