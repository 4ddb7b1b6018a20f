"""The editors' service: what it stores, with a clock of the test's; and when it tells the hub."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from liveserver.content.sanitiser import safe
from liveserver.domain.entry import Correction, EntryStatus
from liveserver.domain.errors import Conflict, Gone, InvalidInput, StoreUnavailable, VersionConflict
from liveserver.domain.ids import EntityVersion
from liveserver.domain.inputs.models import EntryInput, EntryPatch, LiveblogInput, LiveblogPatch
from liveserver.domain.inputs.parsing import parse
from liveserver.domain.liveblog import LiveblogStatus
from liveserver.newsroom import publisher
from liveserver.newsroom.desk.work_hints import WorkHints
from liveserver.newsroom.publisher import Publisher
from liveserver.newsroom.scheduler import Scheduler
from liveserver.store import ApiKey
from liveserver.store.repositories.entry_queries import Scheduled
from tests.support.api.site import SLUG, database_away
from tests.support.late_commits import LateCommits
from tests.support.principals import NEWSROOM, named
from tests.support.store_samples import NOON, at
from tests.support.viewers import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from liveserver.protocol.frames import ChangeFrame
    from liveserver.store import Written
    from tests.support.api.site import Site


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> Any:
        return self.time


class Newsroom:
    """Publishing with a clock, and what it told the hub."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts = site.parts
        self.clock = Clock()
        self.heard: list[ChangeFrame] = []
        self.hints: list[tuple[str, Any]] = []
        self.publisher = Publisher(
            self.parts.store,
            self.parts.hub,
            self.parts.presenter,
            self.parts.takedowns,
            WorkHints(lambda slug, message: self.hints.append((slug, orjson.loads(message)))),
            clock=self.clock,
        )
        monkeypatch.setattr(type(self.parts.hub), "publish", lambda _hub, _slug, frame: self.heard.append(frame))

    async def told(self) -> list[ChangeFrame]:
        """The changes that the hub was told by now: that happens in the turn of the event loop after the answer."""
        await asyncio.sleep(0)
        return self.heard

    async def create(self, key: str | None = None, **fields: Any) -> Written:
        """A new entry."""
        given = parse(EntryInput, {"body": "<p>x</p>", **fields})
        return await self.publisher.create_entry(SLUG, given, named("Desk"), idempotency_key=key)

    async def edit(self, entry_id: str, *, version: int | None = None, **fields: Any) -> Written:
        """An edit."""
        patch = parse(EntryPatch, fields)
        return await self.publisher.edit_entry(SLUG, entry_id, patch, named("Desk"), version=entity_version(version))

    async def delete(self, entry_id: str, *, version: int | None = None) -> None:
        """A deletion."""
        await self.publisher.delete_entry(SLUG, entry_id, named("Desk"), version=entity_version(version))


@pytest.fixture
async def newsroom(site: Site, monkeypatch: pytest.MonkeyPatch) -> Newsroom:
    await site.parts.store.keys.add(ApiKey("k", "Desk", "0" * 64, frozenset({"publish"}), NOON, None, None), NEWSROOM)
    return Newsroom(site, monkeypatch)


def entity_version(version: int | None) -> EntityVersion | None:
    return None if version is None else EntityVersion(version)


def later(seconds: float) -> str:
    """So many seconds after noon, as it is sent."""
    return at(seconds).isoformat()


async def test_times_are_the_clocks(newsroom: Newsroom) -> None:
    """Made, published and changed in one moment; an edit moves the last of these only."""
    created = (await newsroom.create()).entry
    assert (created.created_at, created.published_at, created.updated_at) == (NOON, NOON, NOON)
    newsroom.clock.time = at(60)
    edited = (await newsroom.edit(created.id, heading="Un", correction="Deux")).entry
    assert (edited.created_at, edited.published_at, edited.updated_at) == (NOON, NOON, at(60))
    assert edited.corrections == (Correction(at(60), "Deux"),)
    liveblog = await newsroom.publisher.edit_liveblog(
        SLUG, LiveblogPatch(status=LiveblogStatus.ENDED), NEWSROOM, version=EntityVersion(1)
    )
    assert liveblog.updated_at == at(60)


