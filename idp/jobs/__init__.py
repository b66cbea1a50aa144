"""Owns what runs without a request: the worker and its sweeps. It calls steps. Others request work by writing rows."""
