"""Style sheet, script and marks."""

import gzip
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from idp.web.plumbing import add_assets
from idp.web.settings import UniversitySettings
from tests.support.pages import Build, build_pages


def test_an_asset_under_its_digest_is_kept_for_a_year(client: FlaskClient) -> None:
    for address in _assets(client):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert "max-age=31536000" in answer.headers["Cache-Control"]


def test_an_asset_under_another_digest_is_asked_for_again(client: FlaskClient) -> None:
    assert client.get("/static/style.css?v=old").headers["Cache-Control"] == "no-cache"


def test_assets_are_compressed_for_those_who_ask(client: FlaskClient) -> None:
    plain = client.get("/static/style.css")
    small = client.get("/static/style.css", headers={"Accept-Encoding": "gzip, br"})

    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == plain.data
    assert "Accept-Encoding" in small.headers["Vary"]


def test_a_known_asset_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/static/style.css")

    assert client.get("/static/style.css", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_a_missing_asset_is_a_404_and_no_file_outside_is_served(client: FlaskClient) -> None:
    for name in ("none.css", "../plumbing.py", "..%2fplumbing.py"):
        assert client.get(f"/static/{name}").status_code == 404


def test_a_package_adds_assets_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "own.js").write_text('"use strict";\n' * 100)
    app = build_pages()
    add_assets(app, tmp_path)
    with app.test_request_context():
        address = app.jinja_env.globals["asset_url"]("own.js")  # type: ignore[operator] # a function

    answer = app.test_client().get(address, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in answer.headers["Cache-Control"]
    assert gzip.decompress(answer.data).startswith(b'"use strict"')


def test_two_assets_never_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("")

    with pytest.raises(ValueError, match=r"style\.css"):
        add_assets(build_pages(), tmp_path)


def test_the_theme_and_the_mark_come_from_settings(build: Build) -> None:
    university = UniversitySettings(accent_colour="#a01030", short_name="U<")
    client = build(university=university).test_client()

    assert "--brand:#a01030" in client.get("/static/theme.css").text
    mark = client.get("/static/mark.svg")
    assert mark.content_type.startswith("image/svg+xml")
    assert "#a01030" in mark.text
    assert "U&lt;" in mark.text


def test_another_colour_has_another_address(build: Build) -> None:
    one, other = (
        _assets(build(university=UniversitySettings(accent_colour=colour)).test_client())
        for colour in ("#a01030", "#00539b")
    )
    assert one != other


def test_a_page_with_all_its_assets_is_small(client: FlaskClient) -> None:
    page = len(gzip.compress(client.get("/").data))
    assets = sum(len(gzip.compress(client.get(address).data)) for address in _assets(client))

    assert page + assets < 12_000


@pytest.mark.parametrize("forbidden", ["<style", " style=", "onclick=", "javascript:", "<script>"])
def test_nothing_is_inline(client: FlaskClient, forbidden: str) -> None:
    for page in ("/", "/nothing-here"):
        assert forbidden not in client.get(page).text


def _assets(client: FlaskClient) -> list[str]:
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text)
