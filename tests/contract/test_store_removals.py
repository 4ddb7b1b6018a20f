"""Withdrawals, erasures and takedowns by two persons in the store; on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from liveserver.domain.change import EntryChanged, EntryDeleted, GoneNotice
from liveserver.domain.entry import EntryStatus, Note
from liveserver.domain.errors import Gone, NotFound, VersionConflict
from liveserver.domain.ids import new_id
from liveserver.domain.liveblog import TwoPersons
from liveserver.domain.people.rights import Role
from liveserver.store import ApiKey, Idempotency, Store
from liveserver.store.repositories import change_times
from tests.support.backups import query
from tests.support.people_samples import joined
from tests.support.principals import NEWSROOM, key_principal
from tests.support.review_samples import actions, asks_for, drafted, published, removal, step
from tests.support.store_samples import a_liveblog, an_entry, at, fine

if TYPE_CHECKING:
    from pathlib import Path

    from liveserver.domain.entry import Entry
    from liveserver.domain.people.principal import Principal


async def test_a_withdrawal_against_an_edit(store: Store, other: Store) -> None:
    """In either order the text is gone from readers."""
    for number in range(8):
        entry = await published(store)
        await asyncio.gather(
            store.reviews.withdraw(removal(entry, NEWSROOM)),
            other.entries.edit("match", entry.id, lambda e: replace(e, body="<p>else</p>"), by=NEWSROOM),
        )
        _, found = await store.entries.find("match", entry.id)
        assert (found.status, found.body, found.version) == (EntryStatus.DRAFT, "<p>else</p>", 3)
        changes = await store.changes.after("match", 0, limit=100)
        deletions = [change for change in changes.items if isinstance(change, EntryDeleted)]
        assert len(deletions) == number + 1
        assert not any(isinstance(change, EntryChanged) for change in changes.items)


async def test_a_withdrawal_is_a_deletion_for_readers(store: Store) -> None:
    """In every query of theirs; and the entry comes back as a new one."""
    entry = await published(store, pinned=True, key_event=True, body="<p>secret</p>")
    stays = await published(store, moment=at(1))
    written = await store.reviews.withdraw(removal(entry, NEWSROOM))
    draft = written.entry
    assert (written.change, draft.status, draft.body) == (EntryDeleted(3, entry.id), "draft", "<p>secret</p>")
    assert (draft.seq, draft.published_at, draft.withdrawn_at, draft.pinned) == (3, None, at(20), False)

    async def assert_nobody_sees_it() -> None:
        snapshot = await store.liveblogs.snapshot("match", limit=9)
        assert (snapshot.entries, snapshot.pinned, snapshot.key_events) == ([stays], [], [])
        assert snapshot.changed_at == at(20)
        assert (await store.entries.page("match", limit=9)).items == [stays]
        assert (await store.changes.after("match", 2, limit=9)).items == [EntryDeleted(3, entry.id)]
        feed = await store.liveblogs.feed("match", limit=9)
        assert (feed.entries, feed.deleted, feed.changed_at) == ([stays], [(entry.id, at(20))], at(20))
        with pytest.raises(NotFound):
            await store.entries.find_published("match", entry.id)
        with pytest.raises(NotFound):
            await store.entries.around("match", entry.id, before=1, after=1)

    await assert_nobody_sees_it()
    await store.entries.edit("match", entry.id, lambda e: replace(e, body="<p>2</p>", updated_at=at(30)), by=NEWSROOM)
    await store.reviews.submit(step(entry, NEWSROOM))
    await assert_nobody_sees_it()
    again = await store.reviews.approve(step(entry, NEWSROOM, version=4))
    assert again.change == EntryChanged(4, again.entry)
    assert (again.entry.published_at, again.entry.withdrawn_at) == (at(9), None)
    assert (await store.liveblogs.feed("match", limit=9)).deleted == []
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(40))
    with pytest.raises(Gone):
        await store.entries.find_published("match", entry.id)


async def test_a_full_feed_tells_of_withdrawals(store: Store) -> None:
    """Of an entry that was written long before it was published, too."""
    draft = await drafted(store, NEWSROOM, moment=at(-1000))
    await published(store, moment=at(1))
    await published(store, moment=at(2))
    await store.entries.edit(
        "match", draft.id, lambda e: replace(e, status=EntryStatus.PUBLISHED, published_at=at(3)), by=NEWSROOM
    )
    await store.reviews.withdraw(removal(draft, NEWSROOM))
    assert (await store.liveblogs.feed("match", limit=1)).deleted == [(draft.id, at(20))]


async def test_late_readers_never_see_what_was_withdrawn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not either when the entry was published again since; and those who have it learn that it is gone."""
    clock = [at(0)]
    monkeypatch.setattr(change_times, "now", lambda: clock[0])
    entry = await published(store, body="<p>secret</p>")
    clock[0] = at(10)
    await store.reviews.withdraw(removal(entry, NEWSROOM))
    clock[0] = at(20)

    def publish(draft: Entry) -> Entry:
        return replace(draft, status=EntryStatus.PUBLISHED, published_at=at(20), body="2")

    await store.entries.edit("match", entry.id, publish, by=NEWSROOM)
    for moment in (at(5), at(15)):
        assert (await store.entries.page("match", limit=9, moment=moment)).items == []
        assert (await store.liveblogs.snapshot("match", limit=9, moment=moment)).entries == []
    changes, notices = await store.changes.after_as_of("match", 0, limit=9, moment=at(5))
    assert (changes.items, notices) == ([EntryDeleted(1, entry.id)], [GoneNotice(entry.id, 2)])
    # Between the two, somebody who comes back learns of the withdrawal.
    changes, notices = await store.changes.after_as_of("match", 1, limit=9, moment=at(15))
    assert (changes.items, notices) == ([EntryDeleted(2, entry.id)], [])
    assert (await store.changes.since("match", at(5))).gone == [GoneNotice(entry.id, 2)]
    assert (await store.changes.since("match", at(15))).gone == []
    changes, _ = await store.changes.after_as_of("match", 2, limit=9, moment=at(20))
    assert [change.seq for change in changes.items] == [3]


