"""The promises of every store on partners, and on the earlier states of a live blog."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.change import EntryChanged, EntryDeleted, GoneNotice, Position
from liveserver.domain.errors import Conflict, InvalidInput, NotFound, VersionConflict
from liveserver.domain.ids import EntityVersion, now
from liveserver.domain.liveblog import EmbedPolicy
from liveserver.domain.partner import Attribution
from liveserver.store.repositories import change_times, partners
from tests.support.principals import NEWSROOM, named
from tests.support.store_samples import NOON, a_draft, a_partner, an_entry, at, fine

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.entry import Entry
    from liveserver.store import Store


class Hands:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """When changes are made, as far as the store knows."""
    hands = Hands()
    monkeypatch.setattr(change_times, "now", hands)
    return hands


async def test_partners(store: Store) -> None:
    """They are found as they were put in, changed by versions, and forgotten."""
    full = a_partner(
        liveblogs=("match",),
        tags=("mer", "l’été"),
        delay=30,
        expires_at=at(9),
        attribution=Attribution("Avec nous", "https://a.example/"),
    )
    assert await store.partners.add(full, NEWSROOM) == full
    assert await store.partners.find(full.id) == full
    other = await store.partners.add(a_partner(at(1)), NEWSROOM)
    first, cursor = await store.partners.page(limit=1)
    second, end = await store.partners.page(limit=1, cursor=cursor)
    assert ([*first, *second], end) == ([other, full], None)
    edited = await store.partners.edit(full.id, lambda p: replace(p, enabled=False, updated_at=at(2)), NEWSROOM)
    assert edited == replace(full, enabled=False, updated_at=at(2), version=2)
    assert await store.partners.edit(full.id, lambda p: p, NEWSROOM) == edited
    assert (await store.partners.rules()).partners == {full.id: edited, other.id: other}
    with pytest.raises(VersionConflict):
        await store.partners.delete(full.id, NEWSROOM, now(), version=EntityVersion(1))
    await store.partners.delete(full.id, NEWSROOM, now(), version=EntityVersion(2))
    assert (await store.partners.rules()).partners == {other.id: other}
    for partner_id in (full.id, "", "p_\x00", "' OR 1=1 --"):
        with pytest.raises(NotFound):
            await store.partners.find(partner_id)
        with pytest.raises(NotFound):
            await store.partners.edit(partner_id, lambda p: p, NEWSROOM)
        with pytest.raises(NotFound):
            await store.partners.delete(partner_id, NEWSROOM, now(), version=None)
    with pytest.raises(InvalidInput):
        await store.partners.page(limit=1, cursor="x")


async def test_embedding(store: Store) -> None:
    """A live blog says who may show it; those that say nothing aren't among the rules."""
    assert (await store.liveblogs.find("match")).embedding == EmbedPolicy()
    assert (await store.partners.rules()).restricted == {}
    some = EmbedPolicy("origins", ("https://a.example",))
    await store.liveblogs.edit("match", lambda b: replace(b, embedding=some), NEWSROOM)
    assert (await store.liveblogs.find("match")).embedding == some
    assert (await store.partners.rules()).restricted == {"match": some}
    await store.liveblogs.edit("match", lambda b: replace(b, embedding=EmbedPolicy()), NEWSROOM)
    assert (await store.partners.rules()).restricted == {}


async def test_what_it_was(store: Store, hands: Hands) -> None:
    """Each thing as it was, where it stood; drafts and what is deleted by now aren't there."""
    old = (await store.entries.create("match", an_entry(at(0), body="old", tags=("mer",)), by=named("x"))).entry
    gone = (await store.entries.create("match", an_entry(at(1), body="gone"), by=named("x"))).entry
    draft = (await store.entries.create("match", a_draft(at(2), body="draft"), by=named("x"))).entry
    hands.now = at(60)
    await store.entries.edit("match", old.id, lambda e: replace(e, body="new", tags=(), pinned=True), by=named("x"))
    await store.entries.edit("match", draft.id, lambda e: an_entry(at(61), id=e.id), by=named("x"))
    await store.entries.delete("match", gone.id, fine, by=named("x"), at=at(62))
    await store.liveblogs.edit("match", lambda b: replace(b, title="Fini", updated_at=at(62)), NEWSROOM)
    epoch = (await store.liveblogs.find("match")).epoch
    then, now = at(59), at(60)

    page = await store.entries.page("match", limit=9, moment=then)
    assert (page.items, page.next_cursor, page.liveblog.seq, page.liveblog.title) == ([old], None, 2, "Le match")
    snapshot = await store.liveblogs.snapshot("match", limit=9, moment=then)
    assert (snapshot.entries, snapshot.pinned, snapshot.liveblog) == ([old], [], page.liveblog)
    assert snapshot.changed_at <= then
    assert (await store.liveblogs.snapshot("match", limit=9, moment=then, tags=("mer", "x"))).entries == [old]
    assert (await store.liveblogs.snapshot("match", limit=9, moment=now, tags=("mer", "x"))).entries == []
    as_it_is = await store.liveblogs.snapshot("match", limit=9)
    assert (await store.liveblogs.snapshot("match", limit=9, moment=now)).entries == as_it_is.entries
    assert (await store.entries.page("match", limit=9, moment=then, tag="mer")).items == [old]
    assert (await store.entries.page("match", limit=9, moment=then, key_events=True)).items == []

    found, notices = await store.changes.after_as_of("match", 0, limit=9, moment=then)
    assert found.items == [EntryChanged(1, old), EntryDeleted(2, gone.id)]
    assert (found.more, notices) == (False, [GoneNotice(gone.id, 5)])
    found, notices = await store.changes.after_as_of("match", 2, limit=9, moment=then)
    assert (found.items, notices) == ([], [GoneNotice(gone.id, 5)])
    assert (await store.changes.after_as_of("match", 0, limit=9, moment=now))[0] == await store.changes.after(
        "match", 0, limit=9
    )
    assert await store.changes.positions_as_of([("match", then), ("match", now), ("rien", now)]) == {
        ("match", then): Position(epoch, 2),
        ("match", now): Position(epoch, 6),
    }
    pending = await store.changes.since("match", then)
    assert pending == (Position(epoch, 6), [(seq, now) for seq in (3, 4, 5, 6)], [GoneNotice(gone.id, 5)])
    with pytest.raises(NotFound):
        await store.changes.since("rien", then)
    with pytest.raises(NotFound):
        await store.changes.after_as_of("rien", 0, limit=9, moment=then)


