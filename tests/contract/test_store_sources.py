"""Sources and what is taken over from them, in each store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.change import EntryChanged, EntryDeleted, Position
from liveserver.domain.entry import Via
from liveserver.domain.errors import Conflict, Gone, NotFound
from liveserver.domain.ids import now
from liveserver.domain.source import ImportedEntry, SourceState
from liveserver.store import Hold, Incoming, NotHeld, Store
from tests.support.principals import NEWSROOM, named
from tests.support.store_samples import NOON, a_liveblog, a_source, an_entry, at, fine

if TYPE_CHECKING:
    from liveserver.store import Written

LEASE = timedelta(seconds=5)
EPOCH = "k3f9x2ab"
VIA = Via("Le Phare", "https://there.example/live/x/entries/1")
THERE = "01935000-0000-7000-8000-000000000001"


def position(seq: int) -> Position:
    return Position(EPOCH, seq)


def incoming(seq: int, body: str | None, remote_id: str = THERE, **fields: Any) -> Incoming:
    """An entry of the source with that body, or one that was taken away."""
    entry = None if body is None else an_entry(at(seq), id="", body=body, via=VIA, **fields)
    return Incoming(remote_id, seq, entry)


@pytest.fixture
async def held(store: Store) -> Store:
    """A store whose live blog follows another one, by the process `node`."""
    await store.sources.add(a_source(), NEWSROOM)
    assert [source.slug for source in await store.sources.hold("node", NOON, LEASE)] == ["match"]
    return store


class Taking:
    """Entries that the process `node` takes over, one after the other."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.position: Position | None = None

    async def __call__(self, given: Incoming, *, moving: bool = True) -> Written | None:
        reached = position(given.seq) if moving else None
        hold = Hold("source", "node", self.position)
        written = await self.store.sources.take_over("match", hold, reached, given, by=named("via there"), at=at(99))
        self.position = reached or self.position
        return written


async def test_an_entry_comes_changes_and_goes(held: Store) -> None:
    """Under an id of its own, at the moment that it has there; its change and the position are one."""
    take = Taking(held)
    first = await take(incoming(5, "<p>1</p>"))
    assert first is not None
    assert (first.entry.version, first.entry.published_at, first.entry.via) == (1, at(5), VIA)
    assert first.change == EntryChanged(1, first.entry)
    assert first.entry.id != THERE
    assert await held.sources.copies("match") == {THERE: ImportedEntry(first.entry.id, 5, True)}
    assert (await held.sources.find("match", NOON)).position == position(5)
    second = await take(incoming(6, "<p>2</p>"))
    assert second is not None
    assert (second.entry.id, second.entry.version, second.entry.seq) == (first.entry.id, 2, 2)
    third = await take(incoming(7, None))
    assert third is not None
    assert third.change == EntryDeleted(3, first.entry.id)
    assert await held.sources.copies("match") == {}
    assert (await held.sources.find("match", NOON)).position == position(7)


async def test_what_is_taken_over_twice_is_there_once(held: Store) -> None:
    """After a lost answer, for example: the same again writes nothing that readers see."""
    take = Taking(held)
    await take(incoming(5, "<p>1</p>"))
    again = await take(incoming(5, "<p>1</p>"))
    assert again is not None
    assert again.change is None
    assert (await held.liveblogs.find("match")).seq == 1


async def test_what_the_newsroom_deletes_stays_deleted(held: Store) -> None:
    """The source's later edits don't bring it back; an entry that the source has again gets another id here."""
    take = Taking(held)
    first = await take(incoming(5, "<p>1</p>"))
    assert first is not None
    await held.entries.delete("match", first.entry.id, fine, by=NEWSROOM, at=at(6))
    assert await take(incoming(6, "<p>2</p>")) is None
    assert await take(incoming(7, None)) is None
    assert await take(incoming(8, "<p>3</p>")) is None
    other = "01935000-0000-7000-8000-000000000002"
    second = await take(incoming(9, "<p>4</p>", other))
    assert second is not None
    await take(incoming(10, None, other))
    assert await take(incoming(11, None, other)) is None
    third = await take(incoming(12, "<p>5</p>", other))
    assert third is not None
    assert third.entry.id != second.entry.id
    with pytest.raises(Gone):
        await held.entries.find("match", second.entry.id)
    assert await held.sources.copies("match") == {other: ImportedEntry(third.entry.id, 12, True)}


async def test_it_is_edited_by_the_source_alone_while_that_is_followed(held: Store) -> None:
    written = await Taking(held)(incoming(5, "<p>1</p>"))
    assert written is not None

    async def edit() -> Written:
        return await held.entries.edit("match", written.entry.id, lambda e: replace(e, body="x"), by=NEWSROOM)

    with pytest.raises(Conflict, match="Le Phare"):
        await edit()
    await held.sources.remove("match", NEWSROOM, now())
    assert (await edit()).entry.version == 2
    with pytest.raises(NotFound):
        await held.sources.remove("match", NEWSROOM, now())
    with pytest.raises(NotFound):
        await held.sources.find("match", NOON)


