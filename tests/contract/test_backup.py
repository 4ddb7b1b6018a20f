"""Backups: from every database to every database, while others write, and never by halves."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import sqlite3
import threading
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy import Table, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.util import await_only

from liveserver.domain.audience import ConfirmationCounts, ReachHour, Takedown
from liveserver.domain.change import EntryChanged, EntryDeleted, Position
from liveserver.domain.entry import Correction, EntryStatus, Verification, Via
from liveserver.domain.errors import (
    BadBackup,
    Conflict,
    FieldError,
    InvalidInput,
    NotFound,
    SettingsError,
    StoreUnavailable,
)
from liveserver.domain.ids import EntityVersion, new_id
from liveserver.domain.liveblog import EmbedPolicy, LiveblogStatus
from liveserver.domain.partner import Attribution
from liveserver.store import (
    ApiKey,
    Hold,
    Idempotency,
    Incoming,
    ReachLink,
    Store,
    migrate,
    schema,
    tables,
)
from liveserver.store.backup import dump, sections
from liveserver.store.backup import restore as restoring
from liveserver.store.backup.archive import ArchiveWriter, Holdings
from liveserver.store.backup.dump import backup
from liveserver.store.backup.restore import restore
from liveserver.store.repositories import liveblogs, sequence
from tests.support.store_samples import (
    NOON,
    TYPOGRAPHY,
    a_draft,
    a_liveblog,
    a_partner,
    a_picture,
    a_scheduled,
    a_source,
    an_entry,
    at,
    fine,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy import Connection, Executable, FromClause

    from liveserver.domain.liveblog import Liveblog
    from liveserver.store.backup.archive import Manifest, Row

LINK = ReachLink("vote", "abc", at(0), at(99))
KEY = ApiKey("abc", "Rédaction", "0" * 64, frozenset({"publish", "manage"}), at(0), at(99), None)
CURRENT = schema.newest()
REQUEST = Idempotency("abc", "retry", "hash")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backup.zip"


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is as new: no file yet, no tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/target.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


async def back_up(url: str, path: Path) -> Manifest:
    with await asyncio.to_thread(path.open, "wb") as file:
        return await backup(url, file)


def execute(connection: Connection, statement: Executable) -> list[Any]:
    """A transaction of one statement; its rows."""
    result: Any = connection.execute(statement)
    return list(result) if result.returns_rows else []


async def query(store: Store, statement: str) -> list[Any]:
    return await store._database.read(execute, text(statement))


async def fill(store: Store) -> None:
    """Everything there is to have: states, fields, texts, deleted things, keys."""
    await store.liveblogs.create(a_liveblog("vote", title=TYPOGRAPHY, summary=TYPOGRAPHY, created_at=at(0.123456)))
    ended, nobody = LiveblogStatus.ENDED, EmbedPolicy("nobody")
    await store.liveblogs.edit("vote", lambda b: replace(b, status=ended, embedding=nobody, updated_at=at(50)))
    full = an_entry(
        at(0.987),
        heading=TYPOGRAPHY,
        body=TYPOGRAPHY,
        authors=("Anna", "Zoé"),
        tags=("mer", TYPOGRAPHY),
        key_event=True,
        pinned=True,
        breaking=True,
        verification=Verification.CLAIMED,
        source=TYPOGRAPHY,
        corrections=(Correction(at(3), TYPOGRAPHY),),
    )
    await store.entries.create("match", full, actor=TYPOGRAPHY, idempotency=REQUEST)
    entries = [(await store.entries.create("match", an_entry(at(n)), actor="desk")).entry for n in range(7)]
    await store.sources.add(a_source())
    await store.sources.hold("node", at(0), timedelta(seconds=5))
    taken = Incoming(new_id(), 3, an_entry(at(7), id="", via=Via(TYPOGRAPHY, "https://there.example/live/x")))
    hold = Hold(a_source().id, "node", None)
    await store.sources.take_over("match", hold, Position("k3f9x2ab", 3), taken, actor="via there", at=at(7))
    await store.entries.edit("match", entries[2].id, lambda e: replace(e, body="2", updated_at=at(9)), actor="bob")
    deletion = (await store.entries.delete("match", entries[3].id, fine, actor="bob", at=at(10))).change
    assert deletion is not None
    await store.takedowns.keep(
        Takedown(entries[3].id, deletion.seq, at(10), at(11), {"": ConfirmationCounts(3, 1, 2, 1)})
    )
    await store.reach.add([("vote", ReachHour("p_a", at(3600), 4, 5, 6))])
    await store.entries.create("match", a_draft(body="draft"), actor="desk")
    await store.entries.create("match", a_scheduled(at(3600)), actor="desk")
    await store.media.add(a_picture())
    deleted = await store.media.add(a_picture(at(1)))
    await store.media.delete(deleted.id, version=EntityVersion(1), at=at(12))
    await store.partners.add(a_partner(attribution=Attribution(TYPOGRAPHY, "https://a.example/"), expires_at=at(99)))
    await store.keys.add(replace(KEY, liveblogs=frozenset({"vote"})))
    await store.reach.add_link("0" * 64, LINK)


async def seen(store: Store) -> dict[str, Any]:
    """All that anybody can read, but the epochs."""

    def plain(value: Any) -> Any:
        """Without the epochs, wherever a live blog stands."""
        if hasattr(value, "epoch"):
            return replace(value, epoch="")
        if hasattr(value, "_replace"):
            return value._replace(**{name: plain(part) for name, part in value._asdict().items()})
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value

    found: dict[str, Any] = {
        "liveblogs": plain(await store.liveblogs.page(limit=9)),
        "keys": await store.keys.all(),
        "link": await store.reach.find_link("0" * 64),
        "media": await store.media.page(limit=9),
        "rules": await store.partners.rules(),
        "scheduled": await store.entries.scheduled(limit=9),
        "source": await store.sources.find("match", at(9999)),
        "copies": await store.sources.copies("match"),
    }
    for liveblog in (await store.liveblogs.page(limit=9))[0]:
        slug = liveblog.slug
        changes = await store.changes.after(slug, 0, limit=999)
        page = await store.entries.page(slug, limit=999, statuses=set(EntryStatus))
        found[slug] = {
            "snapshot": plain(await store.liveblogs.snapshot(slug, limit=5)),
            "changes": plain(changes),
            "entries": plain(page),
            "reach": await store.reach.find(slug, at(-9999), at(9999)),
            "revisions": [(await store.entries.revisions(slug, entry.id))[0] for entry in page.items],
            "takedowns": [await store.takedowns.find(slug, c.id) for c in changes.items if isinstance(c, EntryDeleted)],
        }
    return found


@pytest.fixture
async def filled(store: Store) -> Store:
    await fill(store)
    return store


async def test_everything_comes_back(filled: Store, store_url: str, target_url: str, path: Path) -> None:
    """To another database, of the same kind or of the other, without one that was there before."""
    manifest = await back_up(store_url, path)
    expected = await seen(filled)
    assert manifest.holds == Holdings(2, 10, at(50))
    assert {name: section.rows for name, section in manifest.sections.items()} == {
        "liveblogs": 2,
        "entries": 11,
        "revisions": 13,
        "takedowns": 1,
        "reach": 1,
        "idempotency": 1,
        "media": 2,
        "partners": 1,
        "moments": 12,
        "sources": 1,
        "copies": 1,
        "api_keys": 1,
        "reach_links": 1,
    }
    assert await restore(target_url, path) == (Holdings(0, 0, None), manifest.holds)
    target = await Store.open(target_url, migrate=False)
    assert await seen(target) == expected
    replayed = await target.entries.create("match", an_entry(), actor="desk", idempotency=REQUEST)
    assert (replayed.replayed, replayed.entry.heading) == (True, TYPOGRAPHY)
    await target.liveblogs.create(a_liveblog("next"))
    assert (await target.entries.create("next", an_entry(), actor="desk")).entry.seq == 1
    await target.close()
    # And once more, from what was restored.
    again = path.with_name("again.zip")
    assert (await back_up(target_url, again)).holds.liveblogs == 3
    await restore(store_url, again, replace=True)
    assert (await filled.liveblogs.find("next")).seq == 1


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
    assert (await filled.entries.create("match", an_entry(), actor="desk")).entry.seq == 12


async def test_what_came_after_the_backup_is_replaced(filled: Store, store_url: str, path: Path) -> None:
    """Entries, edits, deletes, live blogs and repeated requests; what was deleted since is there again."""
    expected = await seen(filled)
    await back_up(store_url, path)
    await filled.liveblogs.create(a_liveblog("late"))
    late = Idempotency("abc", "late", "hash")
    await filled.entries.create("late", an_entry(), actor="desk", idempotency=late)
    [newest] = (await filled.entries.page("match", limit=1)).items
    await filled.entries.delete("match", newest.id, fine, actor="desk", at=at(60))
    restored = await restore(store_url, path, replace=True)
    assert restored == (Holdings(3, 10, at(60)), Holdings(2, 10, at(50)))
    assert await seen(filled) == expected
    with pytest.raises(NotFound):
        await filled.liveblogs.find("late")
    assert not (await filled.entries.create("match", an_entry(), actor="desk", idempotency=late)).replayed


async def test_api_keys_are_added_and_what_was_revoked_stays_so(store: Store, store_url: str, path: Path) -> None:
    """A restore in an emergency locks nobody out, and lets nobody in again."""
    revoked_since, revoked_before = replace(KEY, id="since"), replace(KEY, id="before")
    for key in (KEY, revoked_since, revoked_before):
        await store.keys.add(key)
    early = path.with_name("early.zip")
    await back_up(store_url, early)
    await store.keys.revoke("before", at(1))
    await back_up(store_url, path)
    await store.keys.revoke("since", at(2))
    made_since = replace(KEY, id="new")
    await store.keys.add(made_since)
    expected = [KEY, replace(revoked_before, revoked_at=at(1)), made_since, replace(revoked_since, revoked_at=at(2))]
    for older in (path, early):
        await restore(store_url, older, replace=True)
        assert await store.keys.all() == expected


async def test_a_revoked_key_of_the_backup_is_revoked_by_it(store: Store, store_url: str, path: Path) -> None:
    """Where an older state of the database was restored first."""
    await store.keys.add(KEY)
    early = path.with_name("early.zip")
    await back_up(store_url, early)
    await store.keys.revoke("abc", at(1))
    await back_up(store_url, path)
    await store._database.write(execute, tables.api_keys.update().values(revoked_at=None))
    await restore(store_url, path, replace=True)
    assert [key.revoked_at for key in await store.keys.all()] == [at(1)]


async def test_live_blogs_are_not_replaced_unless_asked(filled: Store, store_url: str, path: Path) -> None:
    """What would be lost is told, and everything is as it was, epochs too."""
    await back_up(store_url, path)
    await filled.entries.create("match", an_entry(at(70)), actor="desk")
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
    await source.liveblogs.create(a_liveblog())
    await source.close()
    await back_up(store_url, path)
    target = await Store.open(target_url, migrate=True)
    await target.keys.add(KEY)
    await restore(target_url, path)
    assert [key.id for key in await target.keys.all()] == ["abc"]
    assert (await target.liveblogs.find("match")).title == "Le match"
    await target.close()


async def test_while_others_publish(
    store: Store, store_url: str, other: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup is one moment: as many entries as the counter says, each with its revision, each key with its entry."""
    # So that a backup takes its time.
    monkeypatch.setattr(dump, "ROWS", 1)
    for number in range(40):
        await store.entries.create("match", an_entry(at(number)), actor="desk")
    done = asyncio.Event()

    async def publish(writer: Store, name: str) -> None:
        count = 0
        while not done.is_set():
            request = Idempotency(name, str(count), "hash")
            await writer.entries.create("match", an_entry(at(count)), actor=name, idempotency=request)
            count += 1

    publisher = [asyncio.create_task(publish(writer, name)) for writer, name in ((store, "a"), (other, "b"))]
    manifest = await back_up(store_url, path)
    done.set()
    await asyncio.gather(*publisher)
    written = (await store.liveblogs.find("match")).seq
    assert 40 <= manifest.holds.entries < written, "there was publishing meanwhile"

    target_url = f"sqlite:///{path.parent}/target.db"
    await restore(target_url, path)
    target = await Store.open(target_url)
    changes = await target.changes.after("match", 0, limit=99_999)
    assert [change.seq for change in changes.items] == list(range(1, changes.liveblog.seq + 1))
    assert changes.liveblog.seq == manifest.holds.entries == manifest.sections["revisions"].rows
    assert manifest.sections["idempotency"].rows == changes.liveblog.seq - 40
    orphans = "SELECT count(*) FROM idempotency WHERE entry_id NOT IN (SELECT id FROM entries)"
    assert await query(target, orphans) == [(0,)]
    assert await query(target, "PRAGMA foreign_key_check") == []
    assert await query(target, "PRAGMA integrity_check") == [("ok",)]
    await target.close()


