"""A reader beyond the streams that an address may hold, as a school's two thousand and first may be."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from liveserver.client import Client
from tests.acceptance.browsing import pages
from tests.acceptance.reading import live
from tests.acceptance.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "essai", "title": "L’essai", "language": "fr", "timezone": "Europe/Paris"}


async def test_a_page_polls_at_once(tmp_path: Path, browser: Browser) -> None:
    """It finds out why no stream begins, and is live by polls instead."""
    asked: list[str] = []
    # Nobody is exempt here, this machine's own readers least of all.
    limits = {"limit_streams_held": "1", "limit_exempt": "", "forwarded_allow_ips": "192.0.2.1"}
    async with (
        serving(tmp_path, **limits) as server,
        Client(server.url, await server.key()) as client,
        pages(browser) as open_page,
    ):
        await client.create_liveblog(LIVEBLOG)
        async with connect(f"{server.api.replace('http', 'ws')}/liveblogs/essai/ws"):
            page = await open_page(f"{server.url}/healthz", outages=True)
            page.on("websocket", lambda socket: asked.append(urlsplit(socket.url).path.rpartition("/")[2]))
            page.on("request", lambda request: asked.append(urlsplit(request.url).path.rpartition("/")[2]))
            await page.goto(f"{server.url}/live/essai")
            await live(page)
            kinds = [kind for kind in asked if kind in {"ws", "events", "changes"}]
            assert kinds == ["ws", "ws", "events", "events", "changes"]
