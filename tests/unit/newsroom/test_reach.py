"""Reach on a running server and over several nodes; its page, and the links that open it."""

from __future__ import annotations

import hashlib
import hmac
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree

from liveserver.domain.audience import ReachHour
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.ids import now
from liveserver.newsroom.reach import Reach
from liveserver.realtime.bus.memory import Medium, MemoryBus
from liveserver.store import tables
from liveserver.store.repositories.reach import LINKS_MAX, ReachLink
from tests.support.api.site import LIVEBLOG, SLUG, WHOLE, bad_fields, problem, settled
from tests.support.api.streams import events, websocket
from tests.support.hub_cluster import started
from tests.support.memory_history import MemoryHistory, hub_on
from tests.support.principals import NEWSROOM
from tests.support.viewers import ListSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import pytest

    from liveserver.settings import Settings
    from liveserver.store import Store
    from tests.support.api.site import LiveSite, Site

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
    await site.parts.store.reach.add([(SLUG, hour) for hour in hours])


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


async def test_thirty_days_are_shown_to_a_caller_that_names_none(site: Site) -> None:
    report = await site.parts.reach.report(SLUG)
    assert report.until - report.since == timedelta(days=29)


async def test_the_page(site: Site) -> None:
    """For anybody who has the link. Its secret is in no answer but the one that made it, and in no cache."""
    this_hour = now().replace(minute=0, second=0, microsecond=0)
    rows = [ReachHour("", this_hour, 1234, 7200, 8), ReachHour("p_<b>", this_hour, 4, 3600, 3)]
    await site.parts.store.reach.add([(SLUG, row) for row in rows])
    made = await site.editor.post(f"{LIVEBLOG}/reach/links", json={"days": 7})
    assert (made.status_code, made.headers["cache-control"]) == (201, "private, no-store")
    address = made.json()["url"]
    assert timedelta(0) <= now() + timedelta(days=7) - datetime.fromisoformat(made.json()["expires_at"])
    response = await site.reader.get(address)
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
    assert address.partition("link=")[2] not in response.text