class Pause:
    """Holds up a transaction where it calls `here`: in its thread on SQLite, on the event loop on PostgreSQL."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._over = asyncio.Event()
        self._over_in_thread = threading.Event()
        self._loop = asyncio.get_running_loop()

    def here(self, connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            self._loop.call_soon_threadsafe(self.reached.set)
            self._over_in_thread.wait()
        else:
            self.reached.set()
            await_only(self._over.wait())

    def end(self) -> None:
        self._over.set()
        self._over_in_thread.set()


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
    await filled.entries.create("match", an_entry(at(70)), actor="desk")
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
    await store.entries.create("match", an_entry(), actor="desk")
    await back_up(store_url, path)
    await store.liveblogs.create(a_liveblog("late"))
    restoring = asyncio.create_task(restore(store_url, path, replace=True))
    await uncommitted.reached.wait()
    writing = [
        asyncio.create_task(store.entries.create(slug, an_entry(), actor="desk")) for slug in ("match", "match", "late")
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
    await source.liveblogs.create(a_liveblog("vote"))
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


async def test_a_backup_that_is_cancelled_ends(filled: Store, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And writes nothing more."""
    pause, read = Pause(), dump._read

    def hold(connection: Connection, table: Table) -> Iterator[list[Row]]:
        if table.name == "entries":
            pause.here(connection)
        yield from read(connection, table)

    monkeypatch.setattr(dump, "_read", hold)
    file = io.BytesIO()
    backing_up = asyncio.create_task(backup(store_url, file))
    await pause.reached.wait()
    backing_up.cancel()
    await asyncio.sleep(0)
    pause.end()
    with pytest.raises(asyncio.CancelledError):
        await backing_up
    with zipfile.ZipFile(file) as unfinished:
        assert unfinished.namelist() == ["liveblogs.jsonl", "entries.jsonl"]
        assert unfinished.read("entries.jsonl") == b""


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
    assert (await filled.entries.create("match", an_entry(), actor="desk")).entry.seq == 12