async def test_any_moment(store: Store, hands: Hands) -> None:
    """Asked for any moment, the store answers with the state that a reader was given at that moment."""
    chance = random.Random(6)
    ids: list[str] = []
    states: list[tuple[datetime, list[Entry], list[str]]] = []
    for step in range(70):
        hands.now = at(step * 10)
        what = chance.choice(["publish", "publish", "edit", "edit", "delete", "title"])
        tags = chance.choice([(), ("mer",), ("mer", "ciel")])
        if what == "publish" or not ids:
            entry = an_entry(at(chance.randrange(900)), pinned=False, key_event=chance.random() < 0.3, tags=tags)
            ids.append((await store.entries.create("match", entry, by=named("x"))).entry.id)
        elif what == "edit":
            await store.entries.edit("match", chance.choice(ids), _another(step, tags), by=named("x"))
        elif what == "delete":
            chosen = ids.pop(chance.randrange(len(ids)))
            await store.entries.delete("match", chosen, fine, by=named("x"), at=hands.now)
        else:
            await store.liveblogs.edit("match", _titled(step), NEWSROOM)
        page = await store.entries.page("match", limit=100)
        states.append((hands.now, page.items, [page.liveblog.title]))
    for moment, items, [title] in states:
        expected = [entry for entry in items if entry.id in ids]
        for order in ("newest", "oldest"):
            pages: list[Entry] = []
            cursor = None
            while True:
                page = await store.entries.page(
                    "match", limit=5, cursor=cursor, order=order, moment=moment + timedelta(seconds=1)
                )
                pages += page.items
                if (cursor := page.next_cursor) is None:
                    break
            assert pages == (expected if order == "newest" else expected[::-1])
            assert page.liveblog.title == title
        sea = await store.liveblogs.snapshot("match", limit=100, tags=("mer",), moment=moment)
        assert sea.entries == [entry for entry in expected if "mer" in entry.tags]
        assert sea.key_events == [entry for entry in sea.entries if entry.key_event]
        replayed: dict[str, Any] = {}
        found, _ = await store.changes.after_as_of("match", 0, limit=200, moment=moment)
        for change in found.items:
            if isinstance(change, EntryChanged):
                replayed[change.entry.id] = change.entry
        assert replayed == {entry.id: entry for entry in expected}


def _titled(step: int) -> Any:
    return lambda liveblog: replace(liveblog, title=str(step))


def _another(step: int, tags: tuple[str, ...]) -> Any:
    return lambda entry: replace(entry, body=str(step), tags=tags, key_event=step % 3 == 0, updated_at=at(step * 10))


async def test_moments_are_forgotten(store: Store, hands: Hands) -> None:
    """In time; nobody is as late as that."""
    for number in range(change_times.SWEEP - 1):
        await store.entries.create("match", an_entry(at(number)), by=named("x"))
    assert len((await store.changes.since("match", NOON - timedelta(hours=1))).changes) == change_times.SWEEP - 1
    hands.now = NOON + change_times.KEEP + timedelta(seconds=1)
    await store.entries.create("match", an_entry(at(1)), by=named("x"))
    assert len((await store.changes.since("match", NOON - timedelta(hours=1))).changes) == 1


async def test_there_are_so_many_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until one goes."""
    monkeypatch.setattr(partners, "PARTNERS_MAX", 2)
    first, _ = [await store.partners.add(a_partner(at(number)), NEWSROOM) for number in range(2)]
    with pytest.raises(Conflict, match="2 partners, as many as there may be"):
        await store.partners.add(a_partner(at(3)), NEWSROOM)
    await store.partners.delete(first.id, NEWSROOM, now(), version=None)
    await store.partners.add(a_partner(at(4)), NEWSROOM)
