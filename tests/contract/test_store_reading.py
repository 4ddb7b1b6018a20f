"""The promises of every store on reading: order, pages, snapshots and changes, each as of one moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveserver.domain.change import Change, EntryChanged, EntryDeleted, LiveblogChanged, Position
from liveserver.domain.entry import Correction, EntryStatus, Verification
from liveserver.domain.errors import InvalidInput, NotFound
from liveserver.domain.ids import new_id
from liveserver.store.cursors import SortKey
from liveserver.store.repositories import entry_queries
from tests.support.effort import examples
from tests.support.principals import NEWSROOM, named
from tests.support.store_samples import NOON, a_draft, a_liveblog, a_scheduled, an_entry, at, fine

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.store import Store

EVERY = (EntryStatus.DRAFT, EntryStatus.SCHEDULED, EntryStatus.PUBLISHED)
LONG = ("x" * 12, "é" * 5, "1", "22", "7777777", "55555", "88888888")


async def publish(store: Store, *entries: Entry) -> list[Entry]:
    return [(await store.entries.create("match", entry, by=NEWSROOM)).entry for entry in entries]


async def pages(store: Store, limit: int, **options: Any) -> list[list[Entry]]:
    found, cursor = [], None
    while True:
        page = await store.entries.page("match", limit=limit, cursor=cursor, **options)
        found.append(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("ask_first", [3, 20])
@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_of_long_entries_end_early(
    store: Store, order: Literal["newest", "oldest"], ask_first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the entry that makes them long enough, in bytes; one comes always, and nothing is left out."""
    monkeypatch.setattr(entry_queries, "ASK_FIRST", ask_first)
    monkeypatch.setattr(entry_queries, "PAGE_BYTES", 10)
    entries = await publish(store, *(an_entry(at(n), body=body) for n, body in enumerate(LONG)))
    sizes = [2, 3, 1, 1] if order == "newest" else [1, 1, 3, 2]
    found = await pages(store, 9, order=order)
    assert [entry for page in found for entry in page] == (entries[::-1] if order == "newest" else entries)
    assert [len(page) for page in found] == sizes
    assert [len(page) for page in await pages(store, 2, order=order)] == (
        [2, 2, 2, 1] if order == "newest" else [1, 1, 2, 2, 1]
    )


@pytest.mark.parametrize("ask_first", [1, 20])
async def test_corrections_count_with_their_bodies(
    store: Store, ask_first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_queries, "ASK_FIRST", ask_first)
    monkeypatch.setattr(entry_queries, "PAGE_BYTES", 100)
    corrections = (Correction(at(1), "x" * 100),)
    await publish(store, *(an_entry(at(number), corrections=corrections) for number in range(3)))
    assert [len(page) for page in await pages(store, 9, order="newest")] == [1, 1, 1]