def archive(path: Path, schema: str, *sections: str) -> None:
    with path.open("wb") as file:
        writer = ArchiveWriter(file, schema=schema, created_at=NOON)
        for name in sections:
            with writer.section(name) as write:
                write([{"id": 1}])
        writer.finish(Holdings(0, 0, None))
        writer.close()


@pytest.mark.parametrize(
    ("schema", "sections", "complaint"),
    [
        ("9999", (), r"was made by a newer liveserver \(schema 9999\)"),
        ("0001", ("liveblogs", "webhooks"), r"was made by a newer liveserver \(it has webhooks\)"),
        ("0001", ("liveblogs",), "its liveblogs aren't those of schema 0001"),
    ],
)
async def test_a_backup_that_does_not_fit(
    filled: Store, store_url: str, path: Path, schema: str, sections: tuple[str, ...], complaint: str
) -> None:
    """Is refused, and nothing is touched."""
    await asyncio.to_thread(archive, path, schema, *sections)
    before = await seen(filled)
    with pytest.raises(BadBackup, match=complaint):
        await restore(store_url, path, replace=True)
    assert await seen(filled) == before


def forged(original: Path, path: Path, section: str, row: int, forge: Callable[[Any], Any]) -> None:
    """The same backup with another row in a section; the manifest says that it is so."""
    with zipfile.ZipFile(original) as old, zipfile.ZipFile(path, "w") as new:
        contents = {name: old.read(name) for name in old.namelist()}
        manifest = orjson.loads(contents["manifest.json"])
        lines = contents[f"{section}.jsonl"].splitlines(keepends=True)
        lines[row - 1] = b"%s\n" % orjson.dumps(forge(orjson.loads(lines[row - 1])))
        contents[f"{section}.jsonl"] = text = b"".join(lines)
        manifest["sections"][section]["sha256"] = hashlib.sha256(text).hexdigest()
        for name, content in {**contents, "manifest.json": orjson.dumps(manifest)}.items():
            new.writestr(name, content)


