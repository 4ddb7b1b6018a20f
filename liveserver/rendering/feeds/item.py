"""An entry as the item of a feed: the name, time and content that all formats share. Pure.

Items are named by their entry's UUID, which holds also when the site moves; pinned entries stand where their time puts
them; deleted ones are absent.
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
"""The beginnings of values that may be relative addresses. HTML without any has absolute ones only."""
# With a scheme and a host it is absolute; of a list, the others may not be.
_ADDRESS = re.compile(r'(?<=\s)(?:(href|src|cite)="(?!https?://)([^"]*)"|(srcset)="([^"]*)")', re.IGNORECASE)


def urn(entry_id: str) -> str:
    """The name of an entry's item."""
    return f"urn:uuid:{entry_id}"


def published(entry: Entry) -> datetime:
    """The time of a published entry."""
    assert entry.published_at is not None
    return entry.published_at


def content(liveblog: Liveblog, entry: Entry, renderer: EntryRenderer) -> str:
    """The entry's HTML, whose addresses are absolute."""
    return absolute(renderer.content(liveblog, entry), renderer.urls.entry(liveblog.slug, entry.id))


def absolute(html: str, base: str) -> str:
    """Serialised HTML whose addresses are absolute, for where nobody knows which page it stood on."""

    def address(match: re.Match[str]) -> str:
        name, value = match[1] or match[3], unescape(match[2] or match[4] or "")
        if name.lower() == "srcset":
            candidates = (candidate.split() for candidate in value.split(", "))
            joined = ", ".join(" ".join([_joined(base, parts[0]), *parts[1:]]) for parts in candidates if parts)
        else:
            joined = _joined(base, value)
        return match[0] if joined == value else f'{name}="{escape(joined)}"'

    if _RELATIVE.search(html) is None:
        # To see that takes a tenth of the time of going from tag to tag.
        return html
    return _TAG.sub(lambda tag: _ADDRESS.sub(address, tag[0]), html)


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        # An address that was none to begin with, such as `https://[`.
        return address
