"""Owns eStudent, the student's pages. Decides nothing: it parses, calls one step, renders."""
