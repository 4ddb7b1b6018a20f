"""Takedowns on a running server, over WebSocket, SSE and POST."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest
from structlog.testing import capture_logs

from liveserver.domain.ids import now
from liveserver.protocol.messages import gone_answer
from liveserver.protocol.resources import takedown_object
from liveserver.realtime.transport.viewer_budget import FRAMES
from tests.support.api.site import ENTRIES, LIVEBLOG, OURS, SLUG, STOCK, Stack, bad_fields, problem, settled
from tests.support.api.streams import Viewer, events, websocket
from tests.support.takedown_figures import figures

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import JSON, LiveSite, Site

UNKNOWN = "0192c0de-0000-7000-8000-000000000000"


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
def stack(request: pytest.FixtureRequest) -> Stack:
    chosen: Stack = request.param
    return chosen


async def take_down(site: Site, entry: JSON) -> JSON:
    response = await site.editor.delete(f"{ENTRIES}/{entry['id']}", params={"confirm": "true"})
    assert response.status_code == 200, response.text
    takedown: JSON = response.json()["takedown"]
    return takedown


async def state(site: Site, entry: JSON) -> JSON:
    response = await site.editor.get(f"{LIVEBLOG}/takedowns/{entry['id']}")
    assert response.status_code == 200, response.text
    found: JSON = response.json()
    return found


async def reached(site: Site, entry: JSON, *expected: int) -> None:
    """Wait for figures."""
    found: list[int] = []

    async def check() -> bool:
        found[:] = figures(await state(site, entry))
        return found == [*expected]

    try:
        await settled(check, seconds=5)
    except TimeoutError:
        assert found == [*expected]


async def say(viewer: Viewer, message: bytes) -> None:
    await viewer.connection.send(message.decode())


async def post(site: Site, content: JSON) -> httpx2.Response:
    """As a page of another origin does, which asks nobody before."""
    headers = {"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://www.example.org"}
    return await site.reader.post(f"{LIVEBLOG}/gone", content=orjson.dumps(content), headers=headers)


async def test_what_becomes_of_viewers(live_site: LiveSite) -> None:
    """They are asked, confirm, had it or not, leave or never answer, by WebSocket, deflated or not, and by SSE."""
    entry = await live_site.publish()
    async with AsyncExitStack() as stack:
        had, had_not, silent = [await stack.enter_async_context(websocket(live_site)) for _ in range(3)]
        plain = await stack.enter_async_context(websocket(live_site, compression=None))
        stream = await stack.enter_async_context(events(live_site))
        reply_id = (await stream.next()).message["viewer"]
        async with websocket(live_site) as leaves:
            for viewer in (had, had_not, silent, plain, leaves):
                assert "viewer" not in await viewer.next()
            begun = await take_down(live_site, entry)
            assert figures(begun) == [6, 0, 0, 0, 6]
            assert (begun["entry_id"], begun["seq"], begun["ended_at"]) == (entry["id"], 2, None)
            expected = {"type": "delete", "seq": 2, "id": entry["id"], "confirm": {"within": 5000}}
            for viewer in (had, had_not, silent, plain, leaves):
                assert await viewer.next() == expected
            assert (await stream.next()).message == expected
        await reached(live_site, entry, 6, 0, 0, 1, 5)
        for viewer, word_of_it in ((had, True), (had_not, False), (plain, True)):
            await say(viewer, gone_answer(entry["id"], had=word_of_it))
        await reached(live_site, entry, 6, 2, 3, 1, 2)
        for _ in range(2):
            response = await post(live_site, {"id": entry["id"], "had": True, "viewer": reply_id})
            assert (response.status_code, response.headers["access-control-allow-origin"]) == (204, "*")
        await reached(live_site, entry, 6, 3, 4, 1, 1)
        assert figures((await state(live_site, entry))["by_partner"][""]) == [6, 3, 4, 1, 1]


async def test_viewers_that_come_back_or_poll(live_site: LiveSite) -> None:
    """They are asked by what they missed, and count once they answer."""
    entry = await live_site.publish()
    position = await live_site.position()
    await take_down(live_site, entry)
    expected = {"type": "delete", "seq": 2, "id": entry["id"], "confirm": {"within": 5000}}
    missed = (await live_site.reader.get(f"{LIVEBLOG}/changes", params={"after": position})).json()
    assert missed["events"] == [expected]
    await reached(live_site, entry, 0, 0, 0, 0, 0)
    async with websocket(live_site, f"?after={position}") as back:
        await back.next()
        assert await back.next() == expected
        await say(back, gone_answer(entry["id"], had=True))
        await reached(live_site, entry, 1, 1, 1, 0, 0)
        await post(live_site, {"id": entry["id"], "had": False, "viewer": "a-poller"})
        await reached(live_site, entry, 2, 1, 2, 0, 0)


async def test_viewers_of_partners(live_site: LiveSite) -> None:
    """They count for the live blog, each for its partner; a late one is asked at once."""
    rules: JSON = {"plain": {}, "filtered": {"tags": ["mer"]}, "late": {"delay": 60}, "away": {}}
    ids = {}
    for name in rules:
        given = {"name": name, **rules[name]}
        ids[name] = (await live_site.editor.post("/api/v1/partners", json=given)).json()["id"]
    query = {name: f"?partner={partner}" for name, partner in ids.items()}
    entry = await live_site.publish()
    asking = {"confirm": {"within": 5000}}
    async with AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(websocket(live_site, query.get(n, ""))) for n in ("", *ids)]
        for viewer in viewers:
            await viewer.next()
        ours, plain, filtered, late, _ = viewers
        stream = await stack.enter_async_context(events(live_site, query["plain"]))
        reply_id = (await stream.next()).message["viewer"]
        assert live_site.parts.hub.count(SLUG) == 6
        now = (await live_site.parts.reach.report(SLUG)).partners
        expected = {"": 1, ids["plain"]: 2, ids["filtered"]: 1, ids["late"]: 1, ids["away"]: 1}
        assert {one.partner: one.viewers for one in now} == expected
        assert figures(await take_down(live_site, entry)) == [6, 0, 0, 0, 6]
        for viewer in (ours, plain, filtered):
            assert await viewer.next() == {"type": "delete", "seq": 2, "id": entry["id"], **asking}
        # The entry itself isn't due yet either.
        assert await late.next() == {"type": "gone", "id": entry["id"], **asking}
        for viewer, had in ((plain, True), (filtered, False), (late, True)):
            await say(viewer, gone_answer(entry["id"], had=had))
        await post(live_site, {"id": entry["id"], "had": True, "viewer": reply_id})
        await live_site.editor.patch(
            f"/api/v1/partners/{ids['away']}", json={"enabled": False}, headers={"If-Match": "*"}
        )
        await reached(live_site, entry, 6, 3, 4, 1, 1)
        headers = {"Origin": "https://www.example.org"}
        answer = {"id": entry["id"], "had": True, "viewer": "a-poller"}
        path = f"{LIVEBLOG}/gone{query['late']}"
        assert (await live_site.reader.post(path, content=orjson.dumps(answer), headers=headers)).status_code == 204
        found = await state(live_site, entry)
        assert {partner: figures(counts) for partner, counts in found["by_partner"].items()} == {
            "": [1, 0, 0, 0, 1],
            ids["plain"]: [2, 2, 2, 0, 0],
            ids["filtered"]: [1, 0, 1, 0, 0],
            ids["late"]: [2, 2, 2, 0, 0],
            ids["away"]: [1, 0, 0, 1, 0],
        }


async def test_a_late_viewer_that_polls(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked as well, by what `changes` says is gone; it counts for the partner."""
    given = {"name": "Le Phare", "delay": 3600}
    partner = (await site.editor.post("/api/v1/partners", json=given)).json()["id"]
    entry = await site.publish()
    then = now() + timedelta(seconds=3600)
    monkeypatch.setattr(site.parts.history, "_clock", lambda: then)
    query = {"partner": partner, "after": await site.position()}
    await take_down(site, entry)
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params=query)).json()
    assert changes["events"] == [{"type": "gone", "id": entry["id"], "confirm": {"within": 5000}}]
    answer = orjson.dumps({"id": entry["id"], "had": True, "viewer": "a-poller"})
    response = await site.reader.post(f"{LIVEBLOG}/gone", params={"partner": partner}, content=answer)
    assert response.status_code == 204
    assert figures((await state(site, entry))["by_partner"][partner]) == [1, 1, 1, 0, 0]


