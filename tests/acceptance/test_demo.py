"""`liveserver demo`: what somebody sees who has just installed it."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING

import httpx2
import pytest
from websockets.asyncio.client import connect

from liveserver.client import Client
from tests.acceptance.browsing import pages
from tests.acceptance.reading import IDS, live, settles, strings
from tests.acceptance.serving import Child, eventually, run, started
from tests.support.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

END_SECONDS = 5.0
SLUG = "tempete-ysaline"


async def _has_many(page: Page) -> bool:
    return len(await strings(page, IDS)) > 5


async def test_demo(tmp_path: Path, browser: Browser) -> None:
    """Prints where to look and a key that works, keeps writing, ends on Ctrl+C in good order, and starts again."""
    url = f"http://localhost:{(port := free_port())}"
    demo = Child(tmp_path, "demo", "--port", str(port), "--interval", "0.2")
    keys = []
    for _ in range(2):
        async with started(demo), AsyncExitStack() as stack:
            assert (await demo.printed(r"Reader's page +(\S+)"))[1] == f"{url}/live/{SLUG}"
            api = (await demo.printed(r"API +(\S+)"))[1]
            assert api == f"{url}/api/v1"
            keys.append((await demo.printed(r"API key +(\S+)"))[1])
            await demo.printed("After about 1 min the story has been told: it is deleted, and begins again")
            await demo.printed("After about 1 min the story has been told: it is deleted, and begins again")
            await demo.printed("Ctrl\\+C ends it")
            assert (tmp_path / "demo-data" / "key").read_text() == f"{keys[-1]}\n"
            folder = tmp_path / "demo-data"
            private = {"": 0o700, "key": 0o600, "live.db": 0o600, "live.db-wal": 0o600, "live.db-shm": 0o600}
            assert {name: (folder / name).stat().st_mode & 0o777 for name in private} == private

            client = await stack.enter_async_context(Client(url, keys[-1]))
            own = await client.publish(SLUG, {"body": "<p>Bonjour</p>"})
            stream = await stack.enter_async_context(aclosing(client.follow(SLUG)))
            async with asyncio.timeout(10):
                for _ in range(4):
                    await anext(stream)
            assert (await client.snapshot(SLUG))["seq"] >= own["seq"] + 4

            open_page = await stack.enter_async_context(pages(browser))
            page = await open_page(f"{url}/live/{SLUG}", outages=True)
            await live(page)
            # The story may begin again just now; then the page fills up.
            await settles(partial(_has_many, page), True)

            websocket = await stack.enter_async_context(connect(f"ws{url[4:]}/api/v1/liveblogs/{SLUG}/ws"))
            await websocket.recv()
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=10))
            assert (await http.get(api, follow_redirects=True)).status_code == 200, "somebody clicks on it"
            events = await stack.enter_async_context(http.stream("GET", f"{url}/api/v1/liveblogs/{SLUG}/events"))
            assert events.headers["content-type"].startswith("text/event-stream")

            begun = time.monotonic()
            assert await demo.end(signal.SIGINT) == 0
            assert time.monotonic() - begun < END_SECONDS
            # Until its moment has come a viewer goes on getting what is published.
            assert any('"type":"reconnect"' in line for line in [line async for line in events.aiter_lines()])
            assert demo.stderr == ""
            assert demo.stdout.endswith("The demo has ended.\n")
    assert len(set(keys)) == 1, "somebody has exported it"


async def test_a_second_demo_leaves_the_first_one_s_key_alone(tmp_path: Path) -> None:
    """In the same folder, whatever keeps it from starting: the port that is taken, or the database."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    # Its own output is elsewhere.
    demo = Child(tmp_path / "first", "demo", "--port", str(port), "--dir", str(tmp_path / "demo-data"))
    async with started(demo):
        key = (await demo.printed(r"API key +(\S+)"))[1]
        for other_port, complaint in ((port, "Address already in use"), (free_port(), "a server runs on sqlite:///")):
            second = await run("demo", "--port", str(other_port), cwd=tmp_path)
            assert second.status == 2
            assert complaint in second.stderr
            assert (tmp_path / "demo-data" / "key").read_text() == f"{key}\n"
        async with Client(url, key) as client:
            await client.publish(SLUG, {"body": "<p>Bonjour</p>"})


@pytest.mark.parametrize("sign", ["demo-data", "demo-data/live.db", "demo-data/key", "demo-data/live.db.lock"])
async def test_interrupted_while_it_starts(tmp_path: Path, sign: str) -> None:
    """Ctrl+C at any stage of the start, known by the file that has appeared, ends it without a traceback."""
    async with started(Child(tmp_path, "demo", "--port", str(free_port()))) as demo:
        await eventually((tmp_path / sign).exists, what=sign)
        await demo.end(signal.SIGINT)
        assert demo.stderr in {"", "Aborted!\n", "Aborted.\n"}
