"""Imports every module that declares tables, for whoever needs them all: migrations and tests."""

from idp.store import events, letters, onetime, people, workers

__all__ = ["events", "letters", "onetime", "people", "workers"]
