"""Owns the CAS protocol: tickets, registered services, answers, single logout."""