async def test_the_hub_is_told_of_what_readers_see(newsroom: Newsroom) -> None:
    """Once for each change, in order, after it was stored; never of anything else."""
    draft = (await newsroom.create(status="draft")).entry
    await newsroom.edit(draft.id, heading="Un")
    scheduled = (await newsroom.create(publish_at=later(60))).entry
    await newsroom.delete(scheduled.id)
    assert await newsroom.told() == []
    await newsroom.edit(draft.id, status="published")
    await newsroom.edit(draft.id, heading="Un")
    published = await newsroom.create("matin")
    await newsroom.create("matin")
    await newsroom.publisher.edit_liveblog(SLUG, LiveblogPatch(title="Autre"), NEWSROOM, version=None)
    await newsroom.publisher.edit_liveblog(SLUG, LiveblogPatch(title="Autre"), NEWSROOM, version=None)
    await newsroom.delete(published.entry.id)
    assert [(frame.seq, frame.key) for frame in await newsroom.told()] == [
        (1, draft.id),
        (2, published.entry.id),
        (3, "liveblog"),
        (4, published.entry.id),
    ]
    changes = await newsroom.parts.store.changes.after(SLUG, 0, limit=10)
    stored = {frame.seq: frame.message for frame in await newsroom.parts.presenter.frames(changes)}
    assert {frame.seq: frame.message for frame in await newsroom.told() if frame.seq in stored} == stored


async def test_the_scheduler_is_told_of_what_is_to_come(newsroom: Newsroom) -> None:
    """A new entry, one whose time is set, one put off; not what is published, or can wait."""
    event = newsroom.publisher.has_scheduled
    draft = (await newsroom.create(status="draft")).entry
    await newsroom.create()
    assert not event.is_set()
    await newsroom.create(publish_at=later(60))
    assert event.is_set()
    for when in (later(60), later(30)):
        event.clear()
        await newsroom.edit(draft.id, status="scheduled", publish_at=when)
        assert event.is_set()
    event.clear()
    await newsroom.edit(draft.id, status="published", publish_at=later(0))
    assert not event.is_set()


async def test_the_editor_is_answered_before_the_hub_is_told(newsroom: Newsroom) -> None:
    """The fan-out to thousands of viewers must not hold up the editor who published."""
    entry = (await newsroom.create()).entry
    assert newsroom.heard == []
    assert [frame.key for frame in await newsroom.told()] == [entry.id]


