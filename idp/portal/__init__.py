"""Owns eStudent's pages: account, mail name, my data, help, and the pages of staff. Steps decide, pages show."""
