"""The file of a backup: a zip archive with a file for each section, and a manifest with row counts and hashes.

`liveblogs.jsonl`, `entries.jsonl` …  sections: each line is one row, as a JSON object; times are RFC 3339, in UTC
`manifest.json`                       written last, so that an archive without a manifest is known to be unfinished:
                                      `{"format": 1, "made_by", "schema", "created_at", "holds": {"liveblogs",
                                      "entries", "changed_at"}, "sections": {name: {"rows", "sha256"}}}`

The rows are the same for both kinds of database: a backup of SQLite can be restored to PostgreSQL, and a backup of
PostgreSQL to SQLite. A later release may add sections; a restore refuses an archive with sections that it doesn't know.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from contextlib import contextmanager
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self

import orjson

from liveserver import __version__
from liveserver.domain.errors import BadBackup, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

Row = dict[str, Any]

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_MAX = 1024 * 1024

BATCH_ROWS = 500
BATCH_BYTES = 4 * 1024 * 1024
"""The size in bytes of JSON at which a batch of rows ends, even if the batch has fewer than BATCH_ROWS rows."""

LINE_MAX = 4 * 1024 * 1024
"""The greatest length in bytes of the line of a row; an archive with a longer line is refused. The longest line that
liveserver writes has 1.2 MB: an entry with a body of 200,000 characters and fifty corrections."""

COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""The compression methods that the files in an archive may have. With these methods, `zipfile` unpacks no
more bytes at a time than we ask for."""

SHOWN = 100
"""The number of characters after which a text from an archive is cut off in an error message."""

_CHUNK = 64 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, LookupError, AttributeError, TypeError, ValueError)


class Holdings(NamedTuple):
    """The numbers of live blogs and entries in a database, and the time of its last change."""

    liveblogs: int
    entries: int
    """The number of entries that aren't deleted."""
    changed_at: datetime | None
    """The time of the last change of a live blog or an entry; None if the database has no live blogs."""


class Section(NamedTuple):
    """The number of rows and the hash of a section."""

    rows: int
    sha256: str
    """The SHA-256 hash of the section's file before compression, in hexadecimal digits."""


class Manifest(NamedTuple):
    """The manifest of a backup's archive: its schema, its time, and its sections."""

    schema: str
    """The revision of the schema of the database that was backed up."""
    created_at: datetime
    holds: Holdings
    sections: dict[str, Section]


