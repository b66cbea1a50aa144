"""Random texts that open something: long enough never to be guessed, of letters that every client takes."""

import base64
import secrets

_SHORT, _LONG = 18, 30  # bytes: 144 and 240 bits, 29 and 48 characters


def short_token(prefix: str) -> str:
    """Return `prefix` and 29 characters of `A-Z2-7`; with `ST-` these are the 32 that every CAS client must take."""
    return prefix + base64.b32encode(secrets.token_bytes(_SHORT)).decode("ascii").rstrip("=")


def long_token(prefix: str) -> str:
    """Return `prefix` and 48 characters of `A-Z2-7`: for what lives long; `PGTIOU-` stays within 64."""
    return prefix + base64.b32encode(secrets.token_bytes(_LONG)).decode("ascii")
