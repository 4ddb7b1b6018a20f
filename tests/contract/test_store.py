"""The promises of every store on writing, one after the other. Beside it: `_concurrency` and `_reading`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from liveserver.access.api_keys import new_key
from liveserver.domain.change import EntryChanged, EntryDeleted
from liveserver.domain.entry import Correction, EntryStatus, Verification
from liveserver.domain.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    KeyReused,
    NotFound,
    Unauthorized,
    VersionConflict,
)
from liveserver.domain.ids import new_id, now
from liveserver.domain.liveblog import LiveblogStatus
from liveserver.store import ApiKey, Idempotency, ReachLink, Store, Written
from liveserver.store.cursors import SortKey
from liveserver.store.repositories import entries
from liveserver.store.repositories.people.acts import ActFilter
from tests.support.principals import NEWSROOM, key_principal, named
from tests.support.store_samples import (
    NOON,
    TYPOGRAPHY,
    a_draft,
    a_liveblog,
    a_scheduled,
    an_entry,
    at,
    fine,
    raising,
)

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry


async def test_publishing_takes_the_next_seq(store: Store) -> None:
    """Each published entry is the next change, and is stored as it was answered."""
    for seq in (1, 2, 3):
        written = await store.entries.create("match", an_entry(at(seq)), by=NEWSROOM)
        assert written.change == EntryChanged(seq, written.entry)
        assert (written.entry.seq, written.liveblog.seq, written.replayed) == (seq, seq, False)
        assert await store.entries.find("match", written.entry.id) == (written.liveblog, written.entry)


async def test_two_liveblogs_count_apart(store: Store) -> None:
    """The seq belongs to the live blog."""
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    await store.entries.create("match", an_entry(), by=NEWSROOM)
    assert (await store.entries.create("vote", an_entry(), by=NEWSROOM)).entry.seq == 1


@pytest.mark.parametrize("entry", [a_draft(), a_scheduled(at(60))], ids=["draft", "scheduled"])
async def test_what_readers_never_saw_takes_no_seq(store: Store, entry: Entry) -> None:
    """Neither when it is made, nor edited, nor deleted."""
    entry = replace(entry, id=new_id())
    created = await store.entries.create("match", entry, by=NEWSROOM)
    edited = await store.entries.edit("match", entry.id, lambda e: replace(e, body="<p>2</p>"), by=NEWSROOM)
    deleted = await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1))
    for version, written in enumerate((created, edited, deleted), 1):
        assert (written.change, written.entry.seq, written.entry.version) == (None, None, version)
    assert (await store.liveblogs.find("match")).seq == 0
    assert (await store.changes.after("match", 0, limit=10)).items == []


async def test_publishing_a_draft_takes_a_seq(store: Store) -> None:
    """Becoming visible is a change."""
    draft = (await store.entries.create("match", a_draft(), by=NEWSROOM)).entry
    written = await store.entries.edit(
        "match",
        draft.id,
        lambda e: replace(e, status=EntryStatus.PUBLISHED, published_at=at(5), updated_at=at(5)),
        by=NEWSROOM,
    )
    assert written.change == EntryChanged(1, written.entry)
    assert (written.entry.version, written.entry.published_at) == (2, at(5))


async def test_editing_a_published_entry(store: Store) -> None:
    """It keeps its place and gets the next seq and version, whatever the edit says of those."""
    first = (await store.entries.create("match", an_entry(at(1)), by=NEWSROOM)).entry
    await store.entries.create("match", an_entry(at(2)), by=NEWSROOM)
    written = await store.entries.edit(
        "match",
        first.id,
        lambda e: replace(e, id="x", seq=99, version=99, created_at=at(9), body="<p>2</p>", updated_at=at(3)),
        by=NEWSROOM,
    )
    assert written.entry == replace(first, seq=3, version=2, body="<p>2</p>", updated_at=at(3))
    assert written.change == EntryChanged(3, written.entry)
    assert (await store.entries.find("match", first.id))[1] == written.entry


async def test_an_edit_that_changes_nothing_writes_nothing(store: Store) -> None:
    """No seq, no version, no revision."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    written = await store.entries.edit("match", entry.id, lambda e: e, by=NEWSROOM)
    assert (written.entry, written.change, written.liveblog.seq) == (entry, None, 1)
    assert len((await store.entries.revisions("match", entry.id))[0]) == 1
    assert await store.liveblogs.edit("match", lambda blog: blog, NEWSROOM) == (written.liveblog, None)


