"""Restoring a backup: it replaces a database at one moment, while others read and write, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from liveserver.domain.errors import Conflict, NotFound
from liveserver.store import Idempotency, Store, tables
from liveserver.store.backup import restore as restoring
from liveserver.store.backup.archive import Holdings
from liveserver.store.backup.restore import Restored, restore
from liveserver.store.repositories import liveblogs, sequence
from tests.support.backups import KEY, back_up, execute, seen
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog, an_entry, at, fine
from tests.support.transaction_pause import Pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection

    from liveserver.domain.liveblog import Liveblog


async def test_every_live_blog_begins_a_new_history(filled: Store, store_url: str, path: Path) -> None:
    """Its seq stays, its epoch is neither the one it had nor the backup's."""
    before = await filled.changes.positions(["match", "vote"])
    await back_up(store_url, path)
    epochs = {position.epoch for position in before.values()}
    for _ in range(3):
        await restore(store_url, path, replace=True)
        after = await filled.changes.positions(["match", "vote"])
        assert {slug: position.seq for slug, position in after.items()} == {"match": 11, "vote": 1}
        epochs |= {position.epoch for position in after.values()}
    assert len(epochs) == 8
    assert (await filled.entries.create("match", an_entry(), by=NEWSROOM)).entry.seq == 12


async def test_what_came_after_the_backup_is_replaced(filled: Store, store_url: str, path: Path) -> None:
    """Entries, edits, deletes, live blogs and repeated requests; what was deleted since is there again."""
    expected = await seen(filled)
    await back_up(store_url, path)
    await filled.liveblogs.create(a_liveblog("late"), NEWSROOM)
    late = Idempotency("late", "hash")
    await filled.entries.create("late", an_entry(), by=NEWSROOM, idempotency=late)
    [newest] = (await filled.entries.page("match", limit=1)).items
    await filled.entries.delete("match", newest.id, fine, by=NEWSROOM, at=at(60))
    restored = await restore(store_url, path, replace=True)
    assert restored == Restored(Holdings(3, 10, at(60)), Holdings(2, 10, at(50)))
    assert await seen(filled) == expected
    with pytest.raises(NotFound):
        await filled.liveblogs.find("late")
    assert not (await filled.entries.create("match", an_entry(), by=NEWSROOM, idempotency=late)).replayed


async def test_api_keys_are_added_and_what_was_revoked_stays_so(store: Store, store_url: str, path: Path) -> None:
    """A restore in an emergency locks nobody out, and lets nobody in again."""
    revoked_since, revoked_before = replace(KEY, id="since"), replace(KEY, id="before")
    for key in (KEY, revoked_since, revoked_before):
        await store.keys.add(key, NEWSROOM)
    early = path.with_name("early.zip")
    await back_up(store_url, early)
    await store.keys.revoke("before", at(1), NEWSROOM)
    await back_up(store_url, path)
    await store.keys.revoke("since", at(2), NEWSROOM)
    made_since = replace(KEY, id="new")
    await store.keys.add(made_since, NEWSROOM)
    expected = [KEY, replace(revoked_before, revoked_at=at(1)), made_since, replace(revoked_since, revoked_at=at(2))]
    for older in (path, early):
        await restore(store_url, older, replace=True)
        assert await store.keys.all() == expected


async def test_a_revoked_key_of_the_backup_is_revoked_by_it(store: Store, store_url: str, path: Path) -> None:
    """Where an older state of the database was restored first."""
    await store.keys.add(KEY, NEWSROOM)
    early = path.with_name("early.zip")
    await back_up(store_url, early)
    await store.keys.revoke("abc", at(1), NEWSROOM)
    await back_up(store_url, path)
    await store._database.write(execute, tables.api_keys.update().values(revoked_at=None))
    await restore(store_url, path, replace=True)
    assert [key.revoked_at for key in await store.keys.all()] == [at(1)]


async def test_live_blogs_are_not_replaced_unless_asked(filled: Store, store_url: str, path: Path) -> None:
    """The refusal tells what would be lost, and everything is as it was, epochs too."""
    await back_up(store_url, path)
    await filled.entries.create("match", an_entry(at(70)), by=NEWSROOM)
    before, positions = await seen(filled), await filled.changes.positions(["match", "vote"])
    with pytest.raises(Conflict) as caught:
        await restore(store_url, path)
    message = str(caught.value)
    assert "holds 2 live blogs and 11 entries, last changed 2026-11-22 12:01:10 UTC" in message
    assert "the backup holds 2 live blogs and 10 entries, last changed 2026-11-22 12:00:50 UTC" in message
    assert "--force" in message
    assert await seen(filled) == before
    assert await filled.changes.positions(["match", "vote"]) == positions


async def test_a_database_with_nothing_but_keys_is_not_refused(store_url: str, target_url: str, path: Path) -> None:
    """On a new machine the key is often made first."""
    source = await Store.open(store_url)
    await source.liveblogs.create(a_liveblog(), NEWSROOM)
    await source.close()
    await back_up(store_url, path)
    target = await Store.open(target_url, migrate=True)
    await target.keys.add(KEY, NEWSROOM)
    await restore(target_url, path)
    assert [key.id for key in await target.keys.all()] == ["abc"]
    assert (await target.liveblogs.find("match")).title == "Le match"
    await target.close()


