"""Writing XML.

Tags and attribute names are written as the caller gives them, with their prefixes. In texts and attribute values,
characters that XML forbids are left out.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

# The characters that no XML document may have (XML 1.0, 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def new_document(tag: str, attributes: dict[str, str]) -> ElementTree.Element:
    """Return the root element of a new document.

    `tag`: the root's name. `attributes`: the root's attributes. They must declare (by `xmlns:…`) the prefixes of all
    names in the document.
    """
    return ElementTree.Element(tag, {name: _NOT_XML.sub("", value) for name, value in attributes.items()})


def element(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    """Add a child element at the end of `parent`, and return the child. `text`: None if the child has no text."""
    child = ElementTree.SubElement(parent, tag, {name: _NOT_XML.sub("", value) for name, value in attributes.items()})
    child.text = None if text is None else _NOT_XML.sub("", text)
    return child


def document(root: ElementTree.Element) -> bytes:
    """Return the whole document in UTF-8, with the XML declaration."""
    content: bytes = ElementTree.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + content
