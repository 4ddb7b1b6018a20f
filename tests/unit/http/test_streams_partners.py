"""Streams of partners, on real servers: filters, delays, and being switched off; over both stacks."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from liveserver.client import Client
from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.settings import Settings
from tests.support.api.site import (
    BASE,
    ENTRIES,
    LIVEBLOG,
    OURS,
    SETTINGS,
    SLUG,
    STOCK,
    LiveSite,
    Stack,
    serving,
    settled,
    started,
)
from tests.support.api.streams import Viewer, events, websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.api.site import JSON, Site

PARTNERS = "/api/v1/partners"
DELAY = 2


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
async def live(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[LiveSite]:
    """Viewers that were handed over, and viewers behind ASGI's `send`: they get the same."""
    stack: Stack = request.param
    async with serving(settings, stack) as site:
        yield site


async def take_in(site: Site, **fields: Any) -> str:
    """A new partner; its query."""
    response = await site.editor.post(PARTNERS, json={"name": "Le Phare", **fields})
    assert response.status_code == 201, response.text
    return f"?partner={response.json()['id']}"


async def change(site: Site, query: str, **fields: Any) -> None:
    """Other rules for the partner."""
    path = f"{PARTNERS}/{query.removeprefix('?partner=')}"
    response = await site.editor.patch(path, json=fields, headers={"If-Match": "*"})
    assert response.status_code == 200, response.text


async def change_of(viewer: Viewer) -> tuple[str, int | None, str]:
    """The next message in short: what, which change, which entry."""
    message: JSON = await viewer.next()
    entry_id = message["entry"]["id"] if message["type"] == "entry" else message.get("id", "")
    return message["type"], message.get("seq"), entry_id


async def test_neither_filter_nor_delay(live: LiveSite) -> None:
    """A partner's viewers share the live blog's own room, and are counted."""
    query = await take_in(live)
    async with websocket(live, query) as viewer, websocket(live) as other, events(live, query) as stream:
        assert (await viewer.next())["type"] == (await other.next())["type"] == "hello"
        await stream.next()
        assert live.parts.hub.count(SLUG) == 3
        assert live.parts.partners.viewers(query.removeprefix("?partner=")) == 2
        await live.publish()
        assert (await viewer.raw()) == (await other.raw()) == (await stream.next()).data
    await settled(_nobody(live, query))


def _somebody(site: LiveSite, query: str) -> Any:
    async def came() -> bool:
        return site.parts.partners.viewers(query.removeprefix("?partner=")) == 1

    return came


def _nobody(site: LiveSite, query: str) -> Any:
    async def left() -> bool:
        return site.parts.partners.viewers(query.removeprefix("?partner=")) == site.parts.hub.count(SLUG) == 0

    return left


async def test_a_filtered_stream(live: LiveSite) -> None:
    """Seqs without gaps; what it may not see (any more) is deleted; a resume means the same."""
    query = await take_in(live, tags=["mer"])
    start = await live.position()
    async with websocket(live, query) as viewer, events(live, query) as stream:
        assert (await viewer.next())["seq"] == 0
        await stream.next()
        sea = await live.publish(tags=["mer"])
        land = await live.publish("<p>secret</p>", tags=["terre"])
        sea = await live.edit(sea, tags=["terre"])
        land = await live.edit(land, tags=["terre", "mer"])
        expected = [
            ("entry", 1, sea["id"]),
            ("delete", 2, land["id"]),
            ("delete", 3, sea["id"]),
            ("entry", 4, land["id"]),
        ]
        assert [await change_of(viewer) for _ in expected] == expected
        told = [await stream.next() for _ in expected]
        assert [event.id for event in told] == [f"{start.partition('-')[0]}-{seq}" for seq in (1, 2, 3, 4)]
        assert b"secret" not in told[1].data
    async with websocket(live, f"{query}&after={start}") as viewer:
        assert (await viewer.next())["resumed"] is True
        assert [await change_of(viewer) for _ in range(2)] == expected[2:]