async def test_a_snapshot_of_long_entries_ends_early(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on in the list. Pinned entries are there all the same, and so are the names of key events."""
    monkeypatch.setattr(entry_queries, "PAGE_BYTES", 10)
    entries = await publish(store, *(an_entry(at(n), body=b, pinned=True, key_event=True) for n, b in enumerate(LONG)))
    snapshot = await store.liveblogs.snapshot("match", limit=9)
    assert snapshot.entries == entries[:-3:-1]
    assert snapshot.pinned == snapshot.key_events == entries[::-1]
    older = await store.entries.page("match", limit=9, cursor=snapshot.next_cursor)
    assert older.items == entries[-3:-6:-1]


@pytest.mark.parametrize("ask_first", [3, 20])
async def test_changes_of_long_entries_end_early(store: Store, ask_first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The live blog's own change comes where its seq stands, also as of a moment gone by."""
    monkeypatch.setattr(entry_queries, "ASK_FIRST", ask_first)
    monkeypatch.setattr(entry_queries, "PAGE_BYTES", 10)
    entries = await publish(store, *(an_entry(at(n), body=body) for n, body in enumerate(LONG[:5])))
    await store.liveblogs.edit("match", lambda liveblog: replace(liveblog, title="Autre", updated_at=at(5)), NEWSROOM)
    entries += await publish(store, *(an_entry(at(n + 6), body=body) for n, body in enumerate(LONG[5:])))
    for moment in (None, at(10**8)):
        seqs: list[list[int]] = []
        seq = 0
        while True:
            if moment is None:
                changes = await store.changes.after("match", seq, limit=9)
            else:
                changes, _ = await store.changes.after_as_of("match", seq, limit=9, moment=moment)
            seqs.append([change.seq for change in changes.items])
            if not changes.more:
                break
            seq = changes.items[-1].seq
        assert seqs == [[1], [2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_join_without_overlap_in_equal_milliseconds(
    store: Store, order: Literal["newest", "oldest"]
) -> None:
    """Seven entries, five of them of one moment, in pages of two: by time, then by id."""
    entries = await publish(store, an_entry(at(9)), *(an_entry(at(5)) for _ in range(5)), an_entry(at(1)))
    expected = sorted(entries, key=lambda e: (e.published_at, e.id), reverse=order == "newest")
    found = await pages(store, 2, order=order)
    assert [len(page) for page in found] == [2, 2, 2, 1]
    assert [entry for page in found for entry in page] == expected
    assert len(await pages(store, 7, order=order)) == 1


async def test_pages_stay_in_place_while_entries_come_and_go(store: Store) -> None:
    """A cursor names a place, not a count: even the entry it was made of may be deleted."""
    entries = await publish(store, *(an_entry(at(i)) for i in range(6)))
    first = await store.entries.page("match", limit=3)
    await publish(store, an_entry(at(10)))
    await store.entries.delete("match", first.items[-1].id, fine, by=NEWSROOM, at=at(11))
    second = await store.entries.page("match", limit=3, cursor=first.next_cursor)
    assert second.items == entries[2::-1]
    assert second.next_cursor is None


async def test_filters(store: Store) -> None:
    """Key events, and a tag as a whole; together both must hold."""
    plain, key, tagged, both = await publish(
        store,
        an_entry(at(1), tags=("but", "bu", "b%t"), verification=Verification.DENIED),
        an_entry(at(2), key_event=True, tags=("buts",)),
        an_entry(at(3), tags=("VAR", "but")),
        an_entry(at(4), key_event=True, tags=("but", "é")),
    )
    assert (await store.entries.page("match", limit=9, key_events=True)).items == [both, key]
    assert (await store.entries.page("match", limit=9, tag="but")).items == [both, tagged, plain]
    assert (await store.entries.page("match", limit=9, tag="é")).items == [both]
    assert (await store.entries.page("match", limit=9, verification=Verification.DENIED)).items == [plain]
    assert (await store.entries.page("match", limit=9, verification=Verification.DENIED, tag="é")).items == []
    assert (await store.entries.page("match", limit=9, tag="b%t")).items == [plain]
    assert (await store.entries.page("match", limit=9, tag="but", key_events=True)).items == [both]
    assert (await store.entries.page("match", limit=9, tag="var")).items == []
    assert (await store.entries.page("match", limit=9, tag='but"]')).items == []
    assert [page[0] for page in await pages(store, 1, tag="but", order="oldest")] == [plain, tagged, both]
    with pytest.raises(InvalidInput):
        await store.entries.page("match", limit=9, tag="\x00")


async def test_other_statuses(store: Store) -> None:
    """Readers' lists show what is published; the desk's also the rest, by when it is due or was made."""
    draft, scheduled, published, gone = await publish(
        store, a_draft(at(2)), a_scheduled(at(30), at(1)), an_entry(at(3)), a_draft(at(4))
    )
    await store.entries.delete("match", gone.id, fine, by=NEWSROOM, at=at(5))
    assert (await store.entries.page("match", limit=9)).items == [published]
    assert (await store.entries.page("match", limit=9, statuses=EVERY)).items == [scheduled, published, draft]
    assert [p[0] for p in await pages(store, 1, statuses=EVERY, order="oldest")] == [draft, published, scheduled]
    assert (await store.entries.page("match", limit=9, statuses={EntryStatus.DRAFT})).items == [draft]
    assert (await store.entries.page("match", limit=9, statuses=())).items == []


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "====", "MTIz", "\x00", SortKey(NOON, "x").cursor()[:-3] + "/w", "9" * 999]
)
async def test_a_bad_cursor(store: Store, cursor: str) -> None:
    """Invalid, and names the parameter."""
    for call in (store.entries.page("match", limit=1, cursor=cursor), store.liveblogs.page(limit=1, cursor=cursor)):
        with pytest.raises(InvalidInput) as caught:
            await call
        assert caught.value.errors[0].pointer == "?cursor"


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.differing_executors])
@given(st.text(alphabet=st.characters(max_codepoint=255)), st.integers(-(10**18), 10**18))
def test_cursors_of_any_text_are_places_or_invalid(text: str, number: int) -> None:
    """No other error comes of what a stranger puts into a URL."""
    for cursor in (text, SortKey(NOON, "x").cursor() + text):
        try:
            SortKey.parse(cursor)
        except InvalidInput:
            continue
    place = SortKey(at(number % 10**9), new_id())
    assert SortKey.parse(place.cursor()) == place


