"""Whatever colour a university configures, its pages can be read."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.web import assets, colours
from idp.web.colours import contrast, dark_scheme, deep_colour, light_scheme, on_colour

any_colour = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
STYLE = (assets.FOLDER / "style.css").read_text(encoding="utf-8")


def test_black_on_white_is_21_to_1_and_the_order_does_not_matter() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


def test_contrast_is_that_of_the_wcag_example() -> None:
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@given(any_colour)
def test_the_accent_is_readable_on_every_surface_of_both_schemes(configured: str) -> None:
    for scheme, surfaces in (
        (light_scheme(configured), colours.LIGHT_SURFACES),
        (dark_scheme(configured), colours.DARK_SURFACES),
    ):
        for surface in (*surfaces, scheme.accent_soft):
            assert contrast(scheme.accent, surface) >= 4.5
            assert contrast(scheme.accent_hover, surface) >= 4.5


@given(any_colour)
def test_the_text_of_a_button_is_readable_also_under_the_pointer(configured: str) -> None:
    for scheme in (light_scheme(configured), dark_scheme(configured)):
        assert contrast(scheme.on_accent, scheme.accent) >= 4.5
        assert contrast(scheme.on_accent, scheme.accent_hover) >= 4.5


@given(any_colour)
def test_the_top_bar_is_readable_over_its_whole_gradient(configured: str) -> None:
    assert contrast(on_colour(configured), configured) >= 4.5
    assert contrast(on_colour(configured), deep_colour(configured)) >= contrast(on_colour(configured), configured)


@given(any_colour)
def test_ordinary_text_is_readable_on_the_tint_of_a_notice(configured: str) -> None:
    light, dark = _variables()
    assert contrast(light["ink"], light_scheme(configured).accent_soft) >= 4.5
    assert contrast(dark["ink"], dark_scheme(configured).accent_soft) >= 4.5


def test_a_readable_colour_is_left_as_it_is_configured() -> None:
    assert light_scheme("#00539b").accent == "#00539b"


def test_the_surfaces_of_the_style_sheet_are_those_that_the_rules_know() -> None:
    for variables, known in zip(_variables(), (colours.LIGHT_SURFACES, colours.DARK_SURFACES), strict=True):
        assert {variables["surface"], variables["page"], variables["sunken"]} == set(known)


@pytest.mark.parametrize("tone", ["success", "warning", "danger"])
def test_the_other_tones_are_readable_on_surfaces_and_on_their_tints(tone: str) -> None:
    for variables in _variables():
        for ground in ("surface", "page", f"{tone}-soft"):
            assert contrast(variables[tone], variables[ground]) >= 4.5
        assert contrast(variables["ink"], variables[f"{tone}-soft"]) >= 4.5


def test_muted_text_and_the_edges_of_controls_are_strong_enough() -> None:
    for variables in _variables():
        for ground in ("surface", "page", "sunken"):
            assert contrast(variables["muted"], variables[ground]) >= 4.5
        assert contrast(variables["control-line"], variables["surface"]) >= 3  # WCAG 1.4.11


def test_no_colour_stands_outside_the_variables() -> None:
    rules = re.sub(r"^:root \{.*?^\}|^  :root \{.*?^  \}", "", STYLE, flags=re.DOTALL | re.MULTILINE)
    screen_rules = rules.split("@media print")[0]

    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", screen_rules) == []


def _variables() -> tuple[dict[str, str], dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", block)) for block in blocks[:2])
    return _long(light), _long(dark)


def _long(variables: dict[str, str]) -> dict[str, str]:
    return {
        name: value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:])
        for name, value in variables.items()
    }


def test_style_sheets_ask_nothing_of_a_third_party() -> None:
    for file in Path(assets.FOLDER).iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "@import" not in text