@pytest.mark.slow
async def test_a_delayed_stream(live: LiveSite) -> None:
    """Each change when it is due, in order; a deletion at once, and then in its turn."""
    query = await take_in(live, delay=DELAY)
    clock = asyncio.get_running_loop().time
    old = await live.publish("<p>old</p>")
    await settled(_stands_at(live, query, 1))
    after = f"{(await live.position()).partition('-')[0]}-1"
    async with websocket(live, f"{query}&after={after}") as viewer:
        assert (await viewer.next())["resumed"] is True
        began = clock()
        new = await live.publish("<p>new</p>")
        hasty = await live.publish("<p>hasty</p>")
        await live.delete(hasty)
        await live.delete(old)
        assert await change_of(viewer) == ("gone", None, hasty["id"])
        assert await change_of(viewer) == ("gone", None, old["id"])
        assert clock() - began < DELAY * 0.9
        snapshot = (await live.reader.get(f"{LIVEBLOG}/snapshot{query}")).json()
        assert (snapshot["seq"], snapshot["entries"]) == (1, [])
        async with websocket(live, f"{query}&after={after}") as late:
            assert await change_of(late) == ("hello", 1, "")
            assert {await change_of(late), await change_of(late)} == {
                ("gone", None, hasty["id"]),
                ("gone", None, old["id"]),
            }
        assert await change_of(viewer) == ("entry", 2, new["id"])
        assert clock() - began >= DELAY * 0.99
        expected = [("delete", 3, hasty["id"]), ("delete", 4, hasty["id"]), ("delete", 5, old["id"])]
        assert [await change_of(viewer) for _ in expected] == expected


@pytest.mark.slow
async def test_a_withdrawn_entry_comes_back_to_a_delayed_stream(live: LiveSite) -> None:
    """It goes at once, and its new text comes in its turn; a second withdrawal is told as the first was."""
    query = await take_in(live, delay=DELAY)
    old = await live.publish("<p>old</p>")
    await settled(_stands_at(live, query, 1))
    after = f"{(await live.position()).partition('-')[0]}-1"
    address = f"{ENTRIES}/{old['id']}"
    async with websocket(live, f"{query}&after={after}") as viewer:
        assert (await viewer.next())["resumed"] is True
        draft = (await live.editor.post(f"{address}/withdraw")).json()
        assert await change_of(viewer) == ("gone", None, old["id"])
        again = await live.edit(draft, status="published", body="<p>new</p>")
        snapshot = (await live.reader.get(f"{LIVEBLOG}/snapshot{query}")).json()
        assert (snapshot["seq"], snapshot["entries"]) == (1, [])
        assert await change_of(viewer) == ("delete", 2, old["id"])
        message = await viewer.next()
        assert (message["type"], message["seq"], message["entry"]["body"]) == ("entry", 3, "<p>new</p>")
        await live.editor.post(f"{ENTRIES}/{again['id']}/withdraw")
        assert await change_of(viewer) == ("gone", None, old["id"])
        assert await change_of(viewer) == ("delete", 4, old["id"])


def _stands_at(site: LiveSite, query: str, seq: int) -> Any:
    async def stands() -> bool:
        reached: int = (await site.reader.get(f"{LIVEBLOG}/snapshot{query}")).json()["seq"]
        return reached == seq

    return stands


@pytest.mark.slow
async def test_refused(live: LiveSite) -> None:
    """4503 over WebSocket, 403 over SSE: don't come back."""
    query = await take_in(live, origins=["https://a.example"])
    for path, origin, code in (
        ("?partner=p_abcdefghijkl", None, 4503),
        (query, "https://evil.example", 4503),
    ):
        async with websocket(live, path, origin=Origin(origin) if origin else None) as viewer:
            assert await viewer.end() == code
        headers = {"Origin": origin} if origin else {}
        async with httpx2.AsyncClient() as client:
            response = await client.get(live.url(f"{LIVEBLOG}/events{path}"), headers=headers)
        assert response.status_code == 403
    for origin in ("https://a.example", BASE):
        async with websocket(live, query, origin=Origin(origin) if origin else None) as viewer:
            assert (await viewer.next())["type"] == "hello"


