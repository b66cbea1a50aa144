"""Owns the event words, their recording and sealing; does not decide what is recorded: steps do."""
