"""Lanes of the worker. Each is a process, so that people never wait for an import or a run."""

from enum import StrEnum


class Lane(StrEnum):
    """Which sweeps a worker process does."""

    FAST = "fast"  # seals the journal, sends sign-outs and letters, closes sessions, writes people's own changes
    BULK = "bulk"  # imports, schedules, runs, drift, cleaning up