async def test_switched_off(live: LiveSite) -> None:
    """Its viewers are closed, whatever view they have; nobody else's are."""
    plain, late = await take_in(live), await take_in(live, tags=["mer"], delay=60)
    async with (
        websocket(live, plain) as first,
        websocket(live, late) as second,
        websocket(live) as other,
        events(live, plain) as stream,
    ):
        for viewer in (first, second, other):
            await viewer.next()
        await stream.next()
        await change(live, plain, enabled=False)
        assert await first.end() == 4503
        assert await stream.block() is None
        path = f"{PARTNERS}/{late.removeprefix('?partner=')}"
        assert (await live.editor.delete(path)).status_code == 204
        assert await second.end() == 4503
        await live.publish()
        assert (await other.next())["type"] == "entry"


async def test_other_rules(live: LiveSite) -> None:
    """A viewer that has another view from now on starts afresh, and comes back."""
    query = await take_in(live, tags=["mer"])
    async with websocket(live, query) as viewer:
        await viewer.next()
        await change(live, query, name="Autre")
        await change(live, query, tags=["terre"])
        assert (await viewer.next())["type"] == "reset"
        assert await viewer.end() == 1012


async def test_other_rules_for_a_reader_who_has_it_all(live: LiveSite) -> None:
    """Where a reader stands says nothing of what it has: it starts afresh, though nothing was written meanwhile."""
    await live.publish(tags=["mer"])
    await live.publish(tags=["terre"])
    query = await take_in(live, tags=["mer"])
    shown: asyncio.Queue[JSON] = asyncio.Queue()

    async def follow(client: Client) -> None:
        snapshot = await client.snapshot(SLUG)
        shown.put_nowait(snapshot)
        position = Position(snapshot["epoch"], snapshot["seq"])
        async for message in client.follow(SLUG, position, on_state=lambda state: shown.put_nowait({"type": state})):
            shown.put_nowait(message)

    async with Client(live.url(""), partner=query.removeprefix("?partner=")) as client, asyncio.timeout(10):
        following = asyncio.create_task(follow(client))
        assert [entry["tags"] for entry in (await shown.get())["entries"]] == [["mer"]]
        assert await shown.get() == {"type": "live"}
        await settled(_somebody(live, query))
        await change(live, query, tags=["terre"])
        assert [entry["tags"] for entry in (await shown.get())["entries"]] == [["terre"]]
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.mark.slow
async def test_switched_off_on_another_node(empty_database: Path, tmp_path: Path) -> None:
    """Also one that nobody tells, within five seconds."""
    shutil.copy(empty_database, tmp_path / "shared.db")
    shared = Settings(**{**SETTINGS, "database_url": f"sqlite:///{tmp_path}/shared.db"})
    async with serving(shared) as there, started(shared, again=True) as here:
        query = await take_in(here)
        async with websocket(there, query) as viewer:
            await viewer.next()
            began = asyncio.get_running_loop().time()
            await change(here, query, enabled=False)
            assert await viewer.end() == 4503
            assert asyncio.get_running_loop().time() - began < 5


async def test_views_are_rooms_of_the_hub(live: LiveSite) -> None:
    """Partners with the same rules share one; its position is the live blog's."""
    one, two = await take_in(live, tags=["b", "a"]), await take_in(live, tags=["a", "b"])
    topic = Topic(SLUG, ("a", "b"))
    async with websocket(live, one) as first, websocket(live, two) as second:
        await first.next()
        await second.next()
        assert [(each.topic, each.count) for each in live.parts.hub.channels()] == [(topic, 2)]
        await live.publish()
        assert await first.raw() == await second.raw()
        assert live.parts.hub.reached(topic) == Position.parse(await live.position())


INVENTED = [
    f"/api/v1/liveblogs/{SLUG}%3F{view}"
    for view in (
        "delay=0",
        "delay%3D0",
        "delay=1",
        "delay=795",
        "delay=7199",
        "delay=0%26tag=mer",
        "delay=-1",
        "delay=x",
        "x",
    )
]
"""Where somebody may look for a view: as the hub once named them, and nearly so."""