async def test_a_follower_that_doesnt_hold_it_writes_nothing(held: Store) -> None:
    """Another process; another source; one that believes to be where it isn't."""
    await Taking(held)(incoming(5, "<p>1</p>"))
    other = "01935000-0000-7000-8000-000000000002"
    for hold, reached in [
        (Hold("source", "other", position(5)), position(6)),
        (Hold("source", "other", position(5)), None),
        (Hold("earlier", "node", position(5)), position(6)),
        (Hold("source", "node", position(4)), position(6)),
        (Hold("source", "node", None), position(6)),
    ]:
        with pytest.raises(NotHeld):
            await held.sources.take_over("match", hold, reached, incoming(6, "<p>2</p>", other), by=named("x"), at=NOON)
    with pytest.raises(NotHeld):
        await held.sources.move(Hold("source", "other", position(5)), position(6))
    assert (await held.liveblogs.find("match")).seq == 1
    assert (await held.sources.find("match", NOON)).position == position(5)
    await held.sources.move(Hold("source", "node", position(5)), position(6))
    assert (await held.sources.find("match", NOON)).position == position(6)


async def test_a_refused_entry_moves_nothing(held: Store) -> None:
    """One pinned entry too many: the position stays, and the entry isn't known."""
    for _ in range(10):
        await held.entries.create("match", an_entry(pinned=True), by=NEWSROOM)
    with pytest.raises(Conflict):
        await Taking(held)(incoming(5, "<p>1</p>", pinned=True))
    assert (await held.sources.find("match", NOON)).position is None
    assert await held.sources.copies("match") == {}


async def test_one_process_holds_it_at_a_time(held: Store, other: Store) -> None:
    """Until its time is over without its having taken hold again, or it leaves it."""
    assert await other.sources.hold("second", at(4), LEASE) == []
    await held.sources.hold("node", at(4), LEASE)
    assert await other.sources.hold("second", at(8), LEASE) == []
    assert [source.id for source in await other.sources.hold("second", at(9), LEASE)] == ["source"]
    assert await held.sources.hold("node", at(9), LEASE) == []
    await other.sources.release("second")
    assert len(await held.sources.hold("node", at(9), LEASE)) == 1


async def test_of_many_who_want_it_one_gets_it(store: Store, other: Store) -> None:
    await store.sources.add(a_source(), NEWSROOM)
    wanting = [which.sources.hold(f"node{n}", NOON, LEASE) for n, which in enumerate([store, other] * 4)]
    held = await asyncio.gather(*wanting)
    assert sum(len(sources) for sources in held) == 1


async def test_how_it_stands(held: Store) -> None:
    """As its holder last wrote; waiting where nobody holds it."""
    hold = Hold("source", "node", None)
    await held.sources.note(hold, SourceState.LOST, error="away", told=7, heard_at=at(1))
    source = await held.sources.find("match", at(1))
    assert (source.state, source.error, source.told, source.heard_at) == (SourceState.LOST, "away", 7, at(1))
    assert source.behind is None
    await held.sources.note(Hold("source", "other", None), SourceState.LIVE, error=None, told=9, heard_at=at(2))
    assert (await held.sources.find("match", at(1))).state is SourceState.LOST
    assert (await held.sources.find("match", at(5))).state is SourceState.WAITING
    await Taking(held)(incoming(5, "<p>1</p>"))
    assert (await held.sources.find("match", at(1))).behind == 2


async def test_a_live_blog_follows_one_at_most(held: Store) -> None:
    with pytest.raises(Conflict):
        await held.sources.add(a_source(id="second"), NEWSROOM)
    with pytest.raises(NotFound):
        await held.sources.add(a_source("none"), NEWSROOM)
    await held.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    await held.sources.add(a_source("vote", id="third"), NEWSROOM)
    assert {source.slug for source in await held.sources.hold("node", NOON, LEASE)} == {"match", "vote"}


async def test_two_live_blogs_may_follow_the_same(held: Store) -> None:
    """Each has its own copy."""
    await held.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    await held.sources.add(a_source("vote", id="third"), NEWSROOM)
    await held.sources.hold("node", NOON, LEASE)
    await Taking(held)(incoming(5, "<p>1</p>"))
    hold = Hold("third", "node", None)
    await held.sources.take_over("vote", hold, position(5), incoming(5, "<p>1</p>"), by=named("x"), at=NOON)
    here, there = await held.sources.copies("match"), await held.sources.copies("vote")
    assert here[THERE].entry_id != there[THERE].entry_id