async def test_the_hub_knows_of_a_commit_before_the_editor_is_answered(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lest the editor's next request be answered with less. Also of one that another process had made."""
    known: list[int] = []
    monkeypatch.setattr(type(newsroom.parts.hub), "committed", lambda _hub, _slug, position: known.append(position.seq))
    created = (await newsroom.create("matin")).entry
    assert known == [1]
    edited = (await newsroom.edit(created.id, heading="Un")).entry
    await newsroom.publisher.edit_liveblog(SLUG, LiveblogPatch(title="Autre"), NEWSROOM, version=None)
    assert known == [1, 2, 3]
    assert (await newsroom.create("matin")).replayed
    assert (await newsroom.edit(edited.id, heading="Un")).change is None
    assert known == [1, 2, 3, 3, 3]
    await newsroom.delete(edited.id)
    assert known[5:] == [4]
    await newsroom.told()


async def test_the_hub_is_told_nothing_that_was_not_stored(newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused or failed: readers hear of neither."""
    entry = (await newsroom.create()).entry
    (await newsroom.told()).clear()
    with pytest.raises(VersionConflict) as conflict:
        await newsroom.edit(entry.id, version=2, heading="Un")
    assert conflict.value.current == entry
    with pytest.raises(VersionConflict):
        await newsroom.delete(entry.id, version=2)
    with pytest.raises(VersionConflict):
        await newsroom.publisher.edit_liveblog(SLUG, LiveblogPatch(title="Un"), NEWSROOM, version=EntityVersion(2))
    with pytest.raises(Conflict):
        await newsroom.edit(entry.id, status="draft")
    with pytest.raises(InvalidInput):
        await newsroom.edit(entry.id, body="<script></script>")
    with database_away(monkeypatch):
        for attempt in (newsroom.create(), newsroom.edit(entry.id, heading="Un"), newsroom.delete(entry.id)):
            with pytest.raises(StoreUnavailable):
                await attempt
    assert await newsroom.told() == []
    assert (await newsroom.parts.store.entries.find(SLUG, entry.id))[1] == entry


async def test_a_time_that_is_now_has_come(newsroom: Newsroom) -> None:
    """An entry due this very moment is published, not scheduled."""
    assert (await newsroom.create(publish_at=later(0))).entry.status is EntryStatus.PUBLISHED
    soon = (await newsroom.create(publish_at=later(0.001))).entry
    assert (soon.status, soon.publish_at) == (EntryStatus.SCHEDULED, at(0.001))


async def test_a_scheduled_entry_asked_for_again_after_its_time(newsroom: Newsroom) -> None:
    """A retry whose first answer was lost is told what became of it; a first request is told that it comes too late."""
    asked = {"status": "scheduled", "publish_at": later(60)}
    entry = (await newsroom.create("matin", **asked)).entry
    newsroom.clock.time = at(75)
    await newsroom.publisher.publish_due(SLUG, entry.id)
    again = await newsroom.create("matin", **asked)
    assert (again.entry.id, again.entry.status, again.replayed) == (entry.id, EntryStatus.PUBLISHED, True)
    for key in (None, "soir"):
        with pytest.raises(InvalidInput, match="gone by"):
            await newsroom.create(key, **asked)
    assert (await newsroom.parts.store.liveblogs.find(SLUG)).seq == 1


async def test_publishing_what_is_due(newsroom: Newsroom) -> None:
    """At its time, not before; its time of publication is the one that was planned."""
    entry = (await newsroom.create(publish_at=later(60))).entry
    await newsroom.publisher.publish_due(SLUG, entry.id)
    assert await newsroom.told() == []
    newsroom.clock.time = at(75)
    await newsroom.publisher.publish_due(SLUG, entry.id)
    published = (await newsroom.parts.store.entries.find(SLUG, entry.id))[1]
    expected = replace(
        entry,
        seq=1,
        version=2,
        status=EntryStatus.PUBLISHED,
        publish_at=None,
        published_at=at(60),
        updated_at=published.updated_at,
    )
    assert published == expected
    await newsroom.publisher.publish_due(SLUG, entry.id)
    assert [frame.seq for frame in await newsroom.told()] == [1]


async def test_an_editor_thinks_better_of_it(newsroom: Newsroom) -> None:
    """A draft again, put off, or deleted meanwhile: it is not published."""
    draft, put_off, deleted = [(await newsroom.create(publish_at=later(60))).entry for _ in range(3)]
    await newsroom.edit(draft.id, status="draft")
    await newsroom.edit(put_off.id, publish_at=later(120))
    await newsroom.delete(deleted.id)
    newsroom.clock.time = at(60)
    for entry in (draft, put_off):
        await newsroom.publisher.publish_due(SLUG, entry.id)
    with pytest.raises(Gone):
        await newsroom.publisher.publish_due(SLUG, deleted.id)
    assert await newsroom.told() == []


async def test_the_scheduler_outlives_what_it_meets(newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was deleted between looking and publishing is passed over; the next one is published."""
    entries = [(await newsroom.create(publish_at=later(60 + number), status="scheduled")).entry for number in range(2)]
    newsroom.clock.time = at(120)
    store = newsroom.parts.store
    assert [entry.id for entry in await store.entries.scheduled(limit=10)] == [entry.id for entry in entries]
    await newsroom.delete(entries[0].id)

    async def stale(*, limit: int) -> list[Scheduled]:
        return [Scheduled(SLUG, entry.id, at(60)) for entry in entries][:limit]

    with monkeypatch.context() as patch:
        patch.setattr(store.entries, "scheduled", stale)
        assert await Scheduler(store, newsroom.publisher).publish_due() > 0
    assert [frame.key for frame in await newsroom.told()] == [entries[1].id]
    with database_away(monkeypatch), pytest.raises(StoreUnavailable):
        await Scheduler(store, newsroom.publisher).publish_due()


async def test_a_new_live_blog(newsroom: Newsroom) -> None:
    """Has a history of its own, which nobody has to be told of."""
    given = parse(LiveblogInput, {"title": "L’été", "language": "fr", "timezone": "Europe/Paris"})
    liveblog = await newsroom.publisher.create_liveblog(given, NEWSROOM)
    assert (liveblog.slug, liveblog.version, liveblog.seq, liveblog.created_at) == ("l-ete", 1, 0, NOON)
    assert liveblog.epoch != (await newsroom.parts.store.liveblogs.find(SLUG)).epoch
    assert await newsroom.told() == []
    with pytest.raises(Conflict):
        await newsroom.publisher.create_liveblog(given, NEWSROOM)


async def test_entries_of_one_moment_keep_their_order(newsroom: Newsroom) -> None:
    """Ids made one after the other sort so."""
    made = [(await newsroom.create()).entry for _ in range(20)]
    page = await newsroom.parts.store.entries.page(SLUG, limit=100, order="oldest")
    assert page.items == made
    assert {entry.published_at for entry in made} == {NOON}


async def test_a_long_time_ahead(newsroom: Newsroom) -> None:
    """A moment's distance has no limit."""
    entry = (await newsroom.create(publish_at=(NOON + timedelta(days=36_500)).isoformat())).entry
    assert entry.status is EntryStatus.SCHEDULED


async def test_an_entry_that_cannot_be_pinned_any_more_is_published_unpinned(newsroom: Newsroom) -> None:
    """When it was scheduled there was room; news must not be lost over a pin, nor hold up what comes after."""
    scheduled = (await newsroom.create(publish_at=later(60), pinned=True)).entry
    for _ in range(10):
        await newsroom.create(pinned=True)
    newsroom.clock.time = at(120)
    await newsroom.publisher.publish_due(SLUG, scheduled.id)
    _, entry = await newsroom.parts.store.entries.find(SLUG, scheduled.id)
    assert (entry.status, entry.pinned) == (EntryStatus.PUBLISHED, False)
    assert await newsroom.parts.store.entries.scheduled(limit=1) == []


async def test_a_backdated_draft_is_not_an_edited_entry(newsroom: Newsroom) -> None:
    """The last change is the publication, and it has the backdated time."""
    draft = (await newsroom.create(status="draft")).entry
    newsroom.clock.time = at(600)
    entry = (await newsroom.edit(draft.id, status="published", publish_at=later(300))).entry
    assert (entry.published_at, entry.updated_at) == (at(300), at(300))


async def test_a_caller_cancelled_while_it_commits_has_published(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change in the database is told to the readers at once, whether or not somebody still waits for the answer."""
    entry = (await newsroom.create()).entry
    await newsroom.told()
    newsroom.heard.clear()
    commits: list[Callable[[], Coroutine[Any, Any, object]]] = [
        newsroom.create,
        lambda: newsroom.edit(entry.id, heading="Titre"),
        lambda: newsroom.delete(entry.id),
        lambda: newsroom.publisher.edit_liveblog(
            SLUG, parse(LiveblogPatch, {"title": "Autre"}), NEWSROOM, version=None
        ),
    ]
    late = LateCommits(monkeypatch)
    await late.leave(commits)
    assert newsroom.heard == []
    late.answer()
    await settle()
    assert [frame.seq for frame in newsroom.heard] == [2, 3, 4, 5]


async def test_a_long_body_is_made_safe_outside_of_the_loop_and_the_transaction(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile others are served, and others publish."""
    entry = (await newsroom.create()).entry
    go_on = threading.Event()

    def held(body: str, markup: str) -> str:
        if len(body) > 10_000:
            assert go_on.wait(10)
        return safe(body, markup)

    monkeypatch.setattr(publisher, "safe", held)
    long = "<p>Un long texte.</p>" * 1_000
    creating = asyncio.create_task(newsroom.create(body=long))
    editing = asyncio.create_task(newsroom.edit(entry.id, body=long))
    assert (await newsroom.create(body="<p>Court.</p>")).entry.body == "<p>Court.</p>"
    assert not creating.done()
    assert not editing.done()
    go_on.set()
    assert (await creating).entry.body == (await editing).entry.body == long


@pytest.mark.parametrize("piece", ["<ul><li>", "<b></p>", "<figure>", "<dl><dt>"])
async def test_what_makes_too_much_work_is_refused(newsroom: Newsroom, piece: str) -> None:
    """Of a new entry, and of an edit."""
    entry = (await newsroom.create()).entry
    givens: list[dict[str, Any]] = [{"body": piece * (100_000 // len(piece))}, {"body": piece * 100, "format": "html"}]
    for given in givens:
        with pytest.raises(InvalidInput, match=r"^/body: has [0-9,]+ (tags|elements within one another)"):
            await newsroom.create(**given)
        with pytest.raises(InvalidInput, match=r"^/body: has [0-9,]+ (tags|elements within one another)"):
            await newsroom.edit(entry.id, **given)
    with pytest.raises(InvalidInput, match=r"^/body: is too much Markdown"):
        await newsroom.create(body="![" * 50_000, format="markdown")


async def test_desk_streams_are_told_of_every_write_of_unpublished_work(newsroom: Newsroom) -> None:
    """After the commit; by whom; of nothing that was refused."""
    draft = (await newsroom.create(status="draft")).entry
    await newsroom.edit(draft.id, heading="Autre")
    with pytest.raises(InvalidInput):
        await newsroom.edit(draft.id, status="scheduled")
    await newsroom.publisher.delete_entry(SLUG, draft.id, named("Ada"), version=None)
    await newsroom.create()
    assert [(slug, hint["id"], hint["version"], hint["status"]) for slug, hint in newsroom.hints] == [
        (SLUG, draft.id, 1, "draft"),
        (SLUG, draft.id, 2, "draft"),
        (SLUG, draft.id, 3, "deleted"),
    ]
    assert newsroom.hints[-1][1]["by"]["name"] == "Ada"