async def test_a_refused_edit_rolls_back(store: Store) -> None:
    """What the edit or the check raises reaches the caller, and nothing is written."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    with pytest.raises(VersionConflict):
        await store.entries.edit("match", entry.id, raising(VersionConflict(entry)), by=NEWSROOM)
    with pytest.raises(VersionConflict):
        await store.entries.delete("match", entry.id, raising(VersionConflict(entry)), by=NEWSROOM, at=at(1))
    blog = await store.liveblogs.find("match")
    with pytest.raises(VersionConflict):
        await store.liveblogs.edit("match", raising(VersionConflict(blog)), NEWSROOM)
    assert await store.entries.find("match", entry.id) == (blog, entry)
    assert blog.seq == 1


async def test_an_edit_of_another_history_is_refused(store: Store) -> None:
    """The epoch in which the entry was read is looked at where it is written."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    epoch = (await store.liveblogs.find("match")).epoch
    with pytest.raises(VersionConflict, match="backup"):
        await store.entries.edit("match", entry.id, lambda e: replace(e, body="x"), by=NEWSROOM, epoch="k3f9x2ab")
    with pytest.raises(VersionConflict, match="backup"):
        await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1), epoch="k3f9x2ab")
    assert (await store.entries.find("match", entry.id))[1] == entry
    await store.entries.edit("match", entry.id, lambda e: replace(e, body="x"), by=NEWSROOM, epoch=epoch)
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1), epoch=epoch)


async def test_a_deleted_entry_leaves_a_tombstone_without_content(store: Store) -> None:
    """Its seq is the delete's; nothing of what it said is left in its row."""
    entry = an_entry(
        heading="H",
        authors=("A",),
        key_event=True,
        breaking=True,
        pinned=True,
        tags=("t",),
        verification=Verification.CLAIMED,
        source="S",
        corrections=(Correction(NOON, "c"),),
    )
    await store.entries.create("match", entry, by=NEWSROOM)
    written = await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(9))
    assert written.change == EntryDeleted(2, entry.id)
    blank = an_entry(id=entry.id, seq=2, version=2, status=EntryStatus.DELETED, body="", updated_at=at(9))
    blank = replace(blank, created_by=NEWSROOM.ref, withdrawn_at=at(9))
    assert written.entry == blank
    assert (await store.entries.revisions("match", entry.id))[0][-1].entry == blank
    assert (await store.changes.after("match", 1, limit=10)).items == [EntryDeleted(2, entry.id)]
    snapshot = await store.liveblogs.snapshot("match", limit=10)
    assert (snapshot.entries, snapshot.pinned, snapshot.key_events) == ([], [], [])


async def test_a_deleted_entry_is_gone_for_good(store: Store) -> None:
    """It can't be read, edited or deleted again."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1))
    with pytest.raises(Gone):
        await store.entries.find("match", entry.id)
    with pytest.raises(Gone):
        await store.entries.edit("match", entry.id, lambda e: replace(e, status=EntryStatus.PUBLISHED), by=NEWSROOM)
    with pytest.raises(Gone):
        await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(2))
    with pytest.raises(Gone):
        await store.entries.around("match", entry.id, before=1, after=1)
    assert (await store.liveblogs.find("match")).seq == 2


@pytest.mark.parametrize("status", [EntryStatus.DRAFT, EntryStatus.SCHEDULED, EntryStatus.DELETED])
async def test_a_published_entry_can_not_be_taken_back_by_an_edit(store: Store, status: EntryStatus) -> None:
    """Readers would not be told: only a delete takes it away."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    with pytest.raises(Conflict):
        await store.entries.edit("match", entry.id, lambda e: replace(e, status=status), by=NEWSROOM)
    with pytest.raises(Conflict):
        await store.entries.create("match", an_entry(status=EntryStatus.DELETED), by=NEWSROOM)
    assert await store.entries.find("match", entry.id) == (await store.liveblogs.find("match"), entry)