async def test_liveblogs_newest_created_first(store: Store) -> None:
    """Paged by cursor, also where several were created in one moment."""
    for number, moment in enumerate((5, 5, 5, 9)):
        await store.liveblogs.create(a_liveblog(f"live-{number}", created_at=at(moment)), NEWSROOM)
    slugs, cursor = [], None
    while True:
        items, cursor = await store.liveblogs.page(limit=2, cursor=cursor)
        slugs.append([blog.slug for blog in items])
        if cursor is None:
            break
    assert slugs == [["live-3", "live-2"], ["live-1", "live-0"], ["match"]]


async def test_an_entry_among_its_neighbours(store: Store) -> None:
    """So many on either side, newest first, with cursors that go on from there."""
    entries = (await publish(store, *(an_entry(at(5)) for _ in range(9))))[::-1]
    await publish(store, a_draft(at(5)))
    middle = entries[4]
    blog, items, newer, older = await store.entries.around("match", middle.id, before=2, after=3)
    assert blog == await store.liveblogs.find("match")
    assert items == entries[1:7]
    assert newer is not None
    assert older is not None
    assert (await store.entries.page("match", limit=9, cursor=newer, order="oldest")).items == entries[:1]
    assert (await store.entries.page("match", limit=9, cursor=older)).items == entries[7:]
    everything = await store.entries.around("match", middle.id, before=4, after=4)
    assert (everything.items, everything.newer_cursor, everything.older_cursor) == (entries, None, None)
    alone = await store.entries.around("match", middle.id, before=0, after=0)
    assert alone.items == [middle]
    assert None not in (alone.newer_cursor, alone.older_cursor)


async def test_an_unpublished_entry_has_no_neighbours(store: Store) -> None:
    """Readers may not learn that it is there."""
    [draft] = await publish(store, a_draft())
    with pytest.raises(NotFound):
        await store.entries.around("match", draft.id, before=1, after=1)


async def test_snapshot(store: Store) -> None:
    """Pinned ones, key events and the newest, each newest first and bounded."""
    entries = await publish(
        store, *(an_entry(at(i), pinned=i % 12 == 0, key_event=i % 2 == 0) for i in range(120)), a_draft(pinned=True)
    )
    published = entries[119::-1]
    snapshot = await store.liveblogs.snapshot("match", limit=20)
    assert snapshot.liveblog == await store.liveblogs.find("match")
    assert snapshot.entries == published[:20]
    assert snapshot.pinned == [e for e in published if e.pinned]
    assert snapshot.key_events == [e for e in published if e.key_event]
    assert (await store.entries.page("match", limit=100, cursor=snapshot.next_cursor)).items == published[20:]
    assert (await store.liveblogs.snapshot("match", limit=120)).next_cursor is None


