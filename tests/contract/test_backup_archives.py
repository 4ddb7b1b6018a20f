"""Backups that are damaged, forged, or of another release: nothing of them gets into the database."""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from liveserver.domain.errors import BadBackup, FieldError, InvalidInput
from liveserver.domain.ids import now
from liveserver.store.backup.archive import ArchiveWriter, Holdings
from liveserver.store.backup.restore import restore
from liveserver.store.repositories.people.credentials import Credential, NewPasskey
from tests.support.backups import back_up, query, seen
from tests.support.people_samples import joined
from tests.support.store_samples import NOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from liveserver.store import Store


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


async def test_rows_that_no_liveserver_has_written(
    filled: Store, store_url: str, path: Path, subtests: pytest.Subtests
) -> None:
    """Each is refused in one line, which names it, and nothing is touched."""
    original = path.with_name("original.zip")
    await back_up(store_url, original)
    before = await seen(filled)
    for number, (section, row, forge, complaint) in enumerate(FORGED):
        with subtests.test(number=number, section=section, complaint=complaint):
            await asyncio.to_thread(forged, original, path, section, row, forge)
            with pytest.raises(BadBackup, match=complaint) as caught:
                await restore(store_url, path, replace=True)
            words = str(caught.value)
            assert words.isprintable()
            assert f"{path} " in words
            assert f"row {row} of its {section}: " in words or "aren't those of" in words
            assert await seen(filled) == before


async def test_the_number_of_a_bad_row_counts_rows_that_are_left_out(filled: Store, store_url: str, path: Path) -> None:
    """As are passkeys of people whom the database has."""
    original = path.with_name("original.zip")
    await joined_with_passkey(filled, "Ada", "its id")
    await back_up(store_url, original)
    nobodys = {"id": "new", "user_id": "u_000000000000"}
    await asyncio.to_thread(forged, original, path, "passkeys", 2, lambda row: {**row, **nobodys})
    with pytest.raises(BadBackup, match=r"row 2 of its passkeys: .*(FOREIGN KEY|foreign key)"):
        await restore(store_url, path, replace=True)


async def joined_with_passkey(store: Store, name: str, passkey_id: str) -> None:
    user = await joined(store, name)
    await store.credentials.change(user, Credential(passkey=NewPasskey(passkey_id, "key", 0, "Mac")), now())


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


async def test_a_damaged_backup(filled: Store, store_url: str, path: Path) -> None:
    """Nothing is touched; a database that isn't there yet isn't even made."""
    await back_up(store_url, path)
    before = await seen(filled)
    content = bytearray(await asyncio.to_thread(path.read_bytes))
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    content[largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2] ^= 1
    await asyncio.to_thread(path.write_bytes, content)
    with pytest.raises(BadBackup):
        await restore(store_url, path, replace=True)
    assert await seen(filled) == before
    absent = path.parent / "absent.db"
    with pytest.raises(BadBackup):
        await restore(f"sqlite:///{absent}", path)
    assert not await asyncio.to_thread(absent.exists)
