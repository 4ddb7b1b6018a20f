"""The backup's file: what was written comes back, and what isn't that is refused."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import IO, TYPE_CHECKING, Any, Self

import orjson
import pytest

from liveserver.domain.errors import BadBackup
from liveserver.store.backup import archive as archive_module
from liveserver.store.backup.archive import LINE_MAX, SHOWN, Archive, ArchiveWriter, Holdings
from tests.support.store_samples import NOON, TYPOGRAPHY, at

if TYPE_CHECKING:
    from pathlib import Path

HOLDS = Holdings(1, 2, at(9))
ROWS: list[dict[str, Any]] = [
    {"id": 1, "text": TYPOGRAPHY, "tags": ["é", "\x7f"], "flag": True, "at": NOON, "nothing": None},
    {"id": 2**62, "text": "", "tags": [], "flag": False, "at": at(0.001234), "nothing": None},
]
READ = [
    {**ROWS[0], "at": "2026-11-22T12:00:00Z"},
    {**ROWS[1], "at": "2026-11-22T12:00:00.001234Z"},
]


class Pipe(io.BytesIO):
    """A file that can only be written to, from its beginning to its end."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def whole(rows: list[dict[str, Any]] = ROWS, schema: str = "0001") -> bytes:
    """An archive with a section that has rows, and one that has none."""
    pipe = Pipe()
    writer = ArchiveWriter(pipe, schema=schema, created_at=NOON)
    with writer.section("things") as write:
        for row in rows:
            write([row])
    with writer.section("others"):
        pass
    writer.finish(HOLDS)
    writer.close()
    return pipe.getvalue()


def read(path: Path) -> list[list[dict[str, Any]]]:
    with Archive(path) as archive:
        archive.verify()
        return [*archive.batches("things"), *archive.batches("others"), *archive.batches("absent")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backup.zip"


def test_what_was_written_comes_back(path: Path) -> None:
    """To the byte; moments as text, in UTC."""
    path.write_bytes(whole())
    assert read(path) == [READ]
    with Archive(path) as archive:
        assert (archive.manifest.schema, archive.manifest.created_at, archive.manifest.holds) == ("0001", NOON, HOLDS)
        assert {name: section.rows for name, section in archive.manifest.sections.items()} == {"things": 2, "others": 0}


def test_other_programs_can_read_it(path: Path) -> None:
    """It is a plain zip archive, whose members are their owner's alone when they are unpacked."""
    path.write_bytes(whole())
    with zipfile.ZipFile(path) as plain:
        assert plain.testzip() is None
        assert plain.namelist() == ["things.jsonl", "others.jsonl", "manifest.json"]
        assert [info.external_attr >> 16 for info in plain.infolist()] == [0o600] * 3
        assert [orjson.loads(line) for line in plain.read("things.jsonl").splitlines()] == READ


@pytest.mark.parametrize("limit", [{"BATCH_ROWS": 2}, {"BATCH_BYTES": 60}])
def test_rows_come_a_bounded_number_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, limit: dict[str, int]
) -> None:
    """By their number, and by their size."""
    for name, value in limit.items():
        monkeypatch.setattr(archive_module, name, value)
    rows = [{"n": number, "text": "x" * 20} for number in range(5)]
    path.write_bytes(whole(rows))
    assert read(path) == [rows[:2], rows[2:4], rows[4:]]


def test_a_backup_that_was_cut_short(path: Path) -> None:
    """At any byte: it is refused before a row of it is used."""
    content = whole()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(BadBackup):
            read(path)


def test_a_backup_with_a_damaged_bit(path: Path) -> None:
    """In whichever byte: refused, unless it says nothing (a date of the archive's), and all is as it was."""
    content = bytearray(whole())
    refused = 0
    for place in range(len(content)):
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            assert read(path) == [READ]
        except BadBackup:
            refused += 1
        content[place] ^= 1 << place % 8
    assert refused > len(content) * 0.7


def altered(path: Path, **members: bytes | None) -> None:
    """An archive that somebody has unpacked and packed again. None: without that member."""
    with zipfile.ZipFile(io.BytesIO(whole())) as old, zipfile.ZipFile(path, "w") as new:
        contents: dict[str, bytes | None] = {name.partition(".")[0]: old.read(name) for name in old.namelist()}
        for name, content in {**contents, **members}.items():
            if content is not None:
                new.writestr(f"{name}.json" if name == "manifest" else f"{name}.jsonl", content)