async def test_what_viewers_may_say(live_site: LiveSite) -> None:
    """Nonsense, answers nobody asked for, and what is too long to be looked at; the connection stays."""
    entry, other = await live_site.publish(), await live_site.publish()
    async with websocket(live_site) as viewer:
        await viewer.next()
        await take_down(live_site, entry)
        await viewer.next()
        answer = gone_answer(entry["id"], had=True).decode()
        nonsense = ["", "x", "[]", "null", '"gone"', '{"type":"gone"}', answer.replace("true", "1"), answer + " " * 256]
        nonsense += [gone_answer(other["id"], had=True).decode(), gone_answer(UNKNOWN, had=True).decode()]
        for text in nonsense:
            await viewer.connection.send(text)
        await viewer.connection.send(answer.encode())
        await (await viewer.connection.ping())
        assert figures(await state(live_site, entry)) == [1, 0, 0, 0, 1]
        await viewer.connection.send(answer)
        await reached(live_site, entry, 1, 1, 1, 0, 0)
        assert (await live_site.publish())["id"] == (await viewer.next())["entry"]["id"]


async def test_a_viewer_that_answers_many_deletions_at_once_is_kept(live_site: LiveSite) -> None:
    """As a page does that was in the background: what was asked for counts on top of what a viewer may say."""
    entries = [await live_site.publish() for _ in range(FRAMES + 10)]
    async with websocket(live_site) as viewer:
        await viewer.next()
        for entry in entries:
            await take_down(live_site, entry)
            assert (await viewer.next())["id"] == entry["id"]
        for entry in entries:
            await say(viewer, gone_answer(entry["id"], had=True))
        await reached(live_site, entries[-1], 1, 1, 1, 0, 0)
        assert (await live_site.publish())["id"] == (await viewer.next())["entry"]["id"]