class ArchiveWriter:
    """A writer of a backup's archive to a file, which needn't be seekable.

    Call `close` at the end, also after an error. Every method raises SettingsError if the file can't be written.
    """

    def __init__(self, file: BinaryIO, *, schema: str, created_at: datetime) -> None:
        self._zip = zipfile.ZipFile(file, "w")
        self._schema = schema
        self._created_at = created_at
        self._sections: dict[str, Section] = {}

    @contextmanager
    def section(self, name: str) -> Iterator[Callable[[Iterable[Row]], None]]:
        """Begin a section of the archive, and end it when the `with` block ends.

        Yields a function that writes rows to the section.
        """
        digest, row_count = hashlib.sha256(), 0
        with _writing():
            member = self._zip.open(self._member(_file_of(name)), "w", force_zip64=True)

        def write(rows: Iterable[Row]) -> None:
            nonlocal row_count
            lines = [orjson.dumps(row, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE) for row in rows]
            text = b"".join(lines)
            digest.update(text)
            row_count += len(lines)
            with _writing():
                member.write(text)

        try:
            yield write
        finally:
            with _writing():
                member.close()
        self._sections[name] = Section(row_count, digest.hexdigest())

    def finish(self, holds: Holdings) -> Manifest:
        """Write the manifest, and return it. Call this after the last section."""
        content = {
            "format": FORMAT,
            "made_by": f"liveserver {__version__}",
            "schema": self._schema,
            "created_at": self._created_at,
            "holds": holds._asdict(),
            "sections": {name: section._asdict() for name, section in self._sections.items()},
        }
        text = orjson.dumps(content, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        with _writing():
            self._zip.writestr(self._member(MANIFEST), text)
        return Manifest(self._schema, self._created_at, holds, self._sections)

    def close(self) -> None:
        """Write the list of files at the end of the zip archive. Without this list, the archive can't be read."""
        with _writing():
            self._zip.close()

    def _member(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._created_at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        # A file that somebody unpacks is readable for its owner alone, too: it has drafts in it.
        info.external_attr = 0o600 << 16
        return info


class Archive:
    """A reader of a backup's archive.

    Every method raises BadBackup if the file isn't in the form that `ArchiveWriter` writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._reading():
            self._zip = zipfile.ZipFile(path)
            try:
                self.manifest = self._read_manifest()
            except BaseException:
                self._zip.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def verify(self) -> None:
        """Read the whole archive, and check that each section has the row count and the hash that the manifest names.

        Stops unpacking a section that has more rows than the manifest says, or a row longer than LINE_MAX. Raises
        BadBackup if the check fails.
        """
        for name, section in self.manifest.sections.items():
            digest, lines, line = hashlib.sha256(), 0, 0
            with self._reading(), self._zip.open(_file_of(name)) as member:
                while lines <= section.rows and (chunk := member.read(_CHUNK)):
                    digest.update(chunk)
                    lines += chunk.count(b"\n")
                    # Only a line that goes on from chunk to chunk can be too long, as LINE_MAX is more than a chunk.
                    line = line + len(chunk) if b"\n" not in chunk else len(chunk) - chunk.rindex(b"\n") - 1
                    if line > LINE_MAX:
                        raise self._too_long(name)
            if line or (lines, digest.hexdigest()) != section:
                raise BadBackup(f"{self.path} is damaged: its {printable(name)} are not those that were backed up")

    def batches(self, name: str) -> Iterator[list[Row]]:
        """Yield the rows of the section `name` in batches. Yields nothing if the archive has no such section."""
        if name not in self.manifest.sections:
            return
        batch: list[Row] = []
        size = 0
        with self._reading(), self._zip.open(_file_of(name)) as member:
            for line in self._lines(name, member):
                batch.append(orjson.loads(line))
                size += len(line)
                if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch

    def _lines(self, name: str, member: IO[bytes]) -> Iterator[bytes]:
        """Yield the lines of a section, without their line breaks. Raises BadBackup if a line is too long.

        `verify` has checked the lengths before, but the file may have changed since then.
        """
        rest = b""
        while chunk := member.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > LINE_MAX:
                raise self._too_long(name)

    def _too_long(self, name: str) -> BadBackup:
        return BadBackup(f"{self.path} has a row of more than {LINE_MAX:,} bytes, which none has, in its {name}")

    def _read_manifest(self) -> Manifest:
        members = [info.filename for info in self._zip.infolist()]
        if MANIFEST not in members:
            raise BadBackup(f"{self.path} is no backup of liveserver's, or an unfinished one")
        if any(info.compress_type not in COMPRESSIONS for info in self._zip.infolist()):
            raise BadBackup(f"{self.path} is packed in another way than backups are")
        with self._zip.open(MANIFEST) as file:
            content = orjson.loads(file.read(MANIFEST_MAX))
        if content["format"] != FORMAT:
            raise BadBackup(f"{self.path} was made by a newer liveserver ({printable(str(content['made_by']))})")
        holds = content["holds"]
        changed_at = None if holds["changed_at"] is None else _moment(holds["changed_at"])
        manifest = Manifest(
            str(content["schema"]),
            _moment(content["created_at"]),
            Holdings(_number(holds["liveblogs"]), _number(holds["entries"]), changed_at),
            {name: Section(_number(s["rows"]), str(s["sha256"])) for name, s in content["sections"].items()},
        )
        if sorted(members) != sorted([MANIFEST, *(_file_of(name) for name in manifest.sections)]):
            raise BadBackup(f"{self.path} is damaged: it doesn't contain what its manifest names")
        return manifest

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BadBackup(f"can't read {self.path}: {error.strerror or error}") from None
        except _DAMAGE as error:
            raise BadBackup(f"{self.path} is no backup of liveserver's, or it is damaged") from error


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"can't write the backup: {error.strerror or error}") from None


def _file_of(section: str) -> str:
    return f"{section}.jsonl"


def printable(text: str) -> str:
    """Return the first SHOWN characters of a text from an archive, with unprintable characters escaped.

    The result is safe on a terminal.
    """
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[:SHOWN])


def _moment(value: str) -> datetime:
    """Return the moment that an RFC 3339 text names. Raises ValueError if the text isn't an RFC 3339 time."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return moment


def _number(value: object) -> int:
    """Return `value` unchanged. Raises ValueError unless it is an integer of at least 0."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of anything")
    return value