async def test_changing_the_liveblog(store: Store) -> None:
    """Its own fields change with a seq; its identity doesn't."""
    await store.entries.create("match", an_entry(), by=NEWSROOM)
    before = await store.liveblogs.find("match")
    after, change = await store.liveblogs.edit(
        "match",
        lambda b: replace(
            b, slug="x", epoch="y", seq=9, title=TYPOGRAPHY, status=LiveblogStatus.ENDED, updated_at=at(1)
        ),
        NEWSROOM,
    )
    assert after == replace(
        before, version=2, seq=2, changed_seq=2, title=TYPOGRAPHY, status=LiveblogStatus.ENDED, updated_at=at(1)
    )
    assert change is not None
    assert change == (2, after)
    assert await store.liveblogs.find("match") == after


async def test_a_taken_slug(store: Store) -> None:
    """Conflict, and the first stays as it was."""
    first = await store.liveblogs.find("match")
    with pytest.raises(Conflict):
        await store.liveblogs.create(a_liveblog(title="Another"), NEWSROOM)
    assert await store.liveblogs.find("match") == first


@pytest.mark.parametrize("slug", ["nothing", "", "a\x00b", "Match", "m" * 200])
async def test_an_unknown_liveblog(store: Store, slug: str) -> None:
    """NotFound, whatever is asked of it."""
    entry_id = new_id()
    calls = [
        store.liveblogs.find(slug),
        store.liveblogs.edit(slug, lambda b: b, NEWSROOM),
        store.entries.create(slug, an_entry(), by=NEWSROOM),
        store.entries.find(slug, entry_id),
        store.entries.edit(slug, entry_id, lambda e: e, by=NEWSROOM),
        store.entries.delete(slug, entry_id, fine, by=NEWSROOM, at=NOON),
        store.entries.page(slug, limit=1),
        store.entries.around(slug, entry_id, before=1, after=1),
        store.liveblogs.snapshot(slug, limit=1),
        store.changes.after(slug, 0, limit=1),
        store.entries.revisions(slug, entry_id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    assert await store.changes.positions([slug]) == {}


@pytest.mark.parametrize("entry_id", ["01a205be-71ed-702f-9e0c-d80a1a74f616", "", "x", "a\x00b", "é"])
async def test_an_unknown_entry(store: Store, entry_id: str) -> None:
    """NotFound, also for what is no UUID."""
    for call in (
        store.entries.find("match", entry_id),
        store.entries.edit("match", entry_id, lambda e: e, by=NEWSROOM),
        store.entries.delete("match", entry_id, fine, by=NEWSROOM, at=NOON),
        store.entries.around("match", entry_id, before=1, after=1),
        store.entries.revisions("match", entry_id),
    ):
        with pytest.raises(NotFound):
            await call


async def test_an_entry_of_another_liveblog(store: Store) -> None:
    """An entry is found in its own live blog only."""
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    with pytest.raises(NotFound):
        await store.entries.find("vote", entry.id)
    with pytest.raises(NotFound):
        await store.entries.delete("vote", entry.id, fine, by=NEWSROOM, at=NOON)


async def test_one_pinned_entry_too_many_is_refused(store: Store) -> None:
    """Pinned entries all stand at the top of the page; there are no more of them than a page can show."""
    pinned = [(await store.entries.create("match", an_entry(at(i), pinned=True), by=NEWSROOM)).entry for i in range(10)]
    plain = (await store.entries.create("match", an_entry(at(20)), by=NEWSROOM)).entry
    with pytest.raises(Conflict, match="10 entries"):
        await store.entries.create("match", an_entry(at(21), pinned=True), by=NEWSROOM)
    with pytest.raises(Conflict, match="10 entries"):
        await store.entries.edit("match", plain.id, lambda e: replace(e, pinned=True), by=NEWSROOM)
    assert (await store.liveblogs.find("match")).seq == 11
    await store.entries.create("match", a_draft(pinned=True), by=NEWSROOM)
    await store.entries.edit("match", pinned[0].id, lambda e: replace(e, heading="Encore"), by=NEWSROOM)
    await store.entries.edit("match", pinned[0].id, lambda e: replace(e, pinned=False), by=NEWSROOM)
    await store.entries.edit("match", plain.id, lambda e: replace(e, pinned=True), by=NEWSROOM)
    assert plain.id in {entry.id for entry in (await store.liveblogs.snapshot("match", limit=1)).pinned}


async def test_text_comes_back_to_the_byte(store: Store) -> None:
    """In every field, through rows, lists and revisions."""
    entry = an_entry(
        at(0.123),
        heading=TYPOGRAPHY,
        body=TYPOGRAPHY,
        authors=(TYPOGRAPHY, "B"),
        tags=(TYPOGRAPHY,),
        source=TYPOGRAPHY,
        verification=Verification.DENIED,
        corrections=(Correction(at(0.456), TYPOGRAPHY),),
    )
    await store.entries.create("match", entry, by=named(TYPOGRAPHY))
    stored = replace(entry, seq=1, created_by=named(TYPOGRAPHY).ref)
    assert (await store.entries.find("match", entry.id))[1] == stored
    assert (await store.entries.page("match", limit=1, tag=TYPOGRAPHY)).items == [stored]
    [revision], _ = await store.entries.revisions("match", entry.id)
    assert (revision.entry, revision.actor) == (stored, TYPOGRAPHY)


async def test_revisions(store: Store) -> None:
    """Every state, who made it and how, oldest first, also after the delete."""
    created = (await store.entries.create("match", a_scheduled(at(60)), by=named("ada"))).entry
    edited = (
        await store.entries.edit("match", created.id, lambda e: replace(e, body="2", updated_at=at(1)), by=named("bob"))
    ).entry
    published = (
        await store.entries.edit(
            "match",
            created.id,
            lambda e: replace(e, status=EntryStatus.PUBLISHED, published_at=at(2), updated_at=at(2)),
            by=named("clock"),
        )
    ).entry
    deleted = (await store.entries.delete("match", created.id, fine, by=named("ada"), at=at(3))).entry
    revisions, _ = await store.entries.revisions("match", created.id)
    assert [(r.version, r.actor, r.action) for r in revisions] == [
        (1, "ada", "created"),
        (2, "bob", "edited"),
        (3, "clock", "published"),
        (4, "ada", "deleted"),
    ]
    assert [r.entry for r in revisions] == [created, edited, published, deleted]


async def test_the_log_has_the_time_of_the_write(store: Store) -> None:
    """So does the revision, also of an edit that readers aren't told as one: `updated_at` stays then."""
    created = (await store.entries.create("match", an_entry(at(1)), by=NEWSROOM)).entry
    begun = now()
    edit = store.entries.edit("match", created.id, lambda entry: replace(entry, tags=("goal",)), by=NEWSROOM)
    assert (await edit).entry.updated_at == at(1)
    ended = now()
    [_, revision], _ = await store.entries.revisions("match", created.id)
    assert begun <= revision.at <= ended
    [act], _ = await store.acts.page(ActFilter(entry_id=created.id, action="entry.edited", since=begun), limit=9)
    assert act.at == revision.at


async def test_pages_of_revisions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their number, and by what they weigh: one at least. What is added meanwhile comes at the end."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    for number in range(4):
        await store.entries.edit("match", entry.id, partial(replace, body=f"{number}"), by=NEWSROOM)

    async def pages(limit: int) -> list[list[int]]:
        found, cursor, more = [], None, True
        while more:
            revisions, cursor = await store.entries.revisions("match", entry.id, limit=limit, cursor=cursor)
            found.append([revision.version for revision in revisions])
            more = cursor is not None
        return found

    assert await pages(5) == [[1, 2, 3, 4, 5]]
    assert await pages(2) == [[1, 2], [3, 4], [5]]
    monkeypatch.setattr(entries, "REVISIONS_CHARS", 1)
    assert await pages(5) == [[1], [2], [3], [4], [5]]
    monkeypatch.undo()
    _, cursor = await store.entries.revisions("match", entry.id, limit=4)
    for other in ("x", SortKey(NOON, "abc").cursor(), SortKey(NOON, "9" * 30).cursor()):
        with pytest.raises(InvalidInput):
            await store.entries.revisions("match", entry.id, cursor=other)
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1))
    revisions, _ = await store.entries.revisions("match", entry.id, cursor=cursor)
    assert [revision.version for revision in revisions] == [5, 6]