def manifest(**fields: Any) -> bytes:
    with zipfile.ZipFile(io.BytesIO(whole())) as old:
        return orjson.dumps({**orjson.loads(old.read("manifest.json")), **fields})


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"things": b'{"id":1}\n'}, "its things are not those"),
        ({"things": None}, "doesn't contain what its manifest names"),
        ({"more": b"{}\n"}, "doesn't contain what its manifest names"),
        ({"manifest": None}, "no backup of liveserver's, or an unfinished one"),
        ({"manifest": b"[]"}, "no backup"),
        ({"manifest": b"{}"}, "no backup"),
        ({"manifest": b"{"}, "no backup"),
        ({"manifest": manifest(sections=1)}, "no backup"),
        ({"manifest": manifest(created_at="yesterday")}, "no backup"),
        ({"manifest": manifest(created_at="2026-01-01T00:00:00")}, "no backup"),
        ({"manifest": manifest(holds={"liveblogs": -1, "entries": 0, "changed_at": None})}, "no backup"),
        ({"manifest": manifest(holds={"liveblogs": 1e308, "entries": 0, "changed_at": None})}, "no backup"),
        ({"manifest": manifest(holds={"liveblogs": 0, "entries": 0, "changed_at": "2026-01-01"})}, "no backup"),
        ({"manifest": manifest(format=2, made_by="liveserver 9.0")}, r"by a newer liveserver \(liveserver 9.0\)"),
        ({"manifest": manifest(format=2, made_by="\x1b]0;a\x07\nb")}, r"\(\\u001b\]0;a\\u0007\\u000ab\)$"),
        ({"manifest": manifest(format=2, made_by="a" * 1_000)}, rf"\({'a' * SHOWN}\)$"),
    ],
)
def test_a_backup_that_was_altered(path: Path, members: dict[str, bytes | None], complaint: str) -> None:
    """Said in one line that names the file."""
    altered(path, **members)
    with pytest.raises(BadBackup, match=complaint) as caught:
        read(path)
    assert str(path) in str(caught.value)


class Counted:
    """A member that tells how much of it was unpacked."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._member.close()

    def read(self, size: int) -> bytes:
        data = self._member.read(size)
        self.size += len(data)
        return data


def bomb(path: Path, line: bytes, rows: int) -> None:
    """An archive with fifty megabytes in a section of so many rows."""
    text = line * (50_000_000 // len(line))
    section = {"rows": rows, "sha256": hashlib.sha256(text).hexdigest()}
    empty = {"rows": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("things.jsonl", text)
        archive.writestr("others.jsonl", b"")
        archive.writestr("manifest.json", manifest(sections={"things": section, "others": empty}))


@pytest.mark.parametrize(
    ("line", "rows", "most", "complaint"),
    [
        (b"x" * 1_000, 1, LINE_MAX + 100_000, "has a row of more than 4,194,304 bytes, which none has, in its things"),
        (b"{}\n", 1, 100_000, "its things are not those"),
        # It isn't what it says, however its rows are counted.
        (b"{}" + b" " * 997 + b"\n", 0, 100_000, "its things are not those"),
    ],
)
def test_no_more_is_unpacked_than_its_rows_can_have(
    path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, rows: int, most: int, complaint: str
) -> None:
    """A file of some kilobytes can be gigabytes."""
    bomb(path, line, rows)
    with Archive(path) as archive:
        opened: list[Counted] = []

        def counted(name: str) -> Counted:
            opened.append(Counted(zipfile.ZipFile.open(archive._zip, name)))
            return opened[-1]

        monkeypatch.setattr(archive._zip, "open", counted)
        with pytest.raises(BadBackup, match=complaint):
            archive.verify()
    assert sum(member.size for member in opened) <= most


def test_a_file_that_has_changed_since_it_was_looked_at(path: Path) -> None:
    """Its rows have the same bound."""
    bomb(path, b"x" * 1_000, 1)
    with Archive(path) as archive, pytest.raises(BadBackup, match="has a row of more than"):
        list(archive.batches("things"))


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing(path: Path, way: int) -> None:
    """Of these `zipfile` unpacks as much as there is, however little it is asked for."""
    with zipfile.ZipFile(io.BytesIO(whole())) as old, zipfile.ZipFile(path, "w", way) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(BadBackup, match="packed in another way"):
        read(path)


def test_a_last_row_without_its_end(path: Path) -> None:
    """The manifest counts ends."""
    text = b'{"id":1}\n{"id":2}'
    section = {"rows": 1, "sha256": hashlib.sha256(text).hexdigest()}
    empty = {"rows": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    altered(path, things=text, manifest=manifest(sections={"things": section, "others": empty}))
    with pytest.raises(BadBackup, match="its things are not those"):
        read(path)


def test_a_member_twice(path: Path) -> None:
    """Readers would differ over which of the two counts."""
    altered(path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("things.jsonl", b"")
    with pytest.raises(BadBackup, match="doesn't contain"):
        read(path)


def test_an_unfinished_backup(path: Path) -> None:
    """Its writer failed, but closed it: there is no manifest."""
    with path.open("wb") as file:
        writer = ArchiveWriter(file, schema="0001", created_at=NOON)
        with writer.section("things") as write:
            write(ROWS)
        writer.close()
    with pytest.raises(BadBackup, match="unfinished"):
        read(path)


def test_a_file_that_is_not_there(path: Path) -> None:
    """Or is a directory."""
    for missing, reason in ((path, "No such file"), (path.parent, "Is a directory")):
        with pytest.raises(BadBackup, match=f"can't read {missing}: {reason}"):
            Archive(missing)
