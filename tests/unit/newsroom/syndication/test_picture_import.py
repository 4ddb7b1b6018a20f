"""Pictures of a source: each becomes one of ours, and none of them holds up a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from liveserver.client import Client, ClientError
from liveserver.domain.errors import Quota, TooManyRequests
from liveserver.newsroom.syndication import picture_import
from liveserver.newsroom.syndication.follower import Follower
from liveserver.newsroom.syndication.picture_import import PictureImport
from liveserver.protocol.resources import entry_object
from liveserver.utils.lru_cache import LruCache
from tests.support.api.site import settled
from tests.support.images import quarters, saved
from tests.support.store_samples import an_entry
from tests.support.syndication_pair import EMBED, HEAD, ID, Pair, entries, imposter

if TYPE_CHECKING:
    from liveserver.domain.change import Position
    from tests.support.api.site import JSON


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


async def test_an_entry_doesnt_wait_for_its_pictures(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there in words, and the picture is put in when it can be had."""
    monkeypatch.setattr(picture_import, "PICTURES_AGAIN", 0.2)
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


def pictured(seq: int, count: int = 20) -> JSON:
    """A change whose entry has pictures."""
    body = "".join(f'<figure><img src="/media/{seq * 100 + n:032x}-9x9.jpg" alt="a"></figure>' for n in range(count))
    shown = entry_object(an_entry(), html="", url="https://e.example/x")
    entry = {**shown, "id": f"{ID[:-4]}{seq:04x}", "body": body}
    return {"type": "entry", "seq": seq, "entry": entry}


async def test_pictures_that_cant_be_had_are_tried_less_and_less(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the log tells of them once, with their number."""
    monkeypatch.setattr(picture_import, "PICTURES_AGAIN", 0.01)
    monkeypatch.setattr(picture_import, "PICTURES_MOST", 10**6)
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
    monkeypatch.setattr(picture_import, "PICTURES_MOST", 3)
    monkeypatch.setattr(picture_import, "PICTURES_RATE", 0.001)
    monkeypatch.setattr(picture_import, "PICTURES_WAIT", 0.01)
    monkeypatch.setattr(picture_import, "FETCHING_MAX", 2)
    begun: list[int] = []
    fetch = PictureImport._fetch

    async def counted(self: PictureImport, names: dict[str, str]) -> Any:
        begun.append(len(names))
        return await fetch(self, names)

    monkeypatch.setattr(PictureImport, "_fetch", counted)
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
    monkeypatch.setattr(picture_import, "COMPLETED_MOST", 2)
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
        monkeypatch.setattr(picture_import, "PICTURES_AGAIN", 0.01)
        # The wait for the first round is as long as it was.
        followers[-1]._pictures._late.set()

        async def often() -> bool:
            # The one that has just begun is there, and empty.
            return len([asked for asked in rounds if asked]) > 2

        await settled(often)
    assert rounds[:2] == [[5, 4], [3, 2]]
    assert rounds[2][0] == 1


async def test_pictures_that_there_is_no_room_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source has its share of a day, counted apart from the keys'. They aren't even fetched, and come later."""
    monkeypatch.setattr(picture_import, "PICTURES_AGAIN", 0.2)
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
