"""Pages travel compressed, but for those whose size could betray a form token."""

import gzip

from flask.testing import FlaskClient

ASKS = {"Accept-Encoding": "gzip, br"}


def test_a_page_is_compressed_for_those_who_ask(client: FlaskClient) -> None:
    plain = client.get("/long")
    small = client.get("/long", headers=ASKS)

    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert int(small.headers["Content-Length"]) < len(plain.data)
    assert gzip.decompress(small.data) == plain.data
    for answer in (plain, small):
        assert "Accept-Encoding" in answer.headers["Vary"]


def test_a_page_with_a_form_token_is_not_compressed(client: FlaskClient) -> None:
    answer = client.get("/", headers=ASKS)

    assert 'name="csrf_token"' in answer.text
    assert len(answer.data) > 1000
    assert "Content-Encoding" not in answer.headers


def test_a_refused_encoding_is_not_used(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/long", headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_failure_pages_are_compressed_too(client: FlaskClient) -> None:
    answer = client.get("/nothing-here", headers=ASKS)

    assert answer.status_code == 404
    assert b"Page not found" in gzip.decompress(answer.data)