def with_field(*path: Any, value: Any) -> Callable[[Any], Any]:
    """A row that has another value at that place."""

    def forge(row: Any) -> Any:
        place = row
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        return row

    return forge


def replaced_by(other: Any) -> Callable[[Any], Any]:
    """Something else in the row's place."""
    return lambda _: other


DEEP: Any = "a"
for _ in range(200):
    DEEP = [DEEP]

FORGED = [
    ("liveblogs", 2, with_field("title", value=None), "NOT NULL|null value"),
    ("liveblogs", 2, with_field("slug", value="match"), "UNIQUE|duplicate key"),
    ("liveblogs", 2, with_field("id", value=1), "UNIQUE|duplicate key"),
    ("liveblogs", 1, with_field("slug", value="../<script>"), "slug: must be lower-case letters"),
    ("liveblogs", 1, with_field("title", value={"a": 1}), "title is no text"),
    ("liveblogs", 1, with_field("title", value="a\0b"), "title has a NUL"),
    ("liveblogs", 1, with_field("seq", value=2**63), "seq is no number from 0"),
    ("liveblogs", 1, with_field("seq", value=1e30), "seq is no number from 0"),
    ("liveblogs", 1, with_field("seq", value=-5), "seq is no number from 0"),
    ("liveblogs", 1, with_field("seq", value=True), "seq is no number from 0"),
    ("liveblogs", 1, with_field("version", value=2**31), "version is no number from 0"),
    ("liveblogs", 1, with_field("created_at", value="yesterday"), "created_at is no moment"),
    ("liveblogs", 1, with_field("created_at", value=5), "created_at is no moment"),
    ("liveblogs", 1, with_field("created_at", value="2026-01-01T00:00:00"), "created_at has no time zone"),
    ("liveblogs", 1, with_field("created_at", value="0001-01-01T00:00:00+14:00"), "created_at lies beyond"),
    ("liveblogs", 1, with_field("timezone", value="../../../etc/passwd"), "timezone: is not an IANA time zone"),
    ("liveblogs", 1, with_field("language", value="../x"), "language: is not a language tag"),
    ("liveblogs", 1, with_field("status", value="zzz"), "status: Input should be"),
    ("liveblogs", 1, with_field("embedding", value={"mode": "zz"}), "embedding.mode: Input should be"),
    ("liveblogs", 1, with_field("embedding", value=DEEP), "embedding: Input should be"),
    ("entries", 3, with_field("id", value="a' onclick='b"), "id: String should match"),
    ("entries", 3, with_field("seq", value=None), "CHECK|check constraint"),
    ("entries", 3, with_field("liveblog_id", value=99), "FOREIGN KEY|foreign key"),
    ("entries", 3, with_field("key_event", value=1), "key_event is neither true nor false"),
    ("entries", 3, with_field("status", value="zzz"), "status: Input should be"),
    ("entries", 3, with_field("authors", value="zzz"), "authors: Input should be"),
    ("entries", 3, with_field("tags", value=["a\0b"]), "tags has a NUL"),
    ("entries", 3, with_field("verification", value="sure"), "verification: Input should be"),
    ("entries", 3, with_field("corrections", value=[{"at": "now", "note": "a"}]), "corrections.0.at: is no moment"),
    ("entries", 3, with_field("via", value={"name": "a", "url": "javascript:a()"}), "via.url: must be an absolute"),
    ("revisions", 2, with_field("entry", value={}), "entry.id: Field required"),
    ("revisions", 2, with_field("entry", "created_at", value="2026-01-01"), "entry.created_at: has no time zone"),
    ("revisions", 2, with_field("action", value="zzz"), "action: Input should be"),
    ("takedowns", 1, with_field("by_partner", value={"a": 5}), "by_partner.a: Input should be"),
    ("media", 1, with_field("digest", value="../../a"), "digest: String should match"),
    ("media", 1, with_field("suffix", value="html"), "suffix: Input should be"),
    ("partners", 1, with_field("theme", value={"accent": "red;}"}), "theme.accent: String should match"),
    ("partners", 1, with_field("origins", value=["x"]), "origins.0: "),
    ("partners", 1, with_field("attribution", value={"text": "a", "url": "data:a"}), "attribution.url: must be"),
    ("moments", 1, with_field("before", value={"title": "a"}), "before"),
    ("sources", 1, with_field("server", value="file:///etc"), "must be an absolute"),
    ("sources", 1, with_field("state", value="zzz"), "state: Input should be"),
    ("api_keys", 1, with_field("scopes", value=5), "scopes: Input should be"),
    ("api_keys", 1, with_field("scopes", value=["root"]), "scopes.0: Input should be"),
    ("api_keys", 1, with_field("id", value="a\x1b[31m"), "id: String should match"),
    ("api_keys", 1, with_field("name", value="a\x1b[31m"), "name: has a control character"),
    ("partners", 1, with_field("name", value="a\x1b[31m"), "name: has a control character"),
]
OTHER_ROWS: tuple[Any, ...] = ([1, 2], 5, "x", {}, None)
FORGED += [("liveblogs", 1, replaced_by(row), "aren't those of") for row in OTHER_ROWS]


