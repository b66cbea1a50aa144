"""A browser in front of an application with a page for each thing that can happen."""

import pytest
from flask.testing import FlaskClient

from tests.support.pages import Build, build_pages


@pytest.fixture
def build() -> Build:
    """Return a function that builds the application under other settings."""
    return build_pages


@pytest.fixture
def client() -> FlaskClient:
    """Return a browser that asks for English."""
    client = build_pages().test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client
