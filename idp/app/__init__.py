"""Connects the parts: settings, installation, pages, sweeps. It makes no decisions."""
