"""Owns eStudent's pages: account, mail name, my data, help, and the door for staff. Decides nothing: steps do."""
