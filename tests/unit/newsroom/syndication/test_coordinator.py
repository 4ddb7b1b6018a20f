"""Following a live blog of another server: two real servers, one of which republishes what the other publishes."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import feedparser
import orjson
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from liveserver.client import Client, ClientError, client
from liveserver.content.sanitiser_pool import SMALL
from liveserver.domain.change import Position
from liveserver.domain.errors import Busy, Quota, TooManyRequests
from liveserver.domain.ids import now
from liveserver.domain.inputs.bodies import SourceInput
from liveserver.newsroom.syndication import coordinator, remote_entry
from liveserver.newsroom.syndication import follower as follower_module
from liveserver.newsroom.syndication.coordinator import made
from liveserver.newsroom.syndication.follower import Follower
from liveserver.protocol import encoding
from liveserver.protocol.resources import entry_object
from liveserver.settings import Settings
from liveserver.store import Hold, Incoming, NotHeld
from liveserver.utils.limits.rate_limiter import Throttle
from liveserver.utils.lru_cache import LruCache
from tests.support.api.site import ENTRIES, LIVEBLOG, SETTINGS, SLUG, LiveSite, bad_fields, problem, serving, settled
from tests.support.images import quarters, saved
from tests.support.listening import listening
from tests.support.store_samples import an_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable
    from pathlib import Path

    from tests.support.api.site import JSON

SOURCE = "https://source.example"
MIRRORED = (
    *("heading", "body", "authors", "key_event", "breaking", "pinned", "tags", "verification", "source"),
    *("corrections", "published_at", "updated_at"),
)


class Pair:
    """A source, and the server whose live blog of the same slug follows it."""

    def __init__(self, source: LiveSite, mirror: LiveSite) -> None:
        self.source = source
        self.mirror = mirror

    @property
    def address(self) -> str:
        return self.source.url(f"/live/{SLUG}")

    async def follow(self, **fields: Any) -> None:
        response = await self.mirror.editor.post(f"{LIVEBLOG}/source", json={"url": self.address, **fields})
        assert response.status_code == 201, response.text

    async def stop(self) -> None:
        assert (await self.mirror.editor.delete(f"{LIVEBLOG}/source")).status_code == 204

    async def state(self) -> JSON:
        response = await self.mirror.editor.get(f"{LIVEBLOG}/source")
        assert response.status_code == 200, response.text
        state: JSON = response.json()
        return state

    async def in_state(self, name: str) -> None:
        async def is_so() -> bool:
            return bool((await self.state())["state"] == name)

        await settled(is_so)

    async def level(self, query: str = "") -> list[JSON]:
        """The followed entries, newest first, once they are those of the source (as a partner sees them)."""

        async def is_so() -> bool:
            return contents(await entries(self.source, query)) == contents(await self.followed())

        await settled(is_so, seconds=15)
        return await self.followed()

    async def followed(self) -> list[JSON]:
        return [entry for entry in await entries(self.mirror) if "via" in entry]


async def entries(site: LiveSite, query: str = "") -> list[JSON]:
    answer = (await site.reader.get(f"{ENTRIES}?limit=100{query}")).json()
    found: list[JSON] = answer["items"]
    return found


def contents(found: list[JSON]) -> list[list[Any]]:
    """What entries say, without what differs from server to server: ids, seqs, versions, addresses."""
    return sorted([[entry[name] for name in MIRRORED] for entry in found], key=str)


@pytest.fixture
async def pair(settings: Settings, empty_database: Path, tmp_path: Path) -> AsyncIterator[Pair]:
    directory = tmp_path / "source"
    directory.mkdir()
    shutil.copy(empty_database, directory / "live.db")
    theirs = {**SETTINGS, "public_url": SOURCE, "database_url": f"sqlite:///{directory}/live.db"}
    ours = settings.model_copy(update={"follow_private": True})
    async with serving(Settings(**theirs)) as source, serving(ours) as mirror:
        yield Pair(source, mirror)


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


async def test_after_it_was_stopped_what_was_taken_over_is_the_newsrooms(pair: Pair) -> None:
    await pair.follow()
    entry = await pair.source.publish()
    (here,) = await pair.level()
    await pair.stop()
    assert (await pair.mirror.editor.get(f"{LIVEBLOG}/source")).status_code == 404
    mine = await pair.mirror.edit(here, heading="Le nôtre")
    assert mine["heading"] == "Le nôtre"
    # Followed again, it is known, and is the source's again.
    await pair.source.edit(entry, heading="Le leur")
    await pair.follow()
    (again,) = await pair.level()
    assert (again["id"], again["heading"]) == (here["id"], "Le leur")


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


async def test_pictures_are_kept_here(pair: Pair) -> None:
    sent = await pair.source.editor.post(
        "/api/v1/media?alt=Le%20quai", content=saved(quarters(800, 400)), headers={"Content-Type": "image/png"}
    )
    picture = sent.json()
    await pair.follow()
    await pair.source.publish(f"<p>Voyez.</p>{picture['html']}")

    async def shown() -> bool:
        return any("<img" in each["body"] for each in await pair.followed())

    await settled(shown)
    (here,) = await pair.followed()
    assert 'alt="Le quai"' in here["body"]
    assert picture["url"].rpartition("/")[2] not in here["body"]
    name = here["body"].partition('src="')[2].partition('"')[0]
    assert (await pair.mirror.reader.get(name)).status_code == 200
    # Seen again, it isn't taken over again.
    await pair.source.publish(f"<p>Encore.</p>{picture['html']}")

    async def both() -> bool:
        return [each["body"].count(name) for each in await pair.followed()] == [1, 1]

    await settled(both)
    assert len((await pair.mirror.editor.get("/api/v1/media")).json()["items"]) == 1


async def test_pictures_that_there_is_no_room_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source has its share of a day, counted apart from the keys'. They aren't even fetched, and come later."""
    monkeypatch.setattr(follower_module, "PICTURES_AGAIN", 0.2)
    sent = await pair.source.editor.post(
        "/api/v1/media?alt=Le%20quai", content=saved(quarters()), headers={"Content-Type": "image/png"}
    )
    quota = pair.mirror.parts.library._quota
    check, asked = quota.check, []

    async def full(owner: object) -> None:
        asked.append(owner)
        raise TooManyRequests("as many as it may", Quota("pictures", 1), 60)

    async def not_fetched(*_: object) -> bytes:
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(quota, "check", full)
        patch.setattr(Client, "file", not_fetched)
        await pair.follow()
        await pair.source.publish(sent.json()["html"])

        async def in_words() -> bool:
            return [each["body"] for each in await pair.followed()] == ["<p>Le quai</p>"]

        await settled(in_words)
        assert asked
        patch.setattr(quota, "check", check)

    async def shown() -> bool:
        return all("<img" in each["body"] for each in await pair.followed())

    await settled(shown)