async def test_no_way_round_who_may_show_it(live: LiveSite) -> None:
    """A page that may not show the live blog doesn't get it under any other name either."""
    await live.publish("<p>Pour nous seuls</p>")
    embedding = {"embedding": {"mode": "nobody"}}
    assert (await live.editor.patch(LIVEBLOG, json=embedding, headers={"If-Match": "*"})).status_code == 200
    await live.parts.partners.refresh()
    evil = Origin("https://evil.example")
    async with websocket(live, origin=evil) as viewer:
        assert await viewer.end() == 4503
    async with httpx2.AsyncClient() as client:
        for path in INVENTED:
            with pytest.raises(InvalidStatus) as refused:
                async with websocket(live, "?after=x-0", path=path, origin=evil) as viewer:
                    raise AssertionError(f"{path} says {await viewer.next()}")
            assert refused.value.response.status_code == 404
            async with client.stream("GET", live.url(f"{path}/events"), headers={"Origin": evil}) as response:
                assert response.status_code == 404


async def test_what_was_corrected_has_no_address(live: LiveSite) -> None:
    """The words of an entry before its correction are in its revisions, and nowhere that needs no key."""
    entry = await live.publish("<p>Le nom du témoin</p>")
    await live.edit(entry, body="<p>Un témoin</p>")
    start = (await live.position()).partition("-")[0] + "-0"
    async with httpx2.AsyncClient() as client:
        for path in INVENTED:
            for rest in (f"events?after={start}", f"changes?after={start}", "snapshot", "entries"):
                async with client.stream("GET", live.url(f"{path}/{rest}")) as response:
                    assert response.status_code == 404, f"{path}/{rest}"


async def test_invented_names_make_no_rooms(live: LiveSite) -> None:
    """However many of them, and by whichever stream: a publish has nobody but readers to tell."""
    async with AsyncExitStack() as stack:
        for number in range(150):
            with suppress(InvalidStatus):
                path = f"/api/v1/liveblogs/{SLUG}%3Fdelay={number + 1}"
                viewer = await stack.enter_async_context(websocket(live, path=path))
                await viewer.next()
        assert len(list(live.parts.hub.channels())) == 0


@pytest.mark.slow
async def test_no_more_topics_than_partners(live: LiveSite) -> None:
    """There are topics of existing live blogs and existing partners only, whatever is asked for."""
    await live.open_liveblog("vote")
    rules: tuple[dict[str, Any], ...] = ({}, {"tags": ["mer"]}, {"tags": ["mer"]}, {"delay": 60})
    partners = [await take_in(live, **fields) for fields in rules]
    partners.append(await take_in(live, liveblogs=[SLUG], delay=7))
    strangers = ["?partner=p_", f"?partner={SLUG}", "?partner=%3Fdelay=3", "?partner=p_a%00"]
    queries = [*partners, *strangers, "", "?delay=9", "?tag=terre", "?tags=terre&delay=9"]

    async def look(slug: str, query: str) -> None:
        path = f"/api/v1/liveblogs/{slug}"
        for rest in ("snapshot", "entries", "embed"):
            await live.reader.get(f"{path}/{rest}{query}")
        await live.reader.get(f"{path}/changes{query}{'&' if query else '?'}after=x-0")
        async with client.stream("GET", live.url(f"{path}/events{query}")) as response:
            await anext(response.aiter_raw())
        with suppress(InvalidStatus, ConnectionClosed):
            async with websocket(live, query, path=path) as viewer:
                await viewer.raw()

    async with httpx2.AsyncClient() as client:
        for slug in (SLUG, "vote", "rien", "Marees", f"{SLUG}%3Fdelay=3"):
            for query in queries:
                await look(slug, query)
        await look(SLUG, "?partner=p_abcdefghijkl")
    topics = {Topic(slug, tags, delay) for slug in (SLUG, "vote") for tags, delay in (((), 0), (("mer",), 0), ((), 60))}
    assert {channel.topic for channel in live.parts.hub.channels()} == {*topics, Topic(SLUG, (), 7)}
