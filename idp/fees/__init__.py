"""Owns the fees application: a process of its own that knows students from the registry export and people's sign-in through CAS."""
