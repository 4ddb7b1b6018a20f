"""Writing XML: names with their prefixes as given, and values without characters that XML forbids."""

from __future__ import annotations

import re
from xml.etree import ElementTree

# XML 1.0, 2.2: no document may have any of these characters.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def new_document(tag: str, attributes: dict[str, str]) -> ElementTree.Element:
    """Make the root of a document; its attributes must declare the prefixes of all names in it."""
    return ElementTree.Element(tag, {name: _NOT_XML.sub("", value) for name, value in attributes.items()})


def element(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    """Add a last child, with a text (None: none) and attributes, and return it."""
    child = ElementTree.SubElement(parent, tag, {name: _NOT_XML.sub("", value) for name, value in attributes.items()})
    child.text = None if text is None else _NOT_XML.sub("", text)
    return child


def document(root: ElementTree.Element) -> bytes:
    """Return the document in UTF-8."""
    content: bytes = ElementTree.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + content
