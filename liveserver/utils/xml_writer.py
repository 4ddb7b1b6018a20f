"""Writing XML: names with their prefixes as they are to be read, values that no parser refuses."""

from __future__ import annotations

import re
from xml.etree import ElementTree

# XML 1.0, 2.2: a document with any other character is none.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def new_document(tag: str, attributes: dict[str, str]) -> ElementTree.Element:
    """The root of a document; the prefixes of all names in it are to be declared among its attributes."""
    return ElementTree.Element(tag, {name: _NOT_XML.sub("", value) for name, value in attributes.items()})


def element(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    """A new last child, with a text and attributes."""
    child = ElementTree.SubElement(parent, tag, {name: _NOT_XML.sub("", value) for name, value in attributes.items()})
    child.text = None if text is None else _NOT_XML.sub("", text)
    return child


def document(root: ElementTree.Element) -> bytes:
    """The document in UTF-8."""
    content: bytes = ElementTree.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + content