async def test_an_entry_doesnt_wait_for_its_pictures(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there in words, and the picture is put in when it can be had."""
    monkeypatch.setattr(follower_module, "PICTURES_AGAIN", 0.2)
    sent = await pair.source.editor.post(
        "/api/v1/media?alt=Le%20quai", content=saved(quarters()), headers={"Content-Type": "image/png"}
    )
    real = Client.file

    async def away(*_: object) -> bytes:
        raise ClientError(0, "away")

    monkeypatch.setattr(Client, "file", away)
    await pair.follow()
    await pair.source.publish(sent.json()["html"])

    async def in_words() -> bool:
        return [each["body"] for each in await pair.followed()] == ["<p>Le quai</p>"]

    await settled(in_words)
    monkeypatch.setattr(Client, "file", real)

    async def shown() -> bool:
        return all("<img" in each["body"] for each in await pair.followed())

    await settled(shown)


async def test_as_a_partner(pair: Pair) -> None:
    """What the partner may see, with the credit it was asked for; an entry that loses its tag goes, and comes back."""
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
    """What it may see no more goes, and what it may see now comes, though nothing was written there."""
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

    # What is told while all of the source is taken over at first, the end of that makes forgotten.
    await settled(live)
    entry = await pair.source.publish("<p>Longue.</p>")
    other = await pair.source.publish("<p>Sans histoire.</p>")

    async def only_the_other() -> bool:
        return [each["body"] for each in await pair.followed()] == [other["body"]]

    await settled(only_the_other)

    async def said() -> bool:
        return f"{entry['id']} can't be taken over: /body" in ((await pair.state())["error"] or "")

    await settled(said)


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
    assert client.CONNECTION_MESSAGES in spent
    assert 1 in spent, "a change on a page of changes"
    spent.clear()
    entry = await pair.source.publish("<p>x</p>")
    await pair.level()
    told = {"type": "entry", "seq": 2, "entry": entry}
    size = len(encoding.dumps(told))
    assert spent[-2:] == [pytest.approx(1 + size / client.MESSAGE_BYTES), 8 / follower_module.MESSAGE_CHARACTERS]


async def test_another_process_takes_over_when_the_follower_is_gone(pair: Pair) -> None:
    """Who doesn't hold the source writes nothing."""
    await pair.follow()
    await pair.source.publish()
    await pair.level()
    store = pair.mirror.parts.store
    source = await store.source(SLUG, now())
    stranger = Hold(source.id, "stranger", source.position)
    given = Incoming("01935000-0000-7000-8000-000000000001", 99, replace(an_entry(), id=""))
    for reached in (None, Position("aaaaaaaa", 99)):
        with pytest.raises(NotHeld):
            await store.take_over(SLUG, stranger, reached, given, actor="x", at=now())
    assert await store.hold_sources("stranger", now(), coordinator.LEASE) == []
    late = now() + coordinator.LEASE + coordinator.LEASE
    assert [each.slug for each in await store.hold_sources("stranger", late, coordinator.LEASE)] == [SLUG]
    await pair.source.publish("<p>À qui ?</p>")

    async def taken_by_nobody() -> bool:
        return not pair.mirror.parts.syndication._following

    await settled(taken_by_nobody)
    assert len(await pair.followed()) == 1
    await store.release_sources("stranger")
    await pair.level()


NO_HOSTS = [
    *("\u2460\u2461\u2466.0.0.1", "[v1.a]", "\u00df" + "a" * 62 + ".example", "256.256.256.256"),
    *("a" * 64 + ".example", "a..b", ".", "a%00b", ".".join(["a" * 60] * 5), 'a"b.example'),
]
"""What no request can be made for, and what can't be looked up."""


@pytest.mark.parametrize(
    "host", ["live.example.org", "live.example.org.", "m\u00e9di\u00e1.example", "a_b", "8.8.8.8:8000"]
)
def test_hosts_that_are(settings: Settings, host: str) -> None:
    assert (
        made(SLUG, SourceInput.model_validate({"url": f"http://{host}/live/x"}), now(), settings).server
        == f"http://{host}"
    )


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_one_that_was_let_in_before_is_told_so(live_site: LiveSite, host: str) -> None:
    """And tried again later, without a word in the log each time."""
    coordinator = live_site.parts.syndication
    source = made(
        SLUG, SourceInput.model_validate({"url": "http://live.example.org/live/x"}), now(), live_site.parts.settings
    )
    with capture_logs() as logged:
        await live_site.parts.store.add_source(replace(source, server=f"http://{host}"))
        coordinator._look_now.set()

        async def is_told() -> bool:
            found = (await live_site.editor.get(f"{LIVEBLOG}/source")).json()
            return found["state"] == "lost" and "not a server's URL" in (found["error"] or "")

        await settled(is_told)
    assert not [line for line in logged if line["log_level"] in {"error", "warning"}]


async def test_a_defect_is_told_once_in_a_while(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """And isn't the end of following, which would begin anew at once."""

    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Follower, "_introduce", broken)
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
    ("url", "said"),
    [
        ("https://live.example.org/", "must be the address of a live blog's page"),
        ("https://live.example.org/live/", "must be the address of a live blog's page"),
        ("ftp://live.example.org/live/x", "must be an absolute http(s) URL"),
        ("https://a:b@live.example.org/live/x", "must name a host"),
        ("http://169.254.169.254/live/x", "is at a private address"),
        ("http://[::ffff:10.0.0.1]/live/x", "is at a private address"),
        ("http://localhost:8000/live/x", "is at a private address"),
        (f"http://live.test/live/{SLUG}", "is this live blog itself"),
        *((f"http://{host}/live/x", "must name a host") for host in NO_HOSTS),
    ],
)
async def test_addresses_that_arent_followed(live_site: LiveSite, url: str, said: str) -> None:
    response = await live_site.editor.post(f"{LIVEBLOG}/source", json={"url": url})
    assert said in bad_fields(response)["/url"]


