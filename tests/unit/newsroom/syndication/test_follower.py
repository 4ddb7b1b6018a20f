"""Following a live blog of another server: two real servers, one of which republishes what the other publishes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import feedparser
import orjson
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from liveserver.client import live_stream, requests
from liveserver.content.sanitiser_pool import SMALL
from liveserver.domain.errors import Busy
from liveserver.newsroom.syndication import follower as follower_module
from liveserver.newsroom.syndication import remote_entry
from liveserver.newsroom.syndication.follower import Follower
from liveserver.protocol import json_encoding
from liveserver.utils.limits.rate_limiter import Throttle
from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG, LiveSite, problem, settled
from tests.support.syndication_pair import CHANGES, EMBED, HEAD, ID, Pair, entries, imposter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tests.support.api.site import JSON


async def test_what_is_published_edited_and_deleted_there_is_here(pair: Pair) -> None:
    before = await pair.source.publish("<p>Avant.</p>", heading="Hier", publish_at="2026-11-01T10:00:00Z")
    await pair.follow()
    await pair.in_state("live")
    entry = await pair.source.publish(
        "<p>La mer <em>monte</em>.</p>",
        heading="À quai",
        authors=["Léa"],
        key_event=True,
        breaking=True,
        pinned=True,
        tags=["côte"],
        verification="claimed",
        source="Un pêcheur",
    )
    await pair.mirror.publish("<p>Le nôtre.</p>")
    first = await pair.level()
    assert [each["published_at"] for each in first] == [entry["published_at"], before["published_at"]]
    assert first[0]["id"] != entry["id"]
    assert first[0]["via"] == {"name": "127.0.0.1", "url": entry["url"]}
    assert 'class="edited"' not in first[1]["html"], "backdated isn't edited"
    edited = await pair.source.edit(entry, body="<p>La mer descend.</p>", correction="Elle ne montait pas.")
    second = await pair.level()
    assert (second[0]["id"], second[0]["version"]) == (first[0]["id"], 2)
    assert second[0]["corrections"] == edited["corrections"] != []
    await pair.source.delete(edited)
    assert len(await pair.level()) == 1
    assert (await pair.mirror.reader.get(f"{ENTRIES}/{first[0]['id']}")).status_code == 410
    assert len(await entries(pair.mirror)) == 2, "the newsroom's own stays"
    state = await pair.state()
    assert (state["state"], state["behind"], state["error"]) == ("live", 0, None)
    assert state["position"] == await pair.source.position()


async def test_readers_are_told_as_of_any_other_change(pair: Pair) -> None:
    await pair.follow()
    await pair.in_state("live")
    async with connect(pair.mirror.url(f"{LIVEBLOG}/ws", "ws")) as viewer:
        hello = orjson.loads(await viewer.recv())
        entry = await pair.source.publish()
        async with asyncio.timeout(5):
            told = orjson.loads(await viewer.recv())
        assert (told["type"], told["seq"]) == ("entry", hello["seq"] + 1)
        await pair.source.delete(entry)
        async with asyncio.timeout(5):
            assert orjson.loads(await viewer.recv()) == {
                "type": "delete",
                "seq": told["seq"] + 1,
                "id": told["entry"]["id"],
            }


async def test_whose_it_is_stands_on_every_surface(pair: Pair) -> None:
    await pair.follow(attribution={"text": "Le <Phare>"})
    entry = await pair.source.publish(heading="Phare")
    (here,) = await pair.level()
    link = f'via <a href="{entry["url"]}" rel="noopener noreferrer">Le &lt;Phare&gt;</a>'
    assert link in here["html"]
    page = (await pair.mirror.reader.get(f"/live/{SLUG}")).text
    assert link in page
    assert f'"isBasedOn":"{entry["url"]}"' in page
    assert f'"isBasedOn":"{entry["url"]}"' in (await pair.mirror.reader.get(f"/live/{SLUG}/entries/{here['id']}")).text
    atom = feedparser.parse((await pair.mirror.reader.get(f"/live/{SLUG}/feed.atom")).content).entries[0]
    assert [(link.rel, link.href) for link in atom.links if link.rel == "via"] == [("via", entry["url"])]
    rss = feedparser.parse((await pair.mirror.reader.get(f"/live/{SLUG}/feed.rss")).content).entries[0]
    assert [link.href for link in rss.links if link.rel == "via"] == [entry["url"]]
    feed = orjson.loads((await pair.mirror.reader.get(f"/live/{SLUG}/feed.json")).content)
    assert feed["items"][0]["_via"] == {"name": "Le <Phare>", "url": entry["url"]}
    assert "via <a" in feed["items"][0]["content_html"]


async def test_it_is_edited_there_alone_and_may_be_hidden_here(pair: Pair) -> None:
    await pair.follow()
    entry = await pair.source.publish()
    (here,) = await pair.level()
    refused = await pair.mirror.editor.patch(
        f"{ENTRIES}/{here['id']}", json={"heading": "Le nôtre"}, headers={"If-Match": "*"}
    )
    assert "delete it to hide it" in problem(refused, 409)["detail"]
    await pair.mirror.delete(here)
    await pair.source.edit(entry, body="<p>Encore.</p>")
    other = await pair.source.publish("<p>Un autre.</p>")

    async def other_is_here() -> bool:
        return [each["body"] for each in await pair.followed()] == [other["body"]]

    await settled(other_is_here)
    # All that the source has is taken over again: what was hidden stays so.
    await pair.stop()
    await pair.follow()
    await pair.in_state("live")
    assert [each["body"] for each in await pair.followed()] == [other["body"]]


async def test_what_the_source_has_from_others_is_left_out(pair: Pair) -> None:
    """Two live blogs that follow each other would never end otherwise."""
    await pair.follow()
    back = {"url": pair.mirror.url(f"/live/{SLUG}")}
    pair.source.parts.syndication._settings = pair.mirror.parts.settings
    assert (await pair.source.editor.post(f"{LIVEBLOG}/source", json=back)).status_code == 201
    ours = await pair.mirror.publish("<p>D’ici.</p>")
    theirs = await pair.source.publish("<p>De là.</p>")

    async def both() -> bool:
        here, there = await entries(pair.mirror), await entries(pair.source)
        return [{each["body"] for each in found} for found in (here, there)] == [{ours["body"], theirs["body"]}] * 2

    await settled(both)
    for site in (pair.mirror, pair.source):
        last = await site.publish("<p>La fin.</p>", tags=["fin"])
        other = pair.source if site is pair.mirror else pair.mirror

        async def arrived(other: LiveSite = other, moment: str = last["published_at"]) -> bool:
            return moment in {each["published_at"] for each in await entries(other, "&tag=fin")}

        await settled(arrived)
    assert [len(await entries(site)) for site in (pair.mirror, pair.source)] == [4, 4]


async def test_as_a_partner(pair: Pair) -> None:
    """It has the partner's entries, with the credit it was asked for; an entry without its tag goes, and comes back."""
    made = await pair.source.editor.post(
        "/api/v1/partners",
        json={"name": "Nous", "tags": ["côte"], "attribution": {"text": "Le Phare", "url": "https://phare.example/"}},
    )
    partner = made.json()["id"]
    query = f"&partner={partner}"
    shown = await pair.source.publish("<p>Vu.</p>", tags=["côte"])
    await pair.source.publish("<p>Pas vu.</p>")
    await pair.follow(partner=partner)
    (here,) = await pair.level(query)
    assert (here["body"], here["via"]["name"]) == ("<p>Vu.</p>", "Le Phare")
    without = await pair.source.edit(shown, tags=[])
    await pair.level(query)
    assert await pair.followed() == []
    await pair.source.edit(without, tags=["côte"], body="<p>Revu.</p>")
    (back,) = await pair.level(query)
    assert back["body"] == "<p>Revu.</p>"
    path = f"/api/v1/partners/{partner}"
    await pair.source.editor.patch(path, json={"enabled": False}, headers={"If-Match": "*"})
    await pair.in_state("refused")
    assert "disabled" in (await pair.state())["error"]