@pytest.fixture
async def uncommitted(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pause]:
    """Holds up a restore that has written everything, and not committed it."""
    pause, begin_histories = Pause(), restoring._begin_histories

    def hold(connection: Connection) -> None:
        begin_histories(connection)
        pause.here(connection)

    monkeypatch.setattr(restoring, "_begin_histories", hold)
    yield pause
    pause.end()


async def test_readers_see_the_old_state_until_there_is_the_new_one(
    filled: Store, store_url: str, path: Path, uncommitted: Pause
) -> None:
    """At no moment neither, or something of both."""
    expected = await seen(filled)
    await back_up(store_url, path)
    await filled.entries.create("match", an_entry(at(70)), by=NEWSROOM)
    before = await seen(filled)
    restoring = asyncio.create_task(restore(store_url, path, replace=True))
    await uncommitted.reached.wait()
    assert await seen(filled) == before
    reader = Pause()

    def read(connection: Connection) -> tuple[Liveblog, int | None, Liveblog]:
        first = liveblogs.find(connection, "match").liveblog
        reader.here(connection)
        count = connection.scalar(text("SELECT count(*) FROM entries WHERE status = 'published'"))
        return first, count, liveblogs.find(connection, "match").liveblog

    reading = asyncio.create_task(filled._database.read(read))
    await reader.reached.wait()
    uncommitted.end()
    await restoring
    assert await seen(filled) == expected != before
    reader.end()
    # A reader that began before goes on in the old state, whose rows are all still there for it.
    first, count, last = await reading
    assert (first.seq, count, last) == (12, 9, first)


async def test_a_write_during_a_restore_waits_and_belongs_to_the_new_history(
    store: Store, store_url: str, path: Path, uncommitted: Pause
) -> None:
    """To a live blog that isn't there any more it is not found."""
    await store.entries.create("match", an_entry(), by=NEWSROOM)
    await back_up(store_url, path)
    await store.liveblogs.create(a_liveblog("late"), NEWSROOM)
    restoring = asyncio.create_task(restore(store_url, path, replace=True))
    await uncommitted.reached.wait()
    writing = [
        asyncio.create_task(store.entries.create(slug, an_entry(), by=NEWSROOM)) for slug in ("match", "match", "late")
    ]
    done, _ = await asyncio.wait(writing, timeout=0.3)
    assert not done
    uncommitted.end()
    await restoring
    first, second, late = await asyncio.gather(*writing, return_exceptions=True)
    assert isinstance(late, NotFound)
    assert not isinstance(first, BaseException)
    assert not isinstance(second, BaseException)
    epoch = (await store.liveblogs.find("match")).epoch
    assert {(w.liveblog.epoch, w.entry.seq) for w in (first, second)} == {(epoch, 2), (epoch, 3)}


async def test_a_restore_waits_for_a_write_that_has_begun(
    store: Store, store_url: str, target_url: str, path: Path
) -> None:
    """It is wholly before the restore, and lost with its history: never half in the next."""
    source = await Store.open(target_url, migrate=True)
    await source.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    await source.close()
    await back_up(target_url, path)
    writer = Pause()

    def write(connection: Connection) -> None:
        liveblogs.find(connection, "match")
        writer.here(connection)
        # The backup has only "vote".
        sequence.take_seq(connection, "match")

    writing = asyncio.create_task(store._database.write(write))
    await writer.reached.wait()
    restoring = asyncio.create_task(restore(store_url, path, replace=True))
    done, _ = await asyncio.wait([restoring], timeout=0.5)
    writer.end()
    assert not done
    await writing
    await restoring
    assert (await store.liveblogs.find("vote")).seq == 0
    with pytest.raises(NotFound):
        await store.liveblogs.find("match")


async def test_a_restore_that_is_cancelled_leaves_everything(
    filled: Store, store_url: str, path: Path, uncommitted: Pause
) -> None:
    """Also where it goes on in a thread for a while."""
    await back_up(store_url, path)
    before, positions = await seen(filled), await filled.changes.positions(["match", "vote"])
    restoring = asyncio.create_task(restore(store_url, path, replace=True))
    await uncommitted.reached.wait()
    restoring.cancel()
    await asyncio.sleep(0)
    uncommitted.end()
    with pytest.raises(asyncio.CancelledError):
        await restoring
    assert await seen(filled) == before
    assert await filled.changes.positions(["match", "vote"]) == positions


async def test_a_restore_that_fails_half_way_leaves_everything(
    filled: Store, store_url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the writers go on."""
    await back_up(store_url, path)
    before, positions = await seen(filled), await filled.changes.positions(["match", "vote"])

    def fail(_connection: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(restoring, "_begin_histories", fail)
    with pytest.raises(ZeroDivisionError):
        await restore(store_url, path, replace=True)
    assert await seen(filled) == before
    assert await filled.changes.positions(["match", "vote"]) == positions
    assert (await filled.entries.create("match", an_entry(), by=NEWSROOM)).entry.seq == 12