async def test_an_erased_entry_leaves_no_text(store: Store) -> None:
    """Neither in its row nor in revisions, notes and keys; who did what, and when, stays."""
    key = Idempotency("k", "a hash of the text")
    entry = an_entry(body="<p>secret</p>", heading="secret", source="secret", tags=("secret",))
    await store.entries.create("match", entry, by=NEWSROOM, idempotency=key)
    other = await published(store, body="<p>kept</p>")
    await store.entries.edit("match", entry.id, lambda e: replace(e, authors=("secret",)), by=NEWSROOM)
    await store.notes.add("match", entry.id, Note(new_id(), NEWSROOM.ref, "desk", at(1), "secret"), NEWSROOM)
    erased = await store.reviews.erase(removal(entry, NEWSROOM))
    assert erased.change == EntryDeleted(4, entry.id)
    for table in ("entries", "revisions", "notes", "idempotency", "moments", "acts"):
        rows = str(await query(store, f"SELECT * FROM {table}"))
        assert "secret" not in rows, table
        assert "hash of the text" not in rows, table
    revisions, _ = await store.entries.revisions("match", entry.id)
    assert [(r.action, r.actor, r.entry.version) for r in revisions] == [
        *(("published", "desk", 1), ("edited", "desk", 2), ("erased", "desk", 3))
    ]
    assert await actions(store, entry) == ["entry.published", "entry.edited", "note.added", "entry.erased"]
    with pytest.raises(Gone):
        await store.entries.create("match", entry, by=NEWSROOM, idempotency=key)
    assert (await store.entries.revisions("match", other.id))[0][0].entry.body == "<p>kept</p>"


async def test_an_erasure_reads_no_revision(store: Store) -> None:
    """The database empties them by itself, however many there are: each may be as long as bodies may be."""
    entry = await published(store, heading="secret", tags=("é",), breaking=True, key_event=True)
    for number in range(4):
        await store.entries.edit("match", entry.id, partial(replace, body=f"secret {number}"), by=NEWSROOM)
    before, _ = await store.entries.revisions("match", entry.id)
    statements: list[str] = []
    engine = store._database.writer.engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    await store.reviews.erase(removal(entry, NEWSROOM))
    of_revisions = [statement.split()[0] for statement in statements if "revisions" in statement]
    assert sorted(of_revisions) == ["INSERT", "UPDATE"]
    after, _ = await store.entries.revisions("match", entry.id)
    emptied = [replace(each.entry, heading=None, body="", authors=(), tags=()) for each in before]
    assert [each.entry for each in after[:-1]] == emptied, "and nothing else is changed"