@pytest.mark.parametrize(("section", "row", "forge", "complaint"), FORGED)
async def test_a_row_that_no_liveserver_has_written(
    filled: Store,
    store_url: str,
    path: Path,
    section: str,
    row: int,
    forge: Callable[[Any], Any],
    complaint: str,
) -> None:
    """Is refused in one line, which names it, and nothing is touched."""
    original = path.with_name("original.zip")
    await back_up(store_url, original)
    await asyncio.to_thread(forged, original, path, section, row, forge)
    before = await seen(filled)
    with pytest.raises(BadBackup, match=complaint) as caught:
        await restore(store_url, path, replace=True)
    words = str(caught.value)
    assert words.isprintable()
    assert f"{path} " in words
    assert f"row {row} of its {section}: " in words or "aren't those of" in words
    assert await seen(filled) == before


async def test_bodies_are_made_safe(filled: Store, store_url: str, path: Path) -> None:
    """Those of revisions, too; by whatever the caller has for it, which may find one that can't be."""
    original = path.with_name("original.zip")
    await back_up(store_url, original)
    bad = "<script>a()</script>"
    await asyncio.to_thread(forged, original, path, "entries", 3, with_field("body", value=bad))
    await asyncio.to_thread(path.replace, original)
    await asyncio.to_thread(forged, original, path, "revisions", 2, with_field("entry", "body", value=bad))
    await restore(store_url, path, replace=True, safe=lambda body: body.replace(bad, "safe"))
    bodies = await query(filled, "SELECT body FROM entries")
    assert sorted(body for (body,) in bodies).count("safe") == 1
    assert all(bad not in body for (body,) in bodies)
    found = await query(filled, "SELECT CAST(entry AS TEXT) FROM revisions")
    assert sum('"safe"' in entry for (entry,) in found) == 1
    assert all("script" not in entry for (entry,) in found)

    def refuse(body: str) -> str:
        raise InvalidInput([FieldError("/body", "is too much")])

    before = await seen(filled)
    with pytest.raises(BadBackup, match="row 1 of its entries: /body: is too much"):
        await restore(store_url, path, replace=True, safe=refuse)
    assert await seen(filled) == before


