"""Owns invented exports for demos, tests and benchmarks: the same people, seed and date give the same bytes."""