async def test_a_replay_shows_the_entry_as_it_is_now(store: Store) -> None:
    """Edited since: the edited one. Deleted since: Gone."""
    key = Idempotency("k", "hash")
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key)).entry
    edited = await store.entries.edit("match", entry.id, lambda e: replace(e, body="2"), by=NEWSROOM)
    replayed = await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key)
    assert replayed == Written(edited.liveblog, edited.entry, None, replayed=True)
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1))
    with pytest.raises(Gone):
        await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key)
    assert (await store.liveblogs.find("match")).seq == 3


async def test_an_idempotency_key_names_one_request(store: Store) -> None:
    """With another request it is refused; of another API key it is another."""
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    key = Idempotency("k", "hash")
    await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key)
    with pytest.raises(KeyReused):
        await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key._replace(request_hash="other"))
    with pytest.raises(KeyReused):
        await store.entries.create("vote", an_entry(), by=NEWSROOM, idempotency=key)
    other = await store.entries.create("match", an_entry(), by=named("other"), idempotency=key)
    assert (other.entry.seq, other.replayed) == (2, False)


async def test_a_refusal_is_not_for_a_request_that_was_answered_before(store: Store) -> None:
    """What makes a first request void leaves nothing, not even its key."""
    key, refusal = Idempotency("k", "hash"), Conflict("too late")
    with pytest.raises(Conflict, match="too late"):
        await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key, refusal=refusal)
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key)).entry
    replayed = await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=key, refusal=refusal)
    assert (replayed.entry, replayed.replayed) == (entry, True)


