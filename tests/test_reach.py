"""Reach on a running server and over several nodes; its page, and the links that open it."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree

from liveserver.bus.local import LocalBus, Medium
from liveserver.errors import StoreUnavailable
from liveserver.model import ReachHour, now
from liveserver.reach import Reach
from liveserver.security.links import LONGEST, signed
from tests.api.site import LIVEBLOG, SLUG, WHOLE, bad_fields, problem, settled
from tests.memory_history import MemoryHistory, hub_on
from tests.sinks import ListSink
from tests.test_streams import events, websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from liveserver.store import Store
    from tests.api.site import LiveSite, Site

pytest_plugins = ["tests.api.fixtures"]

NEVER = 10.0**6
NIGHT = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
"""In Paris it is the next day."""


async def fill(site: Site) -> None:
    hours = [
        ReachHour("", NIGHT - timedelta(hours=1), 1, 60, 1),
        ReachHour("", NIGHT, 2, 120, 2),
        ReachHour("", NIGHT + timedelta(hours=9), 10, 7200, 8),
        ReachHour("p_abc", NIGHT, 4, 3600, 3),
    ]
    await site.parts.store.add_reach([(SLUG, hour) for hour in hours])


async def test_viewers_are_counted_as_they_come_and_leave(live_site: LiveSite) -> None:
    """By WebSocket and by SSE; now, and once it is written down, for good."""
    reach, url = live_site.parts.reach, f"{LIVEBLOG}/reach"

    async def viewers() -> int:
        partners = (await live_site.editor.get(url)).json()["partners"]
        assert len(partners) <= 1
        return sum(partner["viewers"] for partner in partners)

    assert await viewers() == 0
    async with websocket(live_site) as viewer, events(live_site) as stream:
        await viewer.next()
        await stream.block()
        assert await viewers() == 2
        await reach.flush()

    async def deserted() -> bool:
        return await viewers() == 0

    await settled(deserted)
    await reach.flush()
    [found] = (await live_site.editor.get(url)).json()["partners"]
    assert (found["partner"], found["viewers"], found["views"], found["peak"]) == ("", 0, 2, 2)
    assert sum(day["views"] for day in found["days"]) == sum(hour["views"] for hour in found["hours"]) == 2


async def test_the_api(site: Site) -> None:
    """Days are the live blog's; who may ask, for whom, and for how long."""
    await fill(site)
    url, days = f"{LIVEBLOG}/reach", {"from": "2026-11-22", "to": "2026-11-22"}
    content = (await site.editor.get(url, params=days)).json()
    assert [content[name] for name in ("liveblog", "timezone", "from", "to")] == [
        *(SLUG, "Europe/Paris", "2026-11-22", "2026-11-22"),
    ]
    none, partner = content["partners"]
    assert none["days"] == [{"date": "2026-11-22", "views": 12, "seconds": 7320, "peak": 8}]
    assert [hour["hour"] for hour in none["hours"]] == ["2026-11-21T23:00:00.000Z", "2026-11-22T08:00:00.000Z"]
    assert [partner[name] for name in ("partner", "viewers", "views", "seconds", "peak")] == ["p_abc", 0, 4, 3600, 3]
    both = (await site.editor.get(url, params={**days, "from": "2026-11-21", "partner": ""})).json()["partners"]
    assert [(found["partner"], found["views"], len(found["days"])) for found in both] == [("", 13, 2)]
    [nobody] = (await site.editor.get(url, params={**days, "partner": "p_x"})).json()["partners"]
    assert (nobody["views"], nobody["hours"]) == (0, [])
    assert set(bad_fields(await site.editor.get(url, params={"from": "x", "to": "2026-13-01"}))) == {"?from", "?to"}
    for wrong in ({"from": "2026-11-23", "to": "2026-11-22"}, {"from": "2020-01-01"}):
        assert set(bad_fields(await site.editor.get(url, params=wrong))) == {"?from"}
    problem(await site.reader.get(url), 401)
    problem(await (await site.client(await site.key("Desk", ["publish"]))).get(url), 403)
    problem(await site.editor.get("/api/v1/liveblogs/rien/reach"), 404)


async def test_thirty_days_are_shown_to_who_names_none(site: Site) -> None:
    report = await site.parts.reach.report(SLUG)
    assert report.until - report.since == timedelta(days=29)


