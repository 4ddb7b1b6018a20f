"""Erased texts are in no later backup, and an earlier one doesn't bring them back; on both databases."""

from __future__ import annotations

import asyncio
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from liveserver.domain.change import EntryDeleted
from liveserver.domain.entry import Correction, Note, Via
from liveserver.domain.errors import Gone
from liveserver.domain.ids import new_id
from liveserver.store import Idempotency, Store
from liveserver.store.backup.erasures import Erased
from liveserver.store.backup.restore import restore
from liveserver.store.database_url import is_sqlite, parse_url
from tests.support.backups import back_up, query
from tests.support.principals import NEWSROOM
from tests.support.review_samples import actions, drafted, published, removal, step
from tests.support.store_samples import a_liveblog, an_entry, at, fine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from liveserver.domain.entry import Entry

SECRET = "Zanzibar"
KEY = Idempotency("key", SECRET)
TABLES = ("entries", "revisions", "notes", "idempotency", "moments", "takedowns", "acts", "liveblogs")


async def secret(store: Store) -> Entry:
    """A published entry with the word in every text: of its own, of revisions, of what the newsroom said of it."""
    entry = an_entry(
        heading=SECRET,
        body=f"<p>{SECRET * 2000}</p>",
        authors=(SECRET,),
        tags=(SECRET,),
        source=SECRET,
        corrections=(Correction(at(1), SECRET),),
        via=Via(SECRET, f"https://{SECRET}.example/"),
    )
    await store.entries.create("match", entry, by=NEWSROOM, idempotency=KEY)
    await store.entries.edit("match", entry.id, lambda e: replace(e, body=f"<p>{SECRET}</p>"), by=NEWSROOM)
    await store.notes.add("match", entry.id, Note(new_id(), NEWSROOM.ref, "desk", at(1), SECRET), NEWSROOM)
    return entry


async def returned(store: Store) -> Entry:
    """A draft that was handed in, and returned with a reason."""
    draft = await drafted(store, NEWSROOM, body=f"<p>{SECRET}</p>")
    await store.reviews.submit(step(draft, NEWSROOM))
    await store.reviews.give_back(step(draft, NEWSROOM, version=2), SECRET)
    return draft


async def deleted(store: Store) -> Entry:
    """An entry that was deleted; its revisions have the text."""
    entry = await published(store, body=f"<p>{SECRET}</p>")
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(10))
    return entry


async def tables(store: Store) -> str:
    return "".join([str(await query(store, f"SELECT * FROM {table}")) for table in TABLES])


async def test_a_backup_after_an_erasure_has_nothing_of_it(store: Store, store_url: str, path: Path) -> None:
    """In no section, nor anywhere else in the archive."""
    entries = [await secret(store), await returned(store), await deleted(store)]
    before = path.with_name("before.zip")
    await back_up(store_url, before)
    for entry in entries:
        await store.reviews.erase(removal(entry, NEWSROOM))
    await back_up(store_url, path)
    assert SECRET in await asyncio.to_thread(unpacked, before)
    assert SECRET not in await asyncio.to_thread(unpacked, path)


@contextmanager
def written() -> Iterator[list[str]]:
    """Collect all that databases are told until the block ends: statements with their parameters."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append(f"{statement} {parameters}")

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def unpacked(path: Path) -> str:
    """Return all that is in an archive: its own bytes, the names of its parts, and these in plain."""
    with zipfile.ZipFile(path) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
        return b"".join((path.read_bytes(), *parts)).decode("latin-1")


async def test_an_older_backup_does_not_bring_back_what_was_erased(store: Store, store_url: str, path: Path) -> None:
    """It is erased again in the restore's transaction; the audit log says so, and readers learn of it.

    The text isn't even written for a moment: PostgreSQL, and SQLite's write-ahead log, would keep it for long.
    """
    stays = await published(store, body="<p>kept</p>")
    public, draft, gone = await secret(store), await returned(store), await deleted(store)
    await back_up(store_url, path)
    for entry in (public, draft, gone):
        await store.reviews.erase(removal(entry, NEWSROOM))
    with written() as statements:
        restored = await restore(store_url, path, replace=True)
    assert len(statements) > 20
    assert not [statement for statement in statements if SECRET in statement]
    assert restored.erased == tuple(Erased("match", entry.id) for entry in (public, draft, gone))
    assert SECRET not in await tables(store)
    assert "kept" in await tables(store)
    assert (await store.entries.page("match", limit=9)).items == [stays]
    changes = (await store.changes.after("match", 2, limit=9)).items
    assert changes == [EntryDeleted(5, gone.id), EntryDeleted(6, public.id)]
    assert (await actions(store, public))[-2:] == ["entry.erased", "entry.erased"]
    revisions, _ = await store.entries.revisions("match", public.id)
    assert [(r.action, r.actor) for r in revisions][-1] == ("erased", "command line")
    with pytest.raises(Gone):
        await store.entries.create("match", an_entry(body="<p>else</p>"), by=NEWSROOM, idempotency=KEY)
    await store.close()
    if is_sqlite(parse_url(store_url)):
        files = [file for file in path.parent.glob("live.db*") if file.is_file()]
        contents = [await asyncio.to_thread(file.read_bytes) for file in files]
        assert contents
        assert all(SECRET.encode() not in content for content in contents)


async def test_what_a_backup_has_as_erased_is_left_as_it_is(store: Store, store_url: str, path: Path) -> None:
    """Also what the backup doesn't have at all; and a restore leaves what only was deleted."""
    entry = await secret(store)
    await store.reviews.erase(removal(entry, NEWSROOM))
    await deleted(store)
    await back_up(store_url, path)
    late = await secret_elsewhere(store)
    before = await query(store, "SELECT * FROM revisions WHERE action = 'erased'")
    acts = await actions(store, entry)
    for _ in range(2):
        assert (await restore(store_url, path, replace=True)).erased == ()
    assert len(await query(store, "SELECT * FROM revisions WHERE action = 'erased'")) == len(before) - 1
    assert await actions(store, entry) == acts
    assert await query(store, f"SELECT * FROM revisions WHERE entry_id = '{late.id}'") == []
    assert SECRET in await tables(store)


async def secret_elsewhere(store: Store) -> Entry:
    """An erased entry of a live blog that is new."""
    await store.liveblogs.create(a_liveblog("late"), NEWSROOM)
    entry = (await store.entries.create("late", an_entry(body="<p>else</p>"), by=NEWSROOM)).entry
    await store.reviews.erase(removal(entry, NEWSROOM)._replace(slug="late"))
    return entry
