"""Takedown with proof: real pages by every transport, a thousand viewers, and the command."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.takedown import Viewer
from liveserver.client import Client
from tests.acceptance.browsing import pages
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import IDS, live, settles, strings
from tests.acceptance.serving import Child, serving, started
from tests.acceptance.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = 20.0


def figures(found: dict[str, Any] | None) -> list[int]:
    """Asked, had, confirmed, gone, waiting."""
    assert found is not None
    return [found[name] for name in ("asked", "had", "confirmed", "gone", "waiting")]


async def reached(site: Site, slug: str, entry_id: str, *expected: int) -> None:
    """Wait for figures."""
    found: list[int] = []
    try:
        async with asyncio.timeout(SECONDS):
            while found != [*expected]:
                found = figures(await site.newsroom.takedown(slug, entry_id))
                await asyncio.sleep(0.05)
    except TimeoutError:
        assert found == [*expected]


async def test_pages_confirm(site: Site, browser: Browser) -> None:
    """Two pages by WebSocket, one that has the entry and one at another; one that is closed; two tabs on one stream."""
    first, second = await site.liveblog("retrait-prouve", 2)
    async with Proxy(site.server.port, websocket=False) as network, pages(browser) as open_page:
        page = await open_page(site.url("retrait-prouve"))
        other = await open_page(f"{site.url('retrait-prouve')}/entries/{second}")
        closed = await open_page(site.url("retrait-prouve"))
        tab = await open_page(f"{network.url}/live/retrait-prouve", outages=True)
        for one in (page, other, closed, tab):
            await live(one)
        beside = await open_page(f"{network.url}/live/retrait-prouve", outages=True, beside=tab)
        await live(beside)
        begun = figures(await site.newsroom.take_down("retrait-prouve", second))
        assert begun == [4, 0, 0, 0, 4]
        await closed.close()
        await settles(partial(strings, page, IDS), [first])
        # Chance is 0.2 in these pages: they answer after a second. The second tab is nobody's viewer before it answers.
        await reached(site, "retrait-prouve", second, 5, 4, 4, 1, 0)
        for one in (page, other, tab, beside):
            assert "Entrée 0" not in await one.content()


async def test_a_page_that_polls_confirms(site: Site, browser: Browser) -> None:
    [entry_id] = await site.liveblog("retrait-tampon", 1)
    async with Proxy(site.server.port, websocket=False, endless=False) as network, pages(browser) as open_page:
        page = await open_page(f"{network.url}/live/retrait-tampon", outages=True)
        await page.clock.install()
        for _ in range(80):
            if network.asked("^GET .*/changes"):
                break
            await page.clock.run_for(1_000)
            await asyncio.sleep(0.02)
        await site.newsroom.take_down("retrait-tampon", entry_id)
        for _ in range(80):
            if network.asked("^POST .*/gone"):
                break
            await page.clock.run_for(1_000)
            await asyncio.sleep(0.02)
        assert await strings(page, IDS) == []
        found = await site.newsroom.takedown("retrait-tampon", entry_id)
        assert (found["had"], found["confirmed"]) == (1, 1)


async def test_a_thousand_viewers_and_the_command(tmp_path: Path) -> None:
    """Some leave and some never answer: the command shows the figures, live, until nobody is waited for."""
    counts = {"answer": 900, "leave": 80, "silent": 20}
    async with serving(tmp_path / "server", heartbeat="300") as server:
        key = await server.key()
        async with Client(server.url, key) as newsroom:
            site = Site(server, newsroom)
            [entry_id] = await site.liveblog("takedown", 1)
            greeted = asyncio.Semaphore(0)
            viewers = [Viewer(behaviour, greeted) for behaviour, count in counts.items() for _ in range(count)]
            loop = asyncio.get_running_loop()
            for viewer in viewers:
                await loop.create_connection(partial(_same, viewer), "127.0.0.1", server.port)
            for _ in viewers:
                await greeted.acquire()
            arguments = ("takedown", "takedown", f"{server.url}/live/takedown/entries/{entry_id}")
            async with started(Child(tmp_path, *arguments, "--url", server.url, "--key", key)) as command:
                await command.printed(r"^Deleted\.\n1000 asked, ")
                await reached(site, "takedown", entry_id, 1000, 900, 900, 80, 20)
                await command.printed("1000 asked, 900 confirmed \\(900 had it\\), 80 left, 20 waited for\n")
                assert all(viewer.asked for viewer in viewers)
                for viewer in viewers:
                    if viewer.behaviour == "silent":
                        viewer.leave()
                assert await command.wait() == 0
                assert re.search(r"100 left, 0 waited for\nNobody who was asked still shows it\.\n$", command.stdout)
            again = await server.run("takedown", "takedown", entry_id, "--json", "--url", server.url, "--key", key)
            assert (again.status, again.stderr.startswith("It had been deleted already.\n1000 asked, ")) == (0, True)
            assert '"confirmed":900' in again.stdout
            [other_id] = await site.liveblog("plain", 1)
            await newsroom.delete("plain", other_id)
            plain = await server.run("takedown", "plain", other_id, "--url", server.url, "--key", key)
            assert plain == (0, "It had been deleted already. Readers weren’t asked to confirm that.\n", "")


def _same(viewer: Viewer) -> Viewer:
    return viewer