async def test_it_follows_one_at_most(live_site: LiveSite) -> None:
    url = "https://live.invalid/live/x"
    assert (await live_site.editor.post(f"{LIVEBLOG}/source", json={"url": url})).status_code == 201
    assert problem(await live_site.editor.post(f"{LIVEBLOG}/source", json={"url": url}), 409)
    assert problem(await live_site.editor.post("/api/v1/liveblogs/none/source", json={"url": url}), 404)
    publisher = await live_site.client(await live_site.key("Autre", ["publish"]))
    assert problem(await publisher.get(f"{LIVEBLOG}/source"), 403)
    assert problem(await live_site.reader.delete(f"{LIVEBLOG}/source"), 401)


ID = "01935000-0000-7000-8000-000000000001"
EMBED: JSON = {"allowed": True, "reason": None, "theme": {}, "attribution": None, "fallback_url": "https://x.example/"}
HEAD: JSON = {"epoch": "k3f9x2ab", "seq": 1}
CHANGES: JSON = {"epoch": "k3f9x2ab", "seq": 1, "more": False, "events": []}


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


@asynccontextmanager
async def imposter(answers: JSON, status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """Something that answers as it is told, by the last part of the path; its live blog, and what it was asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        asked.append(line.decode().rpartition("/")[2].partition("?")[0])
        found = answers.get(asked[-1])
        body = json.dumps(found).encode()
        code = status if found is not None else 500
        writer.write(b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body)
        await writer.drain()

    async with listening(answer) as port:
        yield f"http://127.0.0.1:{port}/live/{SLUG}", asked


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


def pictured(seq: int, count: int = 20) -> JSON:
    """A change whose entry has pictures."""
    body = "".join(f'<figure><img src="/media/{seq * 100 + n:032x}-9x9.jpg" alt="a"></figure>' for n in range(count))
    shown = entry_object(an_entry(), html="", url="https://e.example/x")
    entry = {**shown, "id": f"{ID[:-4]}{seq:04x}", "body": body}
    return {"type": "entry", "seq": seq, "entry": entry}


async def test_pictures_that_cant_be_had_are_tried_less_and_less(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the log tells of them once, with their number."""
    monkeypatch.setattr(follower_module, "PICTURES_AGAIN", 0.01)
    monkeypatch.setattr(follower_module, "PICTURES_MOST", 10**6)
    # The entries' changes, one by one, are asked for again each time.
    events = [pictured(seq, 2) for seq in range(1, 4)]
    changes = {"epoch": "k3f9x2ab", "seq": 3, "more": False, "events": events}
    tried: list[float] = []
    put = LruCache.put

    def noted(self: Any, key: str, value: tuple[float, float], weight: int) -> None:
        if key == events[0]["entry"]["id"]:
            tried.append(value[1])
        put(self, key, value, weight)

    monkeypatch.setattr(LruCache, "put", noted)
    answers = {"embed": EMBED, "snapshot": {**HEAD, "seq": 3}, "changes": changes}
    with capture_logs() as logged:
        async with imposter(answers) as (url, asked):
            await pair.follow(url=url)

            async def often() -> bool:
                return len(tried) > 4

            await settled(often)
            assert len([name for name in asked if name.endswith("-9x9.jpg")]) > 6
    assert tried[:5] == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16])
    missing = [line for line in logged if line["event"].startswith("syndication.picture")]
    assert len(missing) == 1


