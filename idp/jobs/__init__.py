"""Owns what runs without a request: lanes, sweeps, schedules, the engine. Others ask for work by writing rows."""