async def test_the_api(site: Site) -> None:
    """Keys that may see it, answers before and without it, and the form of a post."""
    entry, plain, draft = await site.publish(), await site.publish(), await site.publish(status="draft")
    await site.delete(plain)
    for entry_id in (entry["id"], plain["id"], UNKNOWN, "x", "%00"):
        problem(await site.editor.get(f"{LIVEBLOG}/takedowns/{entry_id}"), 404)
    response = await site.editor.delete(f"{ENTRIES}/{draft['id']}", params={"confirm": "1"})
    assert (response.status_code, response.json()) == (200, {"takedown": None})
    problem(await site.reader.delete(f"{ENTRIES}/{entry['id']}", params={"confirm": "1"}), 401)
    assert set(bad_fields(await site.editor.delete(f"{ENTRIES}/{entry['id']}", params={"confirm": "perhaps"}))) == {
        "?confirm"
    }
    await take_down(site, entry)
    problem(await site.editor.delete(f"{ENTRIES}/{entry['id']}", params={"confirm": "1"}), 410)
    problem(await site.reader.get(f"{LIVEBLOG}/takedowns/{entry['id']}"), 401)
    await site.open_liveblog("autre")
    problem(await site.editor.get(f"/api/v1/liveblogs/autre/takedowns/{entry['id']}"), 404)
    assert set(bad_fields(await post(site, {"id": entry["id"]}))) == {"/had", "/viewer"}
    problem(await post(site, {"id": entry["id"], "had": True, "viewer": "w" * 300}), 413)
    assert (await post(site, {"id": UNKNOWN, "had": True, "viewer": "w"})).status_code == 204


async def test_the_end_of_the_server_keeps_the_counts(site: Site) -> None:
    entry = await site.publish()
    await take_down(site, entry)
    await post(site, {"id": entry["id"], "had": True, "viewer": "w"})
    await site.parts.takedowns.close()
    ended = await site.parts.store.takedowns.find(SLUG, entry["id"])
    assert ended.ended_at is not None
    assert figures(takedown_object(ended)) == [1, 1, 1, 0, 0]


async def test_one_whose_entry_is_no_more_is_dropped(site: Site) -> None:
    """As where a backup was restored after its deletion: the database refuses it. The next one goes on, and the end."""
    entry = await site.publish()

    async def dropped() -> bool:
        return UNKNOWN not in site.parts.takedowns._active

    with capture_logs() as logs:
        site.parts.takedowns.begin(SLUG, UNKNOWN, 5)
        await settled(dropped)
        await take_down(site, entry)
        site.parts.takedowns.begin(SLUG, UNKNOWN, 5)
        await site.parts.takedowns.close()
    assert [log["event"] for log in logs if "takedown" in log["event"]] == ["takedowns.dropped"] * 2
    assert (await state(site, entry))["ended_at"] is not None
    problem(await site.editor.get(f"{LIVEBLOG}/takedowns/{UNKNOWN}"), 404)