async def test_the_page(site: Site) -> None:
    """For who has the link, until it expires, is changed, or its key is revoked."""
    key = await site.key("Link", ["manage"])
    path, soon = f"/reach/{SLUG}", int(time.time()) + 60
    this_hour = now().replace(minute=0, second=0, microsecond=0)
    rows = [ReachHour("", this_hour, 1234, 7200, 8), ReachHour("p_<b>", this_hour, 4, 3600, 3)]
    await site.parts.store.add_reach([(SLUG, row) for row in rows])
    response = await site.reader.get(signed(key, path, soon))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "<dd>1,234</dd>" in response.text
    assert "p_&lt;b&gt;" in response.text
    assert "<b>" not in response.text
    pictures = [part.partition("</svg>")[0] for part in response.text.split("<svg")[1:]]
    assert len(pictures) == 2
    for picture in pictures:
        root = ElementTree.fromstring(f"<svg{picture}</svg>")
        assert len([e for e in root.iter() if e.get("class", "").startswith("fill-")]) == 3
    good = signed(key, path, soon)
    refused = [
        path,
        good.replace(f"expires={soon}", f"expires={soon + 1}"),
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        signed(key, path, int(time.time()) - 1),
        signed(key, path, int(time.time()) + LONGEST + 60),
        signed(key, "/reach/autre", soon).replace("autre", SLUG),
        good.replace("key=", "key=x"),
        good.replace("signature=", "signature=%C3%A9"),
        f"{path}?key=%00&expires=x",
    ]
    publisher = signed(await site.key("Desk", ["publish"]), path, soon)
    for address in (*refused, publisher):
        assert "dl>" not in await refusal(site, address)
    assert "lacks the scope “manage”" in await refusal(site, publisher)
    assert "has expired" in await refusal(site, refused[3])
    problem(await site.reader.get(signed(key, "/reach/rien", soon)), 404)
    await site.parts.store.revoke_key(key.split("_")[1], now())
    assert "was revoked" in await refusal(site, good)


async def refusal(site: Site, address: str) -> str:
    """What the page says to a link that isn't good."""
    response = await site.reader.get(address)
    assert (response.status_code, response.headers["cache-control"]) == (403, "private, no-store")
    return response.text


# Several nodes


class Notes:
    """A store that keeps what is added."""

    def __init__(self) -> None:
        self.added: list[tuple[str, ReachHour]] = []
        self.away = False

    async def add_reach(self, counted: Sequence[tuple[str, ReachHour]]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.added += counted


class Node:
    """A hub and its reach, with a clock of the test's."""

    def __init__(self, history: MemoryHistory, medium: Medium, notes: Notes) -> None:
        self.now = NIGHT.timestamp()
        bus = LocalBus(medium)
        self.hub = hub_on(history, bus, poll=NEVER, poll_fast=NEVER, heartbeat=10**6)
        self.reach = Reach(cast("Store", notes), self.hub, bus, clock=lambda: self.now)

    async def join(self, partner: str = "") -> ListSink:
        sink = ListSink()
        sink.partner = partner
        await self.hub.join(WHOLE, sink, None)
        return sink


@asynccontextmanager
async def cluster(nodes: int) -> AsyncIterator[tuple[list[Node], Notes]]:
    history, medium, notes = MemoryHistory(SLUG), Medium(), Notes()
    running = [Node(history, medium, notes) for _ in range(nodes)]
    for node in running:
        await node.hub.start()
    yield running, notes
    for node in running:
        await node.hub.close()


async def test_nodes_tell_each_other() -> None:
    """Viewers now and the peak are of all of them, by partner; a node that says nothing is forgotten."""
    async with cluster(2) as ([one, two], notes):
        for partner in ("", "", "p_a"):
            await one.join(partner)
        one.reach.announce()
        await two.join("p_a")
        assert two.reach._now(SLUG) == {"": 2, "p_a": 2}
        assert two.reach._now("autre") == {}
        await two.reach.flush()
        assert notes.added == [(SLUG, ReachHour("p_a", NIGHT, 1, 0, 2))]
        two.now += 10
        two.reach.announce()
        assert two.reach._now(SLUG) == {"p_a": 1}


async def test_the_store_is_away() -> None:
    async with cluster(1) as ([node], notes):
        sink = await node.join()
        notes.away = True
        node.now += 5
        await node.reach.flush()
        node.hub.leave(WHOLE, sink)
        node.hub.leave(WHOLE, sink)
        notes.away = False
        await node.reach.flush()
        assert notes.added == [(SLUG, ReachHour("", NIGHT, 1, 5, 1))]
