"""XML from outside is bounded and has no document type, in whatever encoding."""

import pytest

from idp.errors import InputTooLong
from idp.xml import MAX_BYTES, InvalidXml, parse_xml

DOCTYPE = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


@pytest.mark.parametrize(
    "body",
    [
        DOCTYPE.encode(),
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        DOCTYPE.encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY b "c"]+AD4-<a>&b;</a>',
        b"",
        b"no markup",
        b"<a>",
        b"<a>\xff</a>",
    ],
)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidXml):
        parse_xml(body)


def test_the_size_counts_before_anything_is_parsed() -> None:
    with pytest.raises(InputTooLong):
        parse_xml(b"<" * (MAX_BYTES + 1))


def test_a_plain_document_is_taken() -> None:
    assert parse_xml("<a>ż</a>".encode()).text == "ż"
    assert parse_xml('<?xml version="1.0" encoding="UTF-16"?><a>ż</a>'.encode("utf-16")).text == "ż"
