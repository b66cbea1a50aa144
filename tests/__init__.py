"""The project's tests; what they share lies in tests/support."""