async def test_a_snapshot_is_one_moment(store: Store, other: Store) -> None:
    """While another store publishes and pins, what a snapshot shows adds up to its seq."""

    async def write() -> None:
        for i in range(30):
            await other.entries.create("match", an_entry(at(i), pinned=i < 5, key_event=True), by=NEWSROOM)

    writing = asyncio.create_task(write())
    while not writing.done():
        snapshot = await store.liveblogs.snapshot("match", limit=50)
        seq = snapshot.liveblog.seq
        assert [e.seq for e in snapshot.entries] == [e.seq for e in snapshot.key_events] == list(range(seq, 0, -1))
        assert len(snapshot.pinned) == min(seq, 5)
    await writing


async def test_changes_after_any_position(store: Store) -> None:
    """The latest state of each thing, in the order of its last change; none that came before."""
    one, two, three = await publish(store, an_entry(at(1)), an_entry(at(2)), an_entry(at(3)))
    blog, _ = await store.liveblogs.edit("match", lambda b: replace(b, title="Fin"), NEWSROOM)
    one = (await store.entries.edit("match", one.id, lambda e: replace(e, pinned=True), by=NEWSROOM)).entry
    await store.entries.delete("match", two.id, fine, by=NEWSROOM, at=at(4))
    await publish(store, a_draft())
    now = await store.liveblogs.find("match")
    assert (blog.changed_seq, now.changed_seq, now.seq) == (4, 4, 6)
    everything: list[Change] = [
        EntryChanged(3, three),
        LiveblogChanged(4, now),
        EntryChanged(5, one),
        EntryDeleted(6, two.id),
    ]
    for after in range(8):
        changes = await store.changes.after("match", after, limit=10)
        assert changes.liveblog == now
        assert changes.items == [change for change in everything if change.seq > after]
        assert not changes.more


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_changes_in_parts(store: Store, limit: int) -> None:
    """Asking again after the last item until there is no more gives everything once, wherever the live blog's is."""
    await publish(store, an_entry(), an_entry())
    await store.liveblogs.edit("match", lambda b: replace(b, title="Fin"), NEWSROOM)
    await publish(store, an_entry())
    found: list[int] = []
    more = True
    while more:
        changes = await store.changes.after("match", found[-1] if found else 0, limit=limit)
        assert len(changes.items) <= limit
        assert changes.more == (changes.items[-1].seq < 4)
        found += [change.seq for change in changes.items]
        more = changes.more
    assert found == [1, 2, 3, 4]


async def test_scheduled(store: Store) -> None:
    """The next due first; published and deleted ones no more."""
    assert await store.entries.scheduled(limit=10) == []
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    late, soon, published, gone = await publish(
        store, a_scheduled(at(20)), a_scheduled(at(10)), a_scheduled(at(5)), a_scheduled(at(6))
    )
    other = (await store.entries.create("vote", a_scheduled(at(15)), by=NEWSROOM)).entry
    assert await store.entries.scheduled(limit=1) == [("match", published.id, at(5))]
    await store.entries.edit(
        "match", published.id, lambda e: replace(e, status=EntryStatus.PUBLISHED, published_at=at(5)), by=named("clock")
    )
    await store.entries.delete("match", gone.id, fine, by=NEWSROOM, at=at(5))
    assert await store.entries.scheduled(limit=10) == [
        ("match", soon.id, at(10)),
        ("vote", other.id, at(15)),
        ("match", late.id, at(20)),
    ]
    assert await store.entries.scheduled(limit=1) == [("match", soon.id, at(10))]


async def test_positions(store: Store) -> None:
    """Of those that exist."""
    vote = await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    await publish(store, an_entry(), a_draft())
    match = await store.liveblogs.find("match")
    assert await store.changes.positions(["match", "vote", "nothing", "a\x00b"]) == {
        "match": Position(match.epoch, 1),
        "vote": Position(vote.epoch, 0),
    }
    assert await store.changes.positions([]) == {}
    # More than fit into a statement.
    made_up = [f"rien-{number}" for number in range(40_000)]
    assert (await store.changes.positions([*made_up, "match"])).keys() == {"match"}


