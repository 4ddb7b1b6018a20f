"""An entry as the item of a feed: the id, time and content that all formats of feeds share.

An item's id is its entry's UUID, which stays the same when the site gets another address. In a feed, pinned entries are
ordered by time like all other entries. Deleted entries aren't items.
"""

from __future__ import annotations

import re
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.rendering.entry_renderer import EntryRenderer

_TAG = re.compile(r'<[a-z][a-z0-9]*(?:\s[^\s"=>]+(?:="[^"]*")?)*\s*/?>', re.IGNORECASE)
_RELATIVE = re.compile(r'="(?!https?://)|srcset="')
"""A pattern for the beginning of an attribute whose value may be a relative address. HTML without a match has only
absolute addresses."""
# An address with a scheme and a host is absolute already, and isn't matched. A `srcset`, which has several addresses,
# is always matched.
_ADDRESS = re.compile(r'(?<=\s)(?:(href|src|cite)="(?!https?://)([^"]*)"|(srcset)="([^"]*)")', re.IGNORECASE)


def urn(entry_id: str) -> str:
    """Return the id of an entry's feed item: `urn:uuid:`, followed by the entry's id."""
    return f"urn:uuid:{entry_id}"


def published(entry: Entry) -> datetime:
    """Return the entry's time of publication. The entry must be published."""
    assert entry.published_at is not None
    return entry.published_at


def content(liveblog: Liveblog, entry: Entry, renderer: EntryRenderer) -> str:
    """Return the entry's HTML for a feed, with absolute addresses."""
    return absolute(renderer.content(liveblog, entry), renderer.urls.entry(liveblog.slug, entry.id))


def absolute(html: str, base: str) -> str:
    """Return the HTML with its relative addresses made absolute. `base`: the address of the page they are relative to.

    A feed reader doesn't know the address of the page, so it couldn't follow a relative address.
    """

    def address(match: re.Match[str]) -> str:
        name, value = match[1] or match[3], unescape(match[2] or match[4] or "")
        if name.lower() == "srcset":
            candidates = (candidate.split() for candidate in value.split(", "))
            joined = ", ".join(" ".join([_joined(base, words[0]), *words[1:]]) for words in candidates if words)
        else:
            joined = _joined(base, value)
        return match[0] if joined == value else f'{name}="{escape(joined)}"'

    if _RELATIVE.search(html) is None:
        # This check takes a tenth of the time that going through all tags takes.
        return html
    return _TAG.sub(lambda tag: _ADDRESS.sub(address, tag[0]), html)


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        # The attribute's value isn't an address. An example is `https://[`.
        return address