async def test_a_key_must_be_good_when_the_entry_is_written(store: Store) -> None:
    """Unknown, expired or revoked: nothing is written, also if the request was answered before."""
    key, _ = new_key("Agence", ["publish"])
    expired, _ = new_key("Trop tard", ["publish"], now() - timedelta(milliseconds=1))
    await store.keys.add(key, NEWSROOM)
    await store.keys.add(expired, NEWSROOM)
    request = Idempotency("k", "hash")
    written = await store.entries.create("match", an_entry(), by=key_principal(key.id), idempotency=request)
    assert written.entry.seq == 1
    await store.keys.revoke(key.id, now(), NEWSROOM)
    for key_id, reason in ((key.id, "revoked"), (expired.id, "expired"), ("nobody", "unknown")):
        with pytest.raises(Unauthorized, match=reason):
            await store.entries.create("match", an_entry(), by=key_principal(key_id))
    with pytest.raises(Unauthorized):
        await store.entries.create("match", an_entry(), by=key_principal(key.id), idempotency=request)
    with pytest.raises(Unauthorized, match="revoked"):
        await store.entries.edit(
            "match",
            written.entry.id,
            lambda entry: replace(entry, body="<p>Trop tard</p>"),
            by=key_principal(key.id),
        )
    assert (await store.liveblogs.snapshot("match", limit=9)).entries == [written.entry]


