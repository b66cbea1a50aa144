"""Owns claiming an account, setting the password, choosing the mail name, and staff accounts. No pages."""
