"""A newsroom takes an entry back, with a thousand readers: it goes from whatever is open, and doesn't return."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import orjson
import pytest
from websockets.asyncio.client import connect

from liveserver.client import Client
from liveserver.domain.change import Position
from tests.acceptance.browsing import pages
from tests.acceptance.conftest import ARGUMENTS
from tests.acceptance.reading import live
from tests.support.services import required

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]

READERS = 1_000
WITHIN = 2.0
"""Seconds from the answer to the newsroom."""
WORD = "Diffamation"
SLUG = "retrait-urgent"

GONE = f"""() => new Promise(resolve => {{
  const look = () => {{
    if (document.title.includes("{WORD}") || document.body.innerText.includes("{WORD}")) setTimeout(look, 10);
    else resolve(Date.now() / 1000);
  }};
  look();
}})"""
"""When the page no longer says the word."""

HIDE = """() => {
  Object.defineProperty(document, "visibilityState", {get: () => "hidden", configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@asynccontextmanager
async def _readers(site: Site, position: Position) -> AsyncIterator[list[asyncio.StreamReader]]:
    """A thousand connections as pages have them, without the pages."""
    request = (
        f"GET /api/v1/liveblogs/{SLUG}/ws?after={position} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    readers, writers = [], []
    try:
        for _ in range(READERS):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
            readers.append(reader)
            writers.append(writer)
            writer.write(request.encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            await reader.readuntil(b'"hello"')
        yield readers
    finally:
        for writer in writers:
            writer.transport.abort()
        # The streams notice in the loop's next rounds.
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def _told(reader: asyncio.StreamReader, entry_id: str) -> float:
    await reader.readuntil(b'"type":"delete"')
    await reader.readuntil(entry_id.encode())
    return time.time()


async def _position(site: Site) -> Position:
    snapshot = await site.newsroom.snapshot(SLUG)
    return Position(snapshot["epoch"], snapshot["seq"])


async def test_taken_down_everywhere(site: Site, browser: Browser) -> None:
    """From every kind of page, a hidden tab, a page that the browser keeps for the way back, and old positions."""
    ids = await site.liveblog(SLUG, 6)
    old = await _position(site)
    entry = await site.publish(SLUG, 6, heading=f"{WORD}, le titre", tags=["affaire"], key_event=True)
    doomed, url = entry["id"], site.url(SLUG)
    keeping = await browser.browser_type.launch(
        executable_path=required("chromium"),
        args=ARGUMENTS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    try:
        async with pages(browser) as open_page, pages(keeping) as open_kept:
            opened = [await open_page(url)]
            for path in ("", "?order=oldest", "?key_events=true", "?tag=affaire", f"/entries/{ids[0]}"):
                opened.append(await open_page(url + path, beside=opened[0]))
            opened.append(await open_page(f"{url}/entries/{doomed}", beside=opened[0], outages=True))
            hidden = await open_page(url, beside=opened[0])
            await hidden.evaluate(HIDE)
            opened.append(hidden)
            kept = await open_kept(url)
            for page in (*opened, kept):
                assert WORD in await page.inner_text("body")
                await live(page)
            await kept.evaluate(
                "() => { window.__kept = true; addEventListener('pageshow', e => "
                "{ window.__persisted = e.persisted; }); }"
            )
            await kept.goto(f"{site.server.url}/healthz")
            position = await _position(site)
            async with _readers(site, position) as readers, asyncio.timeout(20):
                telling = [asyncio.create_task(_told(reader, doomed)) for reader in readers]
                looking = [asyncio.create_task(page.evaluate(GONE)) for page in opened]
                await site.newsroom.delete(SLUG, doomed)
                answered = time.time()
                told, gone = await asyncio.gather(*telling), await asyncio.gather(*looking)
            assert max(told) - answered < WITHIN
            assert max(gone) - answered < WITHIN

            back = await _come_back(kept)
            assert back < WITHIN
            await _assert_gone_from_the_server(site, old, doomed)

            # Later changes don't bring it back, nor does a reload.
            last = await site.publish(SLUG, 7)
            await site.newsroom.edit(SLUG, ids[0], {"heading": "Corrigé"})
            for page in (*opened[:2], hidden, kept):
                await page.locator(f"#entry-{last['id']}").wait_for(state="attached")
                assert WORD not in await page.inner_text("body")
            for page in opened:
                await page.reload()
                assert WORD not in await page.inner_text("body")
    finally:
        await keeping.close()


async def _come_back(page: Page) -> float:
    """Back to a page that the browser has kept as it was; how long it went on saying the word, in seconds."""
    await page.evaluate("setTimeout(() => history.back())")
    await page.wait_for_function("() => window.__persisted")
    assert await page.evaluate("window.__kept"), "the browser made the page anew: this test shows nothing"
    start: float = await page.evaluate("Date.now() / 1000")
    gone: float = await asyncio.wait_for(page.evaluate(GONE), 20)
    await live(page)
    return gone - start


async def _assert_gone_from_the_server(site: Site, old: Position, doomed: str) -> None:
    async with httpx2.AsyncClient(base_url=site.server.url) as http:
        assert (await http.get(f"/live/{SLUG}/entries/{doomed}")).status_code == 410
        assert (await http.get(f"/api/v1/liveblogs/{SLUG}/entries/{doomed}")).status_code == 410
        assert (await http.get(f"/live/{SLUG}/entries/{doomed}/card.png")).status_code == 410
        for path in (
            f"/live/{SLUG}",
            f"/live/{SLUG}/feed.rss",
            f"/live/{SLUG}/feed.atom",
            f"/live/{SLUG}/feed.json",
            f"/api/v1/liveblogs/{SLUG}/snapshot",
            f"/api/v1/liveblogs/{SLUG}/entries",
            f"/api/v1/liveblogs/{SLUG}/changes?after={old}",
        ):
            answer = await http.get(path)
            assert answer.status_code == 200, path
            assert WORD not in answer.text, path
    # A reader who stands before it is told of the deletion, and never of the entry.
    async with Client(site.server.url) as reader:
        missed = (await reader.changes(SLUG, old))["events"]
    stream = f"{site.server.api}/liveblogs/{SLUG}/ws?after={old}".replace("http", "ws", 1)
    async with connect(stream) as socket:
        assert orjson.loads(await socket.recv())["type"] == "hello"
        replayed = [orjson.loads(await socket.recv()) for _ in missed]
    for messages in (missed, replayed):
        assert [message["type"] for message in messages] == ["delete"]
        assert messages[0]["id"] == doomed