async def test_pictures_come_a_few_at_a_time(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and however many entries wait for them: the texts come meanwhile."""
    monkeypatch.setattr(follower_module, "PICTURES_MOST", 3)
    monkeypatch.setattr(follower_module, "PICTURES_RATE", 0.001)
    monkeypatch.setattr(follower_module, "PICTURES_WAIT", 0.01)
    monkeypatch.setattr(follower_module, "FETCHING_MAX", 2)
    begun: list[int] = []
    fetch = Follower._fetch

    async def counted(self: Follower, names: dict[str, str]) -> Any:
        begun.append(len(names))
        return await fetch(self, names)

    monkeypatch.setattr(Follower, "_fetch", counted)
    changes = {"epoch": "k3f9x2ab", "seq": 5, "more": False, "events": [pictured(seq) for seq in range(1, 6)]}
    answers = {"embed": EMBED, "snapshot": {**HEAD, "seq": 5}, "changes": changes}
    async with imposter(answers) as (url, asked):
        await pair.follow(url=url)

        async def all_there() -> bool:
            return len(await entries(pair.mirror)) == 5

        await settled(all_there)
        assert len([name for name in asked if name.endswith(".jpg")]) <= 3
        assert begun == [20, 20]
    assert "<img" not in str([entry["body"] for entry in await entries(pair.mirror)])


async def test_entries_are_completed_a_few_at_a_time(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its turn, and the newest first."""
    monkeypatch.setattr(follower_module, "COMPLETED_MOST", 2)
    changes = {"epoch": "k3f9x2ab", "seq": 5, "more": False, "events": [pictured(seq, 1) for seq in range(1, 6)]}
    answers = {"embed": EMBED, "snapshot": {**HEAD, "seq": 5}, "changes": changes}
    rounds: list[list[int]] = []
    complete_now, ask = Follower._complete_now, Client.changes

    async def noted(self: Follower) -> None:
        rounds.append([])
        await complete_now(self)
        if not rounds[-1]:
            rounds.pop()

    async def asked(self: Client, slug: str, after: Position, *, limit: int | None = None) -> Any:
        if limit == 1:
            rounds[-1].append(after.seq + 1)
        return await ask(self, slug, after, limit=limit)

    followers: list[Follower] = []
    run = Follower.run

    async def kept(self: Follower) -> None:
        followers.append(self)
        await run(self)

    monkeypatch.setattr(Follower, "run", kept)
    monkeypatch.setattr(Follower, "_complete_now", noted)
    monkeypatch.setattr(Client, "changes", asked)
    async with imposter(answers) as (url, _):
        await pair.follow(url=url)

        async def all_there() -> bool:
            return len(await entries(pair.mirror)) == 5

        await settled(all_there)
        monkeypatch.setattr(follower_module, "PICTURES_AGAIN", 0.01)
        # The wait for the first round is as long as it was.
        followers[-1]._late.set()

        async def often() -> bool:
            # The one that has just begun is there, and empty.
            return len([asked for asked in rounds if asked]) > 2

        await settled(often)
    assert rounds[:2] == [[5, 4], [3, 2]]
    assert rounds[2][0] == 1