async def test_an_earlier_backup_that_cant_be_brought_up_to_date(
    filled: Store, store_url: str, path: Path, later_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration may read what nobody has written."""
    await back_up(store_url, path)
    before = await seen(filled)
    migrate_to = schema.migrate

    async def fail(address: str, *, to: str = "head") -> tuple[str | None, str]:
        if to == "head":
            raise KeyError("mood")
        return await migrate_to(address, to=to)

    monkeypatch.setattr(schema, "migrate", fail)
    monkeypatch.setattr(schema, "newest", lambda: later_schema)
    with pytest.raises(BadBackup, match=f"^{path} can't be brought up to date"):
        await restore(store_url, path, replace=True)
    assert await seen(filled) == before


async def test_a_damaged_backup(filled: Store, store_url: str, path: Path) -> None:
    """Nothing is touched; a database that isn't there yet isn't even made."""
    await back_up(store_url, path)
    before = await seen(filled)
    content = bytearray(await asyncio.to_thread(path.read_bytes))
    content[len(content) // 2] ^= 1
    await asyncio.to_thread(path.write_bytes, content)
    with pytest.raises(BadBackup):
        await restore(store_url, path, replace=True)
    assert await seen(filled) == before
    absent = path.parent / "absent.db"
    with pytest.raises(BadBackup):
        await restore(f"sqlite:///{absent}", path)
    assert not await asyncio.to_thread(absent.exists)


@pytest.fixture
def later_schema(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Called, the schema has moved on: live blogs have a mood, and their titles are in capitals."""
    migrations = tmp_path / "migrations"
    shutil.copytree(Path(schema.__file__).parent / "migrations", migrations)
    (migrations / "versions" / "later.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = 'later', '{CURRENT}'\n"
        "def upgrade():\n"
        "    op.add_column('liveblogs', sa.Column('mood', sa.Text, nullable=False, server_default='calm'))\n"
        "    op.execute('UPDATE liveblogs SET title = upper(title)')\n"
    )
    config = schema._config

    def moved() -> Any:
        made = config()
        made.set_main_option("script_location", str(migrations))
        return made

    monkeypatch.setattr(schema, "_config", moved)
    return "later"


@pytest.fixture
async def earlier(store_url: str, path: Path) -> Path:
    """A backup of the schema before that."""
    store = await Store.open(store_url)
    await fill_one(store)
    await back_up(store_url, path)
    await store.close()
    return path


async def fill_one(store: Store) -> None:
    await store.liveblogs.create(a_liveblog())
    await store.entries.create("match", an_entry(body=TYPOGRAPHY), actor="desk", idempotency=REQUEST)


async def test_a_backup_of_an_earlier_schema(earlier: Path, target_url: str, later_schema: str) -> None:
    """Is brought up to date, data and all, before the database is touched."""
    restored = await restore(target_url, earlier)
    assert restored.now == Holdings(1, 1, NOON)
    assert await schema.revision(target_url) == later_schema
    store = await Store.open(target_url)
    assert (await store.liveblogs.find("match")).title == "LE MATCH"
    assert [change.entry.body for change in await entry_changes(store)] == [TYPOGRAPHY]
    assert await query(store, "SELECT mood FROM liveblogs") == [("calm",)]
    await store.close()


async def entry_changes(store: Store) -> list[EntryChanged]:
    items = (await store.changes.after("match", 0, limit=99)).items
    return [change for change in items if isinstance(change, EntryChanged)]


async def test_a_database_of_an_earlier_schema_can_be_backed_up(
    earlier: Path, store_url: str, later_schema: str
) -> None:
    """As it is: before an upgrade is when one wants to."""
    manifest = await back_up(store_url, earlier)
    assert (manifest.schema, manifest.holds.entries) == (CURRENT, 1)
    assert await schema.revision(store_url) == CURRENT


async def test_a_database_that_is_not_up_to_date_is_not_restored_into(
    earlier: Path, postgres_url: str, later_schema: str
) -> None:
    """Servers of an earlier release may run on it. (A file's own server is stopped: it is brought up to date.)"""
    with pytest.raises(SettingsError, match="run liveserver migrate"):
        await restore(postgres_url, earlier, replace=True)
    await migrate(postgres_url)
    assert (await restore(postgres_url, earlier, replace=True)).now.entries == 1


async def test_a_database_that_is_not_there(tmp_path: Path, path: Path, empty_postgres_url: str) -> None:
    """Is not made by a backup, and one without tables has nothing to back up."""
    with pytest.raises(SettingsError, match=r"there is no database sqlite:///.*/absent.db"):
        await back_up(f"sqlite:///{tmp_path}/absent.db", path)
    assert not await asyncio.to_thread((tmp_path / "absent.db").exists)
    await asyncio.to_thread((tmp_path / "empty.db").touch)
    for url in (f"sqlite:///{tmp_path}/empty.db", empty_postgres_url):
        with pytest.raises(SettingsError, match="nothing to back up"):
            await back_up(url, path)


def test_every_table_is_backed_up() -> None:
    """A new one must be given its place: what it refers to comes before it."""
    assert list(sections.SECTIONS) == [table.name for table in sorted(tables.metadata.tables.values(), key=_place)]
    for table in tables.metadata.tables.values():
        for other in table.foreign_keys:
            assert _place(other.column.table) < _place(table)


def _place(table: FromClause) -> int:
    assert isinstance(table, Table)
    return sections.SECTIONS.index(table.name)


async def test_a_database_that_goes_away(
    filled: Store, store_url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """StoreUnavailable, from a backup and from a restore; nothing is half done."""
    await back_up(store_url, path)
    before = await seen(filled)

    def lose(connection: Connection, *_: object) -> None:
        raw: Any = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            raw.close()
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))
        raw.terminate()
        connection.execute(text("SELECT 1"))

    with monkeypatch.context() as patch:
        patch.setattr(dump, "holdings_in", lose)
        with pytest.raises(StoreUnavailable):
            await backup(store_url, io.BytesIO())
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_begin_histories", lose)
        with pytest.raises(StoreUnavailable):
            await restore(store_url, path, replace=True)
    assert await seen(filled) == before
