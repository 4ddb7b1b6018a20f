"""The answers for operators: is the server alive, can it publish."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from liveserver.utils.single_flight import FreshFlight
from tests.support.api.site import LIVEBLOG, problem, settled

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.support.api.site import Site


async def test_alive_and_ready(site: Site) -> None:
    """200, and nobody keeps the answer."""
    for path, content in {"/healthz": {"status": "ok"}, "/readyz": {"status": "ready", "bus": "up"}}.items():
        response = await site.reader.get(path)
        assert (response.status_code, response.json()) == (200, content)
        assert response.headers["cache-control"] == "no-store"


async def test_requests_at_once_share_a_look(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes, and nobody who asks has a limit; a look that began before the question isn't the truth."""
    looks: list[asyncio.Event] = []
    database = site.parts.store._database

    async def ping() -> None:
        looks.append(asyncio.Event())
        await looks[-1].wait()

    monkeypatch.setattr(database, "ping", ping)
    calls: list[object] = []
    call = FreshFlight.__call__

    def noted(shared: FreshFlight[None]) -> Coroutine[None, None, None]:
        if shared is site.parts.writable:
            calls.append(shared)
        return call(shared)

    monkeypatch.setattr(FreshFlight, "__call__", noted)
    first = asyncio.create_task(site.reader.get("/readyz"))

    async def begun(number: int) -> bool:
        return len(looks) == number

    await settled(partial(begun, 1))
    others = [asyncio.create_task(site.reader.get("/readyz")) for _ in range(20)]

    async def all_ask() -> bool:
        return len(calls) == 21

    await settled(all_ask)
    looks[0].set()
    await settled(partial(begun, 2))
    assert ((await first).status_code, any(other.done() for other in others)) == (200, False)
    looks[1].set()
    assert {answer.status_code for answer in await asyncio.gather(*others)} == {200}
    assert len(looks) == 2


async def test_not_ready_but_alive_when_it_is_about_to_end(site: Site) -> None:
    """A balancer is to send nobody any more; what comes all the same is served, but for new viewers."""
    site.parts.hub.begin_draining()
    answer = await site.reader.get("/readyz")
    assert problem(answer, 503)["type"] == "urn:liveserver:problem:draining"
    assert answer.headers["retry-after"] == "2"
    assert (await site.reader.get("/healthz")).status_code == 200
    await site.publish()
    assert (await site.reader.get(LIVEBLOG)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
async def test_they_are_only_read(site: Site, path: str) -> None:
    """GET and HEAD."""
    assert (await site.reader.head(path)).status_code == 200
    response = await site.reader.post(path)
    problem(response, 405)
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_no_browser_guesses_what_it_got(site: Site) -> None:
    """Every answer has the header that forbids guessing."""
    for path in ("/healthz", "/docs", "/api/v1/liveblogs", "/api/v1/rien", "/live/marees", "/live/rien", "/rien"):
        assert (await site.reader.get(path)).headers["x-content-type-options"] == "nosniff"
