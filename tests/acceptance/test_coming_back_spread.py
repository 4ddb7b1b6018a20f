"""Pages of a server that is restarted come back one after the other, as it told them; a stalled one delays nobody."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest

from liveserver.client import Client
from tests.acceptance.browsing import pages
from tests.acceptance.reading import IDS, assert_never_reloaded, live, mark, settles, strings
from tests.acceptance.serving import serving
from tests.acceptance.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

SLUG = "reprise"
TABS = 6
DRAIN = 2.0
DATES = """window.__dates = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.__dates.push(Date.now()); }
};"""
"""When the page opened each of its connections."""


async def test_one_after_the_other(tmp_path: Path, browser: Browser) -> None:
    """Their second connections lie apart over the time that the server took to go; nothing is missed or repeated."""
    async with (
        serving(tmp_path, heartbeat="1", drain=str(DRAIN)) as server,
        Client(server.url, await server.key()) as newsroom,
        pages(browser) as open_page,
    ):
        site = Site(server, newsroom)
        ids = await site.liveblog(SLUG, 1)
        url = site.url(SLUG)
        tabs = [await open_page(url, outages=True, script=DATES)]
        tabs += await asyncio.gather(*(open_page(url, beside=tabs[0], outages=True) for _ in range(TABS - 1)))
        await asyncio.gather(*(live(tab) for tab in tabs))
        await asyncio.gather(*(mark(tab) for tab in tabs))
        with socket.create_connection(("127.0.0.1", server.port)) as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.sendall(
                f"GET /api/v1/liveblogs/{SLUG}/ws HTTP/1.1\r\nHost: x\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
            )
            for _ in range(12):
                body = f"<p>{'Le peloton roule groupé. ' * 2_000}</p>"
                ids.insert(0, (await newsroom.publish(SLUG, {"body": body}))["id"])
            await asyncio.gather(*(settles(partial(strings, tab, IDS), ids, seconds=5) for tab in tabs))
            assert await server.end() == 0
        await server.start()
        await asyncio.gather(*(live(tab) for tab in tabs))
        ids.insert(0, (await site.publish(SLUG, 9))["id"])
        await asyncio.gather(*(settles(partial(strings, tab, IDS), ids) for tab in tabs))
        dates = sorted([(await tab.evaluate("window.__dates"))[1] for tab in tabs])
        assert dates[-1] - dates[0] > 0.5 * 1000 * DRAIN, "they came at once"
        for tab in tabs:
            await assert_never_reloaded(tab)
