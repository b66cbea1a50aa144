"""Owns event types, and the recording and sealing of events. Steps decide what is recorded."""