async def test_when_a_live_blog_began_and_last_changed(store: Store) -> None:
    """By its entries and its own fields, whichever changed last; deletions count, drafts don't."""

    async def moments() -> tuple[Any, Any]:
        snapshot = await store.liveblogs.snapshot("match", limit=1)
        (listing,) = await store.liveblogs.numbered(range(1, 99))
        feed = await store.liveblogs.feed("match", limit=1)
        assert (listing.liveblog, listing.began_at) == (snapshot.liveblog, snapshot.began_at)
        assert listing.changed_at == snapshot.changed_at == feed.changed_at
        return snapshot.began_at, snapshot.changed_at

    assert await moments() == (None, NOON)
    await publish(store, a_draft(at(1)))
    assert await moments() == (None, NOON)
    first, second = await publish(store, an_entry(at(2)), an_entry(at(3)))
    assert await moments() == (at(2), at(3))
    backdated = replace(an_entry(at(4)), published_at=at(-60))
    await publish(store, backdated)
    assert await moments() == (at(-60), at(4))
    await store.liveblogs.edit("match", lambda blog: replace(blog, title="Autre", updated_at=at(5)), NEWSROOM)
    assert await moments() == (at(-60), at(5))
    await store.entries.edit("match", first.id, lambda e: replace(e, heading="Un", updated_at=at(6)), by=NEWSROOM)
    assert await moments() == (at(-60), at(6))
    await store.entries.delete("match", backdated.id, fine, by=NEWSROOM, at=at(7))
    assert await moments() == (at(2), at(7))
    for entry in (first, second):
        await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(8))
    assert await moments() == (None, at(8))


async def test_feed(store: Store) -> None:
    """The newest entries, and the tombstones that would stand among them; a deleted draft never stood there."""
    assert await store.liveblogs.feed("match", limit=2) == (await store.liveblogs.find("match"), [], [], NOON)
    entries = await publish(store, *(an_entry(at(i), pinned=i == 0) for i in range(6)))
    (draft,) = await publish(store, a_draft(at(6)))
    for number, entry in enumerate((draft, entries[1], entries[5])):
        await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(10 + number))
    feed = await store.liveblogs.feed("match", limit=2)
    assert feed.liveblog == await store.liveblogs.find("match")
    assert feed.entries == [entries[4], entries[3]]
    assert feed.deleted == [(entries[5].id, at(12))]
    assert feed.changed_at == at(12)
    whole = await store.liveblogs.feed("match", limit=4)
    assert whole.entries == [entries[i] for i in (4, 3, 2, 0)]
    assert [deletion.id for deletion in whole.deleted] == [entries[i].id for i in (5, 1)]
    await store.entries.delete("match", entries[3].id, fine, by=NEWSROOM, at=at(13))
    assert [deletion.id for deletion in (await store.liveblogs.feed("match", limit=1)).deleted] == [entries[5].id]
    with pytest.raises(NotFound):
        await store.liveblogs.feed("rien", limit=2)


async def test_live_blogs_that_changed(store: Store) -> None:
    """Since a moment, the last changed first; each keeps its number."""
    for number, slug in enumerate(("un", "deux", "trois"), start=1):
        await store.liveblogs.create(a_liveblog(slug, created_at=at(number), updated_at=at(number)), NEWSROOM)
    await store.entries.create("un", an_entry(at(20)), by=NEWSROOM)
    changed = await store.liveblogs.changed_since(at(2), limit=9)
    assert [(found.liveblog.slug, found.changed_at) for found in changed] == [
        ("un", at(20)),
        ("trois", at(3)),
        ("deux", at(2)),
    ]
    assert [found.liveblog.slug for found in await store.liveblogs.changed_since(at(2), limit=2)] == ["un", "trois"]
    assert await store.liveblogs.changed_since(at(20.001), limit=9) == []
    highest = await store.liveblogs.highest_number()
    everything = await store.liveblogs.numbered(range(1, highest + 1))
    assert [found.liveblog.slug for found in everything] == ["match", "un", "deux", "trois"]
    assert [found.began_at for found in everything] == [None, at(20), None, None]
    assert await store.liveblogs.numbered(range(highest, highest + 5)) == everything[-1:]
    assert await store.liveblogs.numbered(range(highest + 1, highest + 5)) == []
