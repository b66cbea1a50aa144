"""XML from outside: bounded, without document types, entities or network."""

from lxml import etree

from idp.errors import InputTooLong, InvalidInput

MAX_BYTES = 64 * 1024


class InvalidXml(InvalidInput):
    """Not XML, or XML with a document type."""

    code = "invalid_xml"


def parse_xml(body: bytes, max_bytes: int = MAX_BYTES) -> etree._Element:
    """Return the root element of a document.

    Raises:  InputTooLong; InvalidXml, also for a document type in any encoding
    """
    if len(body) > max_bytes:
        raise InputTooLong(f"longer than {max_bytes} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise InvalidXml("not XML") from exc
    # Asked of the parser: a search in the bytes misses UTF-7 and UTF-16. A document type can name files, and repeat
    # itself without end.
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr] # the stubs know another name of it only
        raise InvalidXml("a document type is not taken")
    return root
