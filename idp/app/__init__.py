"""Plugs the parts together: settings, installation, pages, sweeps. Nothing is decided here."""