async def test_a_partner_whose_rules_change(pair: Pair) -> None:
    """Entries that the partner may see no more go, and those that it may see now come, with nothing written there."""
    made = await pair.source.editor.post("/api/v1/partners", json={"name": "Nous", "tags": ["mer"]})
    partner = made.json()["id"]
    await pair.source.publish("<p>La mer.</p>", tags=["mer"])
    await pair.source.publish("<p>La terre.</p>", tags=["terre"])
    await pair.follow(partner=partner)
    await pair.in_state("live")
    assert [each["body"] for each in await pair.level(f"&partner={partner}")] == ["<p>La mer.</p>"]
    path = f"/api/v1/partners/{partner}"
    await pair.source.editor.patch(path, json={"tags": ["terre"]}, headers={"If-Match": "*"})
    assert [each["body"] for each in await pair.level(f"&partner={partner}")] == ["<p>La terre.</p>"]


@pytest.mark.slow
async def test_a_late_partner_is_told_of_deletions_at_once(pair: Pair) -> None:
    """With a delay, entries are late; what is deleted is gone here at once, and is confirmed."""
    made = await pair.source.editor.post("/api/v1/partners", json={"name": "Nous", "delay": 3})
    partner = made.json()["id"]
    await pair.follow(partner=partner)
    await pair.in_state("live")
    entry = await pair.source.publish()
    assert await pair.followed() == []
    await pair.level(f"&partner={partner}")
    await settled(lambda: _some(pair))
    started = asyncio.get_running_loop().time()
    await pair.source.editor.delete(f"{ENTRIES}/{entry['id']}?confirm=true")
    await settled(lambda: _none(pair))
    assert asyncio.get_running_loop().time() - started < 2, "not after the delay"

    async def confirmed() -> bool:
        takedown = (await pair.source.editor.get(f"{LIVEBLOG}/takedowns/{entry['id']}")).json()
        return (takedown["asked"], takedown["had"], takedown["confirmed"]) == (1, 1, 1)

    await settled(confirmed)
    # The deletion itself follows in its turn, and has nothing left to do.
    other = await pair.source.publish("<p>Le suivant.</p>")
    await settled(lambda: _some(pair))
    assert [each["body"] for each in await pair.followed()] == [other["body"]]


