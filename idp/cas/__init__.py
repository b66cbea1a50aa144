"""Owns the CAS protocol: messages, tickets, answers, single logout. Knows neither people nor passwords."""
