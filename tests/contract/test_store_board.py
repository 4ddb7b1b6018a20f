"""Notes, and the board, in the store; on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.entry import NOTES_MAX, EntryStatus, Note
from liveserver.domain.errors import Conflict, Forbidden, Gone, NotFound
from liveserver.domain.ids import new_id
from liveserver.domain.people.rights import Role
from liveserver.store.repositories.review import board
from liveserver.store.repositories.review.board import BoardFilter
from tests.support.people_samples import joined
from tests.support.principals import NEWSROOM
from tests.support.review_samples import drafted, published, removal, step, submitted
from tests.support.store_samples import a_picture, a_scheduled, at, fine

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.store import Store


async def test_notes(store: Store) -> None:
    """One's own can be deleted by oneself; there is an end to them."""
    ada, eve, bob = await joined(store, "Ada"), await joined(store, "Eve"), await joined(store, "Bob", Role.EDITOR)
    entry = await published(store)
    notes = [Note(new_id(), by.ref, by.name, at(1), "«?»") for by in (ada, ada, eve)]
    for note, by in zip(notes, (ada, ada, eve), strict=True):
        assert await store.notes.add("match", entry.id, note, by) == note
    assert await store.notes.of_entry("match", entry.id) == notes
    with pytest.raises(Forbidden):
        await store.notes.remove("match", entry.id, notes[0].id, eve, at(2))
    for note_id in (new_id(), "x", "\x00"):
        with pytest.raises(NotFound):
            await store.notes.remove("match", entry.id, note_id, bob, at(2))
    await store.notes.remove("match", entry.id, notes[0].id, ada, at(2))
    await store.notes.remove("match", entry.id, notes[2].id, bob, at(2))
    assert await store.notes.of_entry("match", entry.id) == [notes[1]]
    with pytest.raises(Forbidden):
        await store.notes.add("match", entry.id, notes[0], await joined(store, "Vic", Role.VIEWER))
    for _ in range(NOTES_MAX - 1):
        await store.notes.add("match", entry.id, replace(notes[0], id=new_id()), ada)
    with pytest.raises(Conflict):
        await store.notes.add("match", entry.id, replace(notes[0], id=new_id()), ada)
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(3))
    assert len(await store.notes.of_entry("match", entry.id)) == NOTES_MAX
    with pytest.raises(Gone):
        await store.notes.add("match", entry.id, notes[0], ada)


async def test_the_board(store: Store) -> None:
    """All that isn't deleted, by state, author and words."""
    ada = await joined(store, "Ada")
    gone, public = await published(store, moment=at(1)), await published(store, moment=at(2), body="<p>a &amp; b</p>")
    waiting = await submitted(store, ada, moment=at(3), heading="Élection 100 %")
    draft = await drafted(store, ada, moment=at(4), authors=("Zoé",), tags=("mer_1",))
    due = (await store.entries.create("match", a_scheduled(at(5)), by=NEWSROOM)).entry
    await store.entries.delete("match", gone.id, fine, by=NEWSROOM, at=at(6))
    await store.notes.add("match", draft.id, Note(new_id(), ada.ref, "Ada", at(1), "x"), ada)
    page = await store.board.page("match", BoardFilter(), limit=9)
    assert page.items == [due, draft, waiting, public]
    assert (page.notes, page.counts) == ({draft.id: 1}, {"draft": 1, "review": 1, "scheduled": 1, "published": 1})
    first = await store.board.page("match", BoardFilter(), limit=3)
    assert (first.items, first.next_cursor is None) == ([due, draft, waiting], False)
    assert (await store.board.page("match", BoardFilter(), limit=3, cursor=first.next_cursor)).items == [public]

    async def found(**which: Any) -> list[Entry]:
        return (await store.board.page("match", BoardFilter(**which), limit=9)).items

    assert await found(statuses=(EntryStatus.DRAFT, EntryStatus.REVIEW)) == [draft, waiting]
    assert await found(created_by=ada.ref) == [draft, waiting]
    for text, expected in (
        ("lection 100 %", [waiting]),
        ("LECTION", [waiting]),
        ("a & b", [public]),
        ("zo", [draft]),
        ("mer_", [draft]),
        ("_", [draft]),
        ("%", [waiting]),
        ("nothing", []),
        ("\\", []),
    ):
        assert await found(text=text) == expected, text


async def test_the_boards_state_changes_with_every_write(store: Store) -> None:
    """Also with those that readers don't see; and with nothing else."""
    states = [await store.liveblogs.board_tag("match")]
    entry, ada = await drafted(store, NEWSROOM), await joined(store, "Ada", Role.EDITOR)
    states.append(await store.liveblogs.board_tag("match"))
    note = Note(new_id(), ada.ref, "Ada", at(1), "x")
    for write in (
        lambda: store.entries.edit("match", entry.id, lambda e: replace(e, body="2"), by=ada),
        lambda: store.reviews.submit(step(entry, ada)),
        lambda: store.notes.add("match", entry.id, note, ada),
        lambda: store.notes.remove("match", entry.id, note.id, ada, at(2)),
        lambda: store.reviews.approve(step(entry, ada, version=3)),
        lambda: store.reviews.withdraw(removal(entry, ada)),
        lambda: store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(3)),
    ):
        await write()
        states.append(await store.liveblogs.board_tag("match"))
    assert len(set(states)) == len(states)
    await store.media.add(a_picture(), NEWSROOM)
    assert await store.liveblogs.board_tag("match") == states[-1]
    with pytest.raises(NotFound):
        await store.liveblogs.board_tag("rien")


async def test_a_search_looks_at_so_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest; older ones aren't found."""
    monkeypatch.setattr(board, "SEARCHED_MAX", 2)
    entries = [await drafted(store, NEWSROOM, moment=at(number), heading="x") for number in range(3)]
    found = await store.board.page("match", BoardFilter(text="X"), limit=9)
    assert found.items == [entries[2], entries[1]]


async def test_a_search_reads_so_many_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the newest entries; a longer one is searched if it is the newest."""
    sizes = (30, 30, 30, 40)
    entries = [
        await drafted(store, NEWSROOM, moment=at(number), heading="x", body="é" * (size // 2))
        for number, size in enumerate(sizes)
    ]
    for bound, expected in ((130, 4), (129, 3), (100, 3), (99, 2), (70, 2), (69, 1), (40, 1), (39, 1)):
        monkeypatch.setattr(board, "SEARCHED_BYTES", bound)
        found = await store.board.page("match", BoardFilter(text="X"), limit=9)
        assert found.items == entries[::-1][:expected], bound
    older = BoardFilter(statuses=(EntryStatus.PUBLISHED,), text="x")
    assert (await store.board.page("match", older, limit=9)).items == []


async def test_a_search_makes_capitals_small_where_the_database_does(store: Store) -> None:
    """ASCII on both; nothing in a text is a pattern."""
    entry = await drafted(store, NEWSROOM, heading="Zoé % _ \\ ^", body="<p>A</p>", tags=("MER",))
    for text in ("ZOé", "zo", "% _", "\\ ^", "mer", "<p", "P>"):
        found = (await store.board.page("match", BoardFilter(text=text), limit=9)).items
        assert found == ([] if "<" in text or ">" in text else [entry]), text
