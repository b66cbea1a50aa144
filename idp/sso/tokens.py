"""Random texts that open something: long enough never to be guessed, of letters that every client takes."""

import os

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# A random byte's last five bits choose the letter; 256 is a whole number of alphabets, so each is as likely.
_LETTERS = bytes(_ALPHABET[byte % 32] for byte in range(256))
_SHORT, _LONG = 29, 48  # letters: 145 and 240 bits


def short_token(prefix: str) -> str:
    """Return `prefix` and 29 characters of `A-Z2-7`; with `ST-` these are the 32 that every CAS client must take."""
    return prefix + os.urandom(_SHORT).translate(_LETTERS).decode("ascii")


def long_token(prefix: str) -> str:
    """Return `prefix` and 48 characters of `A-Z2-7`: for what lives long; `PGTIOU-` stays within 64."""
    return prefix + os.urandom(_LONG).translate(_LETTERS).decode("ascii")
