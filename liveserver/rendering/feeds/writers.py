"""The functions that write feeds, by the ending of a feed's address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.rendering.feeds.atom import atom
from liveserver.rendering.feeds.json_feed import json_feed
from liveserver.rendering.feeds.rss import rss

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.domain.snapshot import Feed
    from liveserver.rendering.entry_renderer import EntryRenderer

LENGTH = 50
"""The greatest number of entries in a feed. If a live blog has more entries, its feeds have the newest entries."""

WRITERS: dict[str, Callable[[Feed, EntryRenderer], bytes]] = {"rss": rss, "atom": atom, "json": json_feed}
"""The function that writes a feed, by the ending of the feed's address."""