async def _some(pair: Pair) -> bool:
    return bool(await pair.followed())


async def _none(pair: Pair) -> bool:
    return not await pair.followed()


async def test_pinned_entries_beyond_what_there_is_room_for(pair: Pair) -> None:
    for number in range(10):
        await pair.mirror.publish(f"<p>{number}</p>", pinned=True)
    await pair.follow()
    await pair.source.publish("<p>Un de trop.</p>", pinned=True)
    await settled(lambda: _some(pair))
    assert [each["pinned"] for each in await pair.followed()] == [False]


async def test_an_entry_that_cant_be_taken_over_says_no_more_what_it_said(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.follow()
    await pair.in_state("live")
    entry = await pair.source.publish()
    other = await pair.source.publish("<p>Sans histoire.</p>")
    await pair.level()
    real = remote_entry.read

    def spoilt(data: Any) -> Any:
        return real({**data, "heading": 7} if data["id"] == entry["id"] else data)

    monkeypatch.setattr(remote_entry, "read", spoilt)
    await pair.source.edit(entry, body="<p>Autrement.</p>")

    async def only_the_other() -> bool:
        return [each["body"] for each in await pair.followed()] == [other["body"]]

    await settled(only_the_other)

    async def said() -> bool:
        return f"{entry['id']} can't be taken over: /heading" in ((await pair.state())["error"] or "")

    await settled(said)


async def test_an_entry_that_makes_too_much_work_is_not_taken_over(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source may be anything, and an older liveserver accepted it."""
    real = remote_entry.read

    def dear(data: Any) -> Any:
        return real({**data, "body": "<ul><li>" * 12_000 if "Sans" not in data["body"] else data["body"]})

    monkeypatch.setattr(remote_entry, "read", dear)
    await pair.follow()

    async def live() -> bool:
        return bool((await pair.state())["state"] == "live")

    # An error while all of the source is taken over at first is forgotten at the end of that.
    await settled(live)
    entry = await pair.source.publish("<p>Longue.</p>")
    other = await pair.source.publish("<p>Sans histoire.</p>")

    async def only_the_other() -> bool:
        return [each["body"] for each in await pair.followed()] == [other["body"]]

    await settled(only_the_other)

    async def said() -> bool:
        return f"{entry['id']} can't be taken over: /body" in ((await pair.state())["error"] or "")

    await settled(said)


@pytest.mark.slow
async def test_where_too_many_long_texts_wait_it_comes_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a second, and without a word of a defect."""
    pool = pair.mirror.parts.syndication._sanitising
    run, owners = pool.run, []

    async def busy_once(work: Callable[[str], str], body: str, *, owner: Hashable) -> str:
        owners.append(owner)
        if len(owners) == 1:
            raise Busy("so many wait")
        return await run(work, body, owner=owner)

    monkeypatch.setattr(pool, "run", busy_once)
    await pair.source.publish("<p>" + "a" * (SMALL + 1))
    with capture_logs() as logged:
        await pair.follow()
        await pair.level()
    assert len(owners) > 1
    assert set(owners) == set(pair.mirror.parts.syndication._following)
    assert not [line for line in logged if line["log_level"] == "error"]


async def test_a_source_has_an_allowance(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above it, its messages wait. Whatever it says counts, by its bytes; and a body by its characters."""
    spent: list[float] = []

    class Strict(Throttle):
        def spend(self, amount: float) -> float:
            spent.append(amount)
            return super().spend(amount)

    monkeypatch.setattr(follower_module, "Throttle", Strict)
    await pair.source.publish("<p>" + "x" * 4_000 + "</p>")
    await pair.follow()
    await pair.level()
    await pair.in_state("live")
    assert 4_007 / follower_module.MESSAGE_CHARACTERS in spent
    assert live_stream.CONNECTION_MESSAGES in spent
    assert 1 in spent, "a change on a page of changes"
    spent.clear()
    entry = await pair.source.publish("<p>x</p>")
    await pair.level()
    told = {"type": "entry", "seq": 2, "entry": entry}
    size = len(json_encoding.dumps(told))
    assert spent[-2:] == [pytest.approx(1 + size / requests.MESSAGE_BYTES), 8 / follower_module.MESSAGE_CHARACTERS]


async def test_a_defect_is_told_once_in_a_while(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """And isn't the end of following, which would begin anew at once."""

    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Follower, "_check_admission", broken)
    with capture_logs() as logged:
        response = await live_site.editor.post(f"{LIVEBLOG}/source", json={"url": "http://live.example.org/live/x"})
        assert response.status_code == 201

        async def is_told() -> bool:
            found = (await live_site.editor.get(f"{LIVEBLOG}/source")).json()
            return "the server's log has" in (found["error"] or "")

        await settled(is_told)
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["syndication.failed"]
    [follower] = live_site.parts.syndication._following.values()
    assert not follower.done()


@pytest.mark.parametrize(
    ("embed", "head", "changes"),
    [
        ({}, HEAD, CHANGES),
        ([], HEAD, CHANGES),
        (EMBED, {"epoch": "x" * 99, "seq": 1}, CHANGES),
        (EMBED, {"epoch": "k3f9x2ab", "seq": 10**30}, CHANGES),
        (EMBED, {"epoch": "k3f9x2ab", "seq": "1"}, {**CHANGES, "events": "all"}),
        (EMBED, HEAD, {**CHANGES, "seq": None}),
        (EMBED, HEAD, {**CHANGES, "events": [7]}),
        (EMBED, HEAD, {**CHANGES, "events": [{"type": "delete", "seq": 1, "id": "\x00"}]}),
        (EMBED, HEAD, {**CHANGES, "events": [{"type": "delete", "seq": 1, "id": ["x"]}]}),
        (EMBED, HEAD, {**CHANGES, "events": [{"type": "entry", "seq": 1, "entry": {"id": "x"}}]}),
        (EMBED, HEAD, {**CHANGES, "events": [{"type": "entry", "seq": 10**30, "entry": {"id": ID}}]}),
        (EMBED, HEAD, {**CHANGES, "events": [{"type": "entry", "seq": 1, "entry": None}]}),
    ],
)
async def test_nonsense_is_not_followed(pair: Pair, embed: Any, head: Any, changes: Any) -> None:
    """It is said that it is nonsense, and nothing of it is here."""
    answers = {"embed": embed, "snapshot": head, "changes": changes}
    async with imposter(answers) as (url, _):
        await pair.follow(url=url)

        async def said() -> bool:
            state = await pair.state()
            return state["state"] == "lost" and "doesn't answer as a liveserver does" in (state["error"] or "")

        await settled(said)
    assert await entries(pair.mirror) == []


@pytest.mark.slow
@pytest.mark.parametrize("more", [True, False])
async def test_changes_without_end_are_asked_for_less_and_less(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, *, more: bool
) -> None:
    """Whether it says that there are more, or that it has got on a little."""
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds > 20:
            pauses.append(seconds)
        await real(min(seconds, 0.001))

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    head = {"epoch": "k3f9x2ab", "seq": 10**9}
    async with imposter(
        {"embed": EMBED, "snapshot": head, "changes": {**head, "seq": 7, "more": more, "events": []}}
    ) as (
        url,
        asked,
    ):
        await pair.follow(url=url)

        async def often() -> bool:
            return len(pauses) > 4

        await settled(often)
        assert asked.count("changes") <= asked.count("snapshot") * (1 if more else 1 + follower_module.EMPTY_MAX)
    assert pauses[:5] == [60, 120, 240, 480, follower_module.AGAIN_MAX]


@pytest.mark.parametrize(
    ("status", "embed"),
    [
        (404, {"detail": "A" * 100_000}),
        (500, {"errors": [{"pointer": "/", "detail": "A" * 100_000}]}),
        (200, {**EMBED, "allowed": False, "reason": "A" * 100_000}),
    ],
)
async def test_little_of_an_error_is_kept(pair: Pair, status: int, embed: JSON) -> None:
    """In the log, in the database, and where it is asked for."""
    with capture_logs() as logged:
        async with imposter({"embed": embed}, status) as (url, _):
            await pair.follow(url=url)

            async def said() -> bool:
                return (await pair.state())["state"] in {"lost", "refused"}

            await settled(said)
            assert 100 < len((await pair.state())["error"]) < 600
    assert max(len(str(line)) for line in logged) < 1_500