async def link(site: Site, key: str, slug: str = SLUG, **fields: int) -> str:
    """A new link's path."""
    answer = await (await site.client(key)).post(f"/api/v1/liveblogs/{slug}/reach/links", json=fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"]).removeprefix(site.base_url)


async def test_links_that_are_not_good(site: Site) -> None:
    """Altered, made up, signed as they once were, or for another live blog."""
    await site.open_liveblog("autre")
    key = await site.key("Link", ["manage"])
    good, path = await link(site, key), f"/reach/{SLUG}"
    [stored] = [key for key in await site.parts.store.keys.all() if key.name == "Link"]
    expires = int(time.time()) + 60
    forged = hmac.new(stored.secret_hash.encode(), f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()
    for address in (
        path,
        f"{path}?link=",
        f"{path}?link=%00",
        f"{path}?link={'é' * 43}",
        f"{path}?link={'x' * 43}",
        f"{path}?link={stored.secret_hash}",
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.replace(SLUG, "autre"),
        good.replace(SLUG, "rien"),
        f"{path}?key={stored.id}&expires={expires}&signature={forged}",
    ):
        assert "dl>" not in await refusal(site, address)
    assert (await site.reader.get(good)).status_code == 200


async def test_a_link_is_not_to_be_had_from_the_database(site: Site, settings: Settings) -> None:
    """Neither from its tables nor from its files: they hold a hash of it."""
    token = (await link(site, await site.key("Link", ["manage"]))).partition("link=")[2]
    folder = Path(settings.database_url.removeprefix("sqlite:///")).parent
    content = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert token.encode() not in content
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert digest.encode() in content
    await refusal(site, f"/reach/{SLUG}?link={digest}")


async def test_a_link_ends_with_its_time_and_with_its_key(site: Site) -> None:
    """Revoked, or limited since to other live blogs."""
    store, at = site.parts.store, now()
    await site.open_liveblog("autre")
    revoked, limited = [await site.key(name, ["manage"]) for name in ("Un", "Deux")]
    good = {key: await link(site, key, days=31) for key in (revoked, limited)}
    late = ReachLink(SLUG, revoked.split("_")[1], at - timedelta(days=1), at - timedelta(milliseconds=1))
    await store.reach.add_link(hashlib.sha256(b"x" * 43).hexdigest(), late, NEWSROOM)
    assert "has expired" in await refusal(site, f"/reach/{SLUG}?link={'x' * 43}")
    for path in good.values():
        assert (await site.reader.get(path)).status_code == 200
    await store.keys.revoke(revoked.split("_")[1], now(), NEWSROOM)
    assert "was revoked" in await refusal(site, good[revoked])
    for values, said in (({"liveblogs": ["autre"]}, "limited to autre"), ({"scopes": ["publish"]}, "lacks the scope")):
        await alter(site, limited, {"liveblogs": None, "scopes": ["manage"], **values})
        assert said in await refusal(site, good[limited])


async def alter(site: Site, key: str, values: dict[str, Any]) -> None:
    """Change what a key may do."""
    altering = tables.api_keys.update().where(tables.api_keys.c.id == key.split("_")[1]).values(values)
    await site.parts.store._database.write(lambda connection: connection.execute(altering).close())


async def test_keys_that_make_links(site: Site) -> None:
    """Keys that may see the reach, for 31 days at most, of live blogs that there are."""
    url = f"{LIVEBLOG}/reach/links"
    problem(await site.reader.post(url, json={}), 401)
    problem(await (await site.client(await site.key("Desk", ["publish"]))).post(url, json={}), 403)
    problem(await site.editor.post("/api/v1/liveblogs/rien/reach/links", json={}), 404)
    for days in (0, 32, 1.0, "7", 10**30):
        assert set(bad_fields(await site.editor.post(url, json={"days": days}))) == {"/days"}
    assert (await site.editor.post(url, json={})).status_code == 201


async def test_a_live_blog_has_so_many_links(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is void with one more; those whose time is over are forgotten."""
    assert LINKS_MAX == 100
    monkeypatch.setattr("liveserver.store.repositories.reach.LINKS_MAX", 2)
    await site.open_liveblog("autre")
    store, key, at = site.parts.store, (await site.parts.store.keys.all())[0].id, now()

    async def add(name: str, slug: str, begins: int, ends: int) -> None:
        moments = (at + timedelta(seconds=begins), at + timedelta(seconds=ends))
        await store.reach.add_link(name, ReachLink(slug, key, *moments), NEWSROOM)

    async def there(*names: str) -> list[bool]:
        return [await store.reach.find_link(name) is not None for name in names]

    await add("a", SLUG, 0, 100)
    await add("b", "autre", 1, 100)
    await add("c", SLUG, 2, 10)
    assert await there("a", "b", "c") == [True, True, True]
    await add("d", SLUG, 3, 100)
    assert await there("a", "b", "c", "d") == [False, True, True, True]
    await add("e", "autre", 10, 100)
    assert await there("b", "c", "d", "e") == [True, False, True, True]


async def refusal(site: Site, address: str) -> str:
    """The page's words to a link that isn't good."""
    response = await site.reader.get(address)
    assert (response.status_code, response.headers["cache-control"]) == (403, "private, no-store")
    return response.text


# Several nodes


class Notes:
    """A store that keeps what is added."""

    def __init__(self) -> None:
        self.reach = self
        self.added: list[tuple[str, ReachHour]] = []
        self.away = False

    async def add(self, counted: Sequence[tuple[str, ReachHour]]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.added += counted


class Node:
    """A hub and its reach, with a clock of the test's."""

    def __init__(self, history: MemoryHistory, medium: Medium, notes: Notes) -> None:
        self.now = NIGHT.timestamp()
        bus = MemoryBus(medium)
        self.hub = hub_on(history, bus, poll=NEVER, poll_fast=NEVER, heartbeat=10**6)
        self.reach = Reach(cast("Store", notes), self.hub, bus, clock=lambda: self.now)
        self.hub.observe(self.reach)

    async def join(self, partner: str = "") -> ListSink:
        viewer = ListSink()
        viewer.partner = partner
        await self.hub.join(WHOLE, viewer, None)
        return viewer


@asynccontextmanager
async def cluster(nodes: int) -> AsyncIterator[tuple[list[Node], Notes]]:
    history, medium, notes = MemoryHistory(SLUG), Medium(), Notes()
    running = [Node(history, medium, notes) for _ in range(nodes)]
    async with started(*(node.hub for node in running)):
        yield running, notes


async def test_nodes_tell_each_other() -> None:
    """Viewers now and the peak are of all of them, by partner; a node that says nothing is forgotten."""
    async with cluster(2) as ([one, two], notes):
        for partner in ("", "", "p_a"):
            await one.join(partner)
        one.reach.announce()
        await two.join("p_a")
        assert two.reach.viewers_now(SLUG) == {"": 2, "p_a": 2}
        assert two.reach.viewers_now("autre") == {}
        await two.reach.flush()
        assert notes.added == [(SLUG, ReachHour("p_a", NIGHT, 1, 0, 2))]
        two.now += 10
        two.reach.announce()
        assert two.reach.viewers_now(SLUG) == {"p_a": 1}


async def test_the_store_is_away() -> None:
    async with cluster(1) as ([node], notes):
        viewer = await node.join()
        notes.away = True
        node.now += 5
        await node.reach.flush()
        node.hub.leave(WHOLE, viewer)
        node.hub.leave(WHOLE, viewer)
        notes.away = False
        await node.reach.flush()
        assert notes.added == [(SLUG, ReachHour("", NIGHT, 1, 5, 1))]
