"""The CAPTCHA: a proof of work by the browser, or a code from a picture or recording.

Each challenge belongs to one sign-in form, which accepts one answer. So no answer counts twice, although the altcha
library alone would accept a solution many times.
"""

import base64
import json
import secrets
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import altcha

from idp.db.one_time import hash_of

CODE_LENGTH = 6
LONGEST_PAYLOAD = 4096
VOICES = Path(__file__).parent / "voices"
SAMPLES_PER_S = 8000
ALGORITHM = "PBKDF2/SHA-256"


@dataclass(frozen=True, slots=True)
class Captcha:
    """Creates challenges and checks answers with the installation's `key`."""

    key: str
    cost: int
    steps: int

    def challenge(self, form: str) -> str:
        """Return the proof of work for the form with this login ticket, as JSON for the widget."""
        made = altcha.create_challenge(
            ALGORITHM,
            self.cost,
            counter=secrets.randbelow(self.steps),
            data={"form": hash_of(form)},
            hmac_secret=self.key,
        )
        return json.dumps(made.to_dict())

    def is_solved(self, form: str, payload: str) -> bool:
        """Return whether `payload` is the widget's answer to the challenge of this form."""
        if not payload or len(payload) > LONGEST_PAYLOAD or _form_of(payload) != hash_of(form):
            return False
        # The result object is always truthy.
        return altcha.verify_solution(payload, self.key).verified is True


def _form_of(payload: str) -> object:
    try:
        return json.loads(base64.b64decode(payload))["challenge"]["parameters"]["data"]["form"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def new_code() -> str:
    """Return digits for a picture."""
    return "".join(secrets.choice("0123456789") for _ in range(CODE_LENGTH))


def is_code(typed: str, code: str) -> bool:
    """Return whether the typed text is the code. Blanks between digits are ignored."""
    given = "".join(typed.split())
    return bool(code) and given.isascii() and secrets.compare_digest(given, code)


def picture(code: str) -> str:
    """Return the code as a picture in a `data:` address, so that it cannot be requested again with other noise."""
    from captcha.image import ImageCaptcha  # imported late: it loads an image library that few sign-ins need

    image = ImageCaptcha(width=240, height=80).generate(code, bg_color=(255, 255, 255), fg_color=(24, 40, 92))
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode("ascii")


def sound(code: str, language: str) -> bytes:
    """Return the spoken code as a WAV file, in Polish or English."""
    file = BytesIO()
    # Speed, pitch and the noisy gaps differ each time.
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(SAMPLES_PER_S + secrets.randbelow(1600) - 800)
        out.writeframes(b"".join(_spoken(code, "pl" if language == "pl" else "en")))
    return file.getvalue()


def _spoken(code: str, language: str) -> Iterator[bytes]:
    for digit in code:
        yield _hiss(SAMPLES_PER_S // 3 + secrets.randbelow(SAMPLES_PER_S // 2))
        yield _digit(language, digit)
    yield _hiss(SAMPLES_PER_S // 4)


def _hiss(samples: int) -> bytes:
    return bytes(122 + (one & 7) for one in secrets.token_bytes(samples))


@lru_cache(maxsize=20)
def _digit(language: str, digit: str) -> bytes:
    with wave.open(str(VOICES / language / f"{digit}.wav"), "rb") as recorded:
        frames: Any = recorded.readframes(recorded.getnframes())
        return bytes(frames)