async def test_a_key_must_be_good_for_the_live_blog_when_the_entry_is_written(store: Store) -> None:
    """Limited to others: nothing is written. One that isn't there can't be named."""
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    key, _ = new_key("Agence", ["publish"], liveblogs=["vote"])
    await store.keys.add(key, NEWSROOM)
    assert await store.keys.all() == [key]
    await store.entries.create("vote", an_entry(), by=key_principal(key.id))
    with pytest.raises(Forbidden, match="limited to vote"):
        await store.entries.create("match", an_entry(), by=key_principal(key.id))
    assert (await store.liveblogs.find("match")).seq == 0
    with pytest.raises(NotFound, match="no live blog 'rien'"):
        await store.keys.add(new_key("Agence", ["publish"], liveblogs=["vote", "rien"])[0], NEWSROOM)


async def test_links(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come back as they were; those that are made at once don't make too many."""
    monkeypatch.setattr("liveserver.store.repositories.reach.LINKS_MAX", 3)
    link = ReachLink("match", "abc", at(0), at(99))
    names = [digit * 64 for digit in "0123456789"]
    await asyncio.gather(*(store.reach.add_link(name, link, NEWSROOM) for name in names))
    found = [await store.reach.find_link(name) for name in names]
    assert [each for each in found if each is not None] == [link] * 3
    with pytest.raises(NotFound):
        await store.reach.add_link("x" * 64, link._replace(slug="rien"), NEWSROOM)
    assert await store.reach.find_link("x" * 64) is None


async def test_forgetting_idempotency_keys(store: Store) -> None:
    """Those of entries made before the moment, and no others."""
    old, new = Idempotency("old", "h"), Idempotency("new", "h")
    await store.entries.create("match", an_entry(at(0)), by=NEWSROOM, idempotency=old)
    await store.entries.create("match", an_entry(at(10)), by=NEWSROOM, idempotency=new)
    assert await store.entries.forget_idempotency(at(10)) == 1
    assert not (await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=old)).replayed
    assert (await store.entries.create("match", an_entry(), by=NEWSROOM, idempotency=new)).replayed


async def test_keys(store: Store) -> None:
    """They come back as they were; revoking keeps the first time."""
    first = ApiKey("abc", "Rédaction", "0" * 64, frozenset({"publish", "manage"}), at(0), None, None)
    second = ApiKey("def", "Partner", "1" * 64, frozenset(), at(1), at(99), None)
    await store.keys.add(second, NEWSROOM)
    await store.keys.add(first, NEWSROOM)
    assert await store.keys.all() == [first, second]
    assert await store.keys.find("abc") == first
    assert await store.keys.find("xyz") is None
    assert await store.keys.find("a\x00c") is None
    await store.keys.revoke("abc", at(5), NEWSROOM)
    await store.keys.revoke("abc", at(6), NEWSROOM)
    assert await store.keys.find("abc") == replace(first, revoked_at=at(5))
    with pytest.raises(NotFound):
        await store.keys.revoke("xyz", at(5), NEWSROOM)


async def test_a_naive_time_is_refused(store: Store) -> None:
    """It would name another moment on each machine."""
    with pytest.raises(Exception, match="time zone"):
        await store.entries.create("match", an_entry(NOON.replace(tzinfo=None)), by=NEWSROOM)
    assert (await store.liveblogs.find("match")).seq == 0


async def test_a_good_store_answers_a_ping(store: Store) -> None:
    """And is unharmed by it."""
    await store.ping()
    await asyncio.gather(*(store.ping() for _ in range(20)))
    assert (await store.liveblogs.find("match")).seq == 0
