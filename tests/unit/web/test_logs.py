"""What a log line may say."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from idp.web.logs import REDACTED, configure_logs, redact
from tests.support.pages import Build


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Return where the log goes; the logging of the test run is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "ticket", "csrf_token", "pesel", "Authorization", "Cookie", "pgtId", "SAMLResponse"],
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert redact(None, "info", {"event": "x", name: "hunter2"}) == {"event": "x", name: REDACTED}


@pytest.mark.parametrize(
    "text",
    [
        "GET /cas/serviceValidate?ticket=ST-17-aB3dE6gH9jK2",
        "presented ST-17-aB3dE6gH9jK2 twice",
        "pgtIou=PGTIOU-1-aB3dE6gH9jK2x",
        "form: password=aB3dE6gH9jK2&x=y",
        "person 44051401359 aB3dE6gH9jK2",
    ],
)
def test_a_secret_is_known_by_its_look(text: str) -> None:
    line = str(redact(None, "info", {"event": text, "nested": {"more": [text]}}))

    assert REDACTED in line
    assert "ST-17" not in line
    assert "44051401359" not in line


def test_ordinary_words_are_left_alone() -> None:
    event = {"event": "plan made", "code": "unsafe_plan", "album": "0012345678", "count": 6200}

    assert redact(None, "info", dict(event)) == event


def test_a_line_carries_the_number_of_its_request(stream: io.StringIO, build: Build) -> None:
    answer = build().test_client().get("/?ticket=ST-17-aB3dE6gH9jK2")
    line = json.loads(stream.getvalue().splitlines()[-1])

    assert line["correlation_id"] == answer.headers["X-Request-Id"]
    assert (line["method"], line["rule"], line["status"]) == ("GET", "/", 200)
    assert "ST-17" not in stream.getvalue()


def test_a_number_brought_by_the_client_is_not_believed(build: Build) -> None:
    answer = build().test_client().get("/", headers={"X-Request-Id": "mine\r"[:4]})

    assert answer.headers["X-Request-Id"] != "mine"


def test_a_traceback_is_logged_without_secrets(stream: io.StringIO, build: Build) -> None:
    app = build()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.test_client().get("/breaks")

    assert "RuntimeError" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_lines_of_libraries_are_redacted_too(stream: io.StringIO) -> None:
    logging.getLogger("library").warning("bind with password=%s", "hunter2")

    line = json.loads(stream.getvalue())
    assert line["level"] == "warning"
    assert "hunter2" not in line["event"]
