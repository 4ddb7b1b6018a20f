"""A French live blog, published entry by entry while two browsers watch: by WebSocket, and by SSE as its fallback."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from liveserver.client import Client
from tests.acceptance.browsing import pages
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import SOURCES, assert_never_reloaded, live, mark, shows, strings
from tests.acceptance.serving import serving
from tests.acceptance.texts import CORRECTION, EDITED, ENTRIES, LIVEBLOG, Item

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLUG = LIVEBLOG["slug"]
STREAM = f"/api/v1/liveblogs/{SLUG}"


async def test_two_browsers_show_every_word(tmp_path: Path, browser: Browser) -> None:
    """Every paragraph, the order, the pinned entry, the key events, an edit and a deletion arrive on both."""
    async with (
        serving(tmp_path) as server,
        Proxy(server.port) as open_way,
        Proxy(server.port, websocket=False) as old_way,
        Client(server.url, await server.key()) as newsroom,
        pages(browser) as open_page,
    ):
        await newsroom.create_liveblog(LIVEBLOG)
        by_websocket = await open_page(f"{open_way.url}/live/{SLUG}")
        by_events = await open_page(f"{old_way.url}/live/{SLUG}", outages=True)
        readers = (by_websocket, by_events)
        for page in readers:
            await live(page)
            await mark(page)
        assert open_way.asked(f"^WEBSOCKET {STREAM}/ws") == 1
        assert old_way.asked(f"^WEBSOCKET {STREAM}/ws") == 2
        assert old_way.asked(f"^GET {STREAM}/events") == 1

        ids = []
        for count, item in enumerate(ENTRIES, 1):
            ids.append((await newsroom.publish(SLUG, item.fields))["id"])
            await asyncio.gather(*(shows(page, ENTRIES[:count]) for page in readers))

        await newsroom.edit(SLUG, ids[5], {**EDITED.fields, "correction": CORRECTION})
        edited = [*ENTRIES[:5], EDITED, *ENTRIES[6:]]
        await asyncio.gather(*(shows(page, edited) for page in readers))
        for page in readers:
            assert CORRECTION in await page.locator(f"#entry-{ids[5]} .corrections").inner_text()
            assert "modifié à" in await page.locator(f"#entry-{ids[5]} .edited").inner_text()

        await newsroom.delete(SLUG, ids[3])
        left = [*edited[:3], *edited[4:]]
        await asyncio.gather(*(shows(page, left) for page in readers))

        await newsroom.edit(SLUG, ids[2], {"pinned": False})
        unpinned = [item if not item.pinned else _unpinned(item) for item in left]
        await asyncio.gather(*(shows(page, unpinned) for page in readers))

        await _assert_same_as_fresh(readers, await open_page(f"{server.url}/live/{SLUG}"))
        for page in readers:
            await assert_never_reloaded(page)
        assert open_way.asked(f"{STREAM}/(ws|events|changes)") == 1, "the stream broke, or didn't suffice"
        assert old_way.asked(f"{STREAM}/(events|changes)") == 1, "the stream broke, or didn't suffice"


def _unpinned(item: Item) -> Item:
    return replace(item, pinned=False)


async def _assert_same_as_fresh(readers: tuple[Page, ...], fresh: Page) -> None:
    """Entries that came by the stream are, to the byte, those of the page that a later reader gets."""
    expected = await strings(fresh, SOURCES)
    assert len(expected) == len(ENTRIES) - 1
    for page in readers:
        assert await strings(page, SOURCES) == expected
