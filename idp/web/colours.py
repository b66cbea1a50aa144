"""Turn the university's colour into readable light and dark schemes (WCAG 2.1 contrast). Pure.

Any colour may be configured, even pale yellow: colours move towards black or white until text is readable.
"""

from dataclasses import dataclass

Colour = tuple[float, float, float]

# The surfaces of style.css on which the accent must be readable. A test compares the two files.
LIGHT_SURFACES = ("#ffffff", "#f4f5f7", "#eceef2")
DARK_SURFACES = ("#1b1e24", "#121419", "#252932")

TEXT_CONTRAST = 4.5  # WCAG 2.1, success criterion 1.4.3
_MARGIN = 0.1  # rounding to hex must not push a colour below the minimum


@dataclass(frozen=True, slots=True)
class Scheme:
    """Colours of one scheme as CSS hex.

    `accent` is text on every surface, and the background of `on_accent`. `accent_hover` has more contrast to the page.
    `accent_soft` is a tint behind `accent` text.
    """

    accent: str
    on_accent: str
    accent_hover: str
    accent_soft: str


def light_scheme(configured: str) -> Scheme:
    """Return the scheme for light pages: the configured colour, darkened as far as needed."""
    soft = _mix(configured, "#ffffff", 0.92)
    accent = _readable(configured, (*LIGHT_SURFACES, soft), towards="#000000")
    hover = _mix(accent, "#000000", 0.18)
    return Scheme(accent, _on(accent, hover), hover, soft)


def dark_scheme(configured: str) -> Scheme:
    """Return the scheme for dark pages: the configured colour, lightened as far as needed."""
    soft = _mix(configured, DARK_SURFACES[0], 0.84)
    accent = _readable(configured, (*DARK_SURFACES, soft), towards="#ffffff")
    hover = _mix(accent, "#ffffff", 0.22)
    return Scheme(accent, _on(accent, hover), hover, soft)


def on_colour(background: str) -> str:
    """Return black or white, whichever has more contrast on `background`. It is always at least 4.5."""
    return "#ffffff" if contrast("#ffffff", background) >= contrast("#000000", background) else "#000000"


def deep_colour(background: str) -> str:
    """Return a decorative shade of `background`, further from its text colour, so that contrast only grows."""
    return _mix(background, "#000000" if on_colour(background) == "#ffffff" else "#ffffff", 0.22)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21.

    Source:  WCAG 2.1, definition of contrast ratio
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _readable(colour: str, surfaces: tuple[str, ...], towards: str) -> str:
    """Move `colour` in small steps `towards` black or white until it is readable on every surface."""
    for step in range(101):
        moved = _mix(colour, towards, step / 100)
        if all(contrast(moved, surface) >= TEXT_CONTRAST + _MARGIN for surface in surfaces):
            return moved
    return towards


def _on(*backgrounds: str) -> str:
    """Return black or white, whichever has more contrast on the worse background."""
    return max(("#ffffff", "#000000"), key=lambda text: min(contrast(text, one) for one in backgrounds))


def _mix(one: str, other: str, share: float) -> str:
    """Return `one` with `share` of `other` in it."""
    pairs = zip(_parse(one), _parse(other), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * share)):02x}" for a, b in pairs)


def _luminance(colour: str) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _parse(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parse(colour: str) -> Colour:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue
