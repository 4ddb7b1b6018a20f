"""An entry as the item of a feed: the name, time and content that all formats share. Pure.

An item's id is its entry's UUID, which stays the same when the site moves. Pinned entries are ordered by their time
like all others; deleted entries are absent.
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
"""The beginnings of attributes whose values may be relative addresses. HTML without them has absolute addresses
only."""
# A single address that has a scheme and a host is absolute. A list of addresses (`srcset`) is always looked through.
_ADDRESS = re.compile(r'(?<=\s)(?:(href|src|cite)="(?!https?://)([^"]*)"|(srcset)="([^"]*)")', re.IGNORECASE)


def urn(entry_id: str) -> str:
    """Return the id of an entry's item."""
    return f"urn:uuid:{entry_id}"


def published(entry: Entry) -> datetime:
    """Return the time of publication of a published entry."""
    assert entry.published_at is not None
    return entry.published_at


def content(liveblog: Liveblog, entry: Entry, renderer: EntryRenderer) -> str:
    """Return the entry's HTML for a feed, with absolute addresses."""
    return absolute(renderer.content(liveblog, entry), renderer.urls.entry(liveblog.slug, entry.id))


def absolute(html: str, base: str) -> str:
    """Make all addresses in serialised HTML absolute, as a feed reader doesn't know on which page the HTML stood."""

    def address(match: re.Match[str]) -> str:
        name, value = match[1] or match[3], unescape(match[2] or match[4] or "")
        if name.lower() == "srcset":
            candidates = (candidate.split() for candidate in value.split(", "))
            joined = ", ".join(" ".join([_joined(base, words[0]), *words[1:]]) for words in candidates if words)
        else:
            joined = _joined(base, value)
        return match[0] if joined == value else f'{name}="{escape(joined)}"'

    if _RELATIVE.search(html) is None:
        # This check takes a tenth of the time of going through all tags.
        return html
    return _TAG.sub(lambda tag: _ADDRESS.sub(address, tag[0]), html)


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        # It wasn't an address in the first place, such as `https://[`.
        return address
