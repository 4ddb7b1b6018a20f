"""The application as a whole: it starts, it stops, and answers what it has no page for."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx2
import orjson
import pytest

from liveserver.domain.errors import SettingsError
from liveserver.domain.topic import Topic
from liveserver.realtime.viewer import Viewer
from liveserver.server.app import create_app
from liveserver.server.lifespan import running
from tests.support.api.site import ENTRIES, problem, serving, settled, started

if TYPE_CHECKING:
    from pathlib import Path

    from liveserver.protocol.frames import Frame
    from liveserver.settings import Settings
    from tests.support.api.site import LiveSite, Site


async def test_it_ends_without_a_trace(settings: Settings) -> None:
    """No task is left running, and what was published is there when it starts again."""
    tasks = asyncio.all_tasks()
    async with started(settings) as site:
        entry = await site.publish()
        assert len(asyncio.all_tasks()) > len(tasks)
    assert asyncio.all_tasks() == tasks
    async with running(settings) as parts:
        assert (await parts.store.entries.find("marees", entry["id"]))[1].body == entry["body"]
    assert asyncio.all_tasks() == tasks


async def test_it_does_not_start_on_a_database_that_is_none(settings: Settings, tmp_path: Path) -> None:
    """One line says why, and nothing is left running."""
    (tmp_path / "text.db").write_text("not a database, but a text that is long enough to be read as one" * 20)
    tasks = asyncio.all_tasks()
    for address in (f"sqlite:///{tmp_path}/text.db", f"sqlite:///{tmp_path}/nowhere/live.db", "mysql://x/y"):
        app = create_app(settings.model_copy(update={"database_url": address}))
        with pytest.raises(SettingsError) as error:
            async with app.router.lifespan_context(app):
                raise AssertionError("it started")
        assert "\n" not in str(error.value)
    assert asyncio.all_tasks() == tasks


async def test_addresses_follow_the_public_url(settings: Settings) -> None:
    """Also below a path of another site."""
    public = "https://journal.example/direct"
    async with started(settings.model_copy(update={"public_url": public})) as site:
        entry = await site.publish()
        assert entry["url"].startswith(f"{public}/live/")
        await site.publish()
        response = await site.editor.get(f"{ENTRIES}?limit=1", headers={"Host": "elsewhere"})
        assert response.links["next"]["url"].startswith(f"{public}/api/v1/")


async def test_pages_below_a_path(settings: Settings) -> None:
    """Every link of a page leads below it: there a proxy takes the path away, and the server knows nothing of it."""
    public = "https://journal.example/direct"
    async with started(settings.model_copy(update={"public_url": public})) as site:
        entry = await site.publish()
        paths = ["/", "/live/marees", f"/live/marees/entries/{entry['id']}", "/embed/preview/marees", "/docs", "/rien"]
        for path in paths:
            page = await site.reader.get(path, headers={"Accept": "text/html"})
            links = re.findall(
                r'(?:href|src|data-api|content)="((?:https?:/)?/[^"]*|[^":]+\.(?:js|css|json))"', page.text
            )
            found = {urljoin(f"{public}{path}", link) for link in links}
            ours = {link for link in found if link.startswith("https://journal.example/")}
            assert ours
            assert {link for link in ours if not link.startswith(f"{public}/")} == set(), path
            for link in sorted(ours):
                if "/static/" in link or link.endswith("/openapi.json"):
                    assert (await site.reader.get(link.removeprefix(public))).status_code == 200, link


@pytest.mark.parametrize("path", ["/rien", "/static/rien.js", "/static/../app.py", "/static/%2e%2e/app.py", "/static/"])
async def test_paths_that_lead_nowhere(site: Site, path: str) -> None:
    """404; nothing but the built front end is served."""
    problem(await site.reader.get(path), 404)


async def test_a_client_that_leaves_while_it_sends(
    live_site: LiveSite, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is written, and it is no defect of ours that must be logged."""
    _, writer = await asyncio.open_connection("127.0.0.1", live_site.port)
    key = live_site.editor.headers["authorization"]
    head = f"POST {ENTRIES} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"body":')
    await writer.drain()

    async def works() -> bool:
        return bool(live_site.server.server_state.tasks)

    await settled(works)
    writer.close()
    await writer.wait_closed()
    await live_site.idle()
    assert (await live_site.reader.get(ENTRIES)).json()["items"] == []
    written = capfd.readouterr()
    log = written.out + written.err + caplog.text
    assert "request.failed" not in log
    assert "Exception in ASGI application" not in log


@pytest.mark.parametrize(("path", "kind"), [(ENTRIES, "application/problem+json"), ("/live/marees", "text/html")])
async def test_a_request_that_the_end_of_the_server_cancels(
    live_site: LiveSite, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    """It is told to try again, as it would be by a database that doesn't answer: nothing of ours has failed."""
    waiting = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(live_site.parts.store.entries, "page", never)
    monkeypatch.setattr(live_site.parts.store.liveblogs, "snapshot", never)
    async with httpx2.AsyncClient() as http:
        asking = asyncio.create_task(http.get(live_site.url(path)))
        await asyncio.wait_for(waiting.wait(), 10)
        [task] = live_site.server.server_state.tasks
        task.cancel()
        response = await asyncio.wait_for(asking, 10)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.headers["content-type"].startswith(kind)


async def test_two_processes_share_a_database(settings: Settings) -> None:
    """An entry published by one reaches the other's viewers, by the poll alone."""
    quick = settings.model_copy(update={"poll": 0.1})
    async with serving(quick) as first, running(quick) as second:
        viewer = Listener()
        await second.hub.join(Topic("marees"), viewer, None)
        entry = await first.publish()
        async with asyncio.timeout(10):
            messages = [orjson.loads((await viewer.frames.get()).message) for _ in range(2)]
        assert messages[1] == {"type": "entry", "seq": 1, "entry": entry}


class Listener(Viewer):
    """A viewer of the other process."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()

    def write(self, frame: Frame) -> bool:
        """Take it."""
        self.frames.put_nowait(frame)
        return True

    def close(self, code: int) -> None:
        """Nothing to end."""
