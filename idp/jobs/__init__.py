"""Owns what runs without a request: the worker and its sweeps. It calls steps, others ask for work by writing rows."""