async def test_an_erasure_leaves_no_text_in_the_file(tmp_path: Path) -> None:
    """SQLite overwrites what it frees. (What is left in the write-ahead log goes with its next checkpoint.)"""
    store = await Store.open(f"sqlite:///{tmp_path}/live.db")
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    entries = [await published(store, body=f"<p>{'Zanzibar ' * 2000}</p>") for _ in range(3)]
    for entry in entries:
        await store.reviews.erase(removal(entry, NEWSROOM))
    await store.close()
    content = await asyncio.to_thread((tmp_path / "live.db").read_bytes)
    assert b"Zanzibar" not in content


async def test_what_was_deleted_can_be_erased(store: Store) -> None:
    """Readers learn nothing more of it."""
    entry = await published(store, body="<p>secret</p>")
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1))
    assert "secret" in str(await query(store, "SELECT * FROM revisions"))
    erased = await store.reviews.erase(removal(entry, NEWSROOM))
    assert (erased.change, erased.entry.seq, erased.entry.withdrawn_at) == (None, 2, at(1))
    assert "secret" not in str(await query(store, "SELECT * FROM revisions"))
    with pytest.raises(NotFound):
        await store.reviews.erase(removal(an_entry(), NEWSROOM))


@pytest.mark.parametrize("kind", ["delete", "withdraw", "erase"])
async def test_a_takedown_needs_two_persons(store: Store, kind: str) -> None:
    """One proposes, and nothing changes for readers; another's same call does it."""
    await asks_for(store, TwoPersons.TAKEDOWNS)
    entry, draft = await published(store), await drafted(store, NEWSROOM)
    ada, bob = await joined(store, "Ada", Role.EDITOR), await joined(store, "Bob", Role.EDITOR)
    await store.keys.add(ApiKey("robot", "robot", "0" * 64, frozenset({"publish"}), at(0), None, None), NEWSROOM)
    robot = key_principal("robot")

    async def take_down(which: Entry, by: Principal, version: int | None = None) -> Any:
        if kind == "delete":
            return await store.entries.delete("match", which.id, fine, by=by, at=at(3), seen=version is not None)
        return await getattr(store.reviews, kind)(removal(which, by, version=version))

    if kind != "withdraw":
        assert not (await take_down(draft, ada)).proposed, "nobody sees it"
    before = await store.liveblogs.find("match")
    first = await take_down(entry, ada)
    assert (first.proposed, first.change, first.entry.review.by) == (True, None, ada.ref)
    for by in (ada, robot):
        again = await take_down(entry, by)
        assert (again.proposed, again.entry.review) == (True, first.entry.review)
    assert await store.liveblogs.find("match") == before
    assert (await store.entries.find_published("match", entry.id))[1].version == 1
    # An edit in between voids it.
    await store.entries.edit("match", entry.id, lambda e: replace(e, body="2"), by=NEWSROOM)
    with pytest.raises(VersionConflict):
        await take_down(entry, bob)
    renewed = await take_down(entry, robot, 2)
    assert (renewed.proposed, renewed.entry.review.by, renewed.entry.review.version) == (True, robot.ref, 2)
    done = await take_down(entry, ada, 2)
    assert (done.proposed, done.change) == (False, EntryDeleted(before.seq + 2, entry.id))
    past = {"delete": "deleted", "withdraw": "withdrawn", "erase": "erased"}[kind]
    assert await actions(store, entry) == [
        *("entry.published", f"entry.{kind}_proposed", "entry.edited", f"entry.{kind}_proposed", f"entry.{past}")
    ]


async def test_two_confirm_at_once(store: Store, other: Store) -> None:
    """The entry is taken down once."""
    await asks_for(store, TwoPersons.TAKEDOWNS)
    entry = await published(store)
    people = [await joined(store, name, Role.EDITOR) for name in ("Ada", "Bob", "Eve")]
    await store.reviews.withdraw(removal(entry, people[0]))
    answers = await asyncio.gather(
        store.reviews.withdraw(removal(entry, people[1])),
        other.reviews.withdraw(removal(entry, people[2])),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Written"]
    assert (await store.liveblogs.find("match")).seq == 3
