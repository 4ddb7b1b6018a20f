"""The backup's file: a zip archive of named sections, and a manifest with their row counts and hashes.

`liveblogs.jsonl`, `entries.jsonl` …  one file a section, one row a line, as a JSON object; times are RFC 3339, in UTC
`manifest.json`                       written last, so that an archive without one is known to be unfinished:
                                      `{"format": 1, "made_by", "schema", "created_at", "holds": {"liveblogs",
                                      "entries", "changed_at"}, "sections": {name: {"rows", "sha256"}}}`

The rows are independent of the database: a backup of SQLite can be restored to PostgreSQL, and the other way round. A
later format may add sections that are not rows; a reader refuses sections that it doesn't know.
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
"""Bytes of JSON after which a batch ends, even if it has fewer than BATCH_ROWS rows."""

LINE_MAX = 4 * 1024 * 1024
"""Bytes that a row may have. The largest possible has a body of 200,000 characters and fifty corrections: 1.2 MB."""

COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Compression methods that members may have: with these, `zipfile` unpacks no more at a time than it is asked for."""

SHOWN = 100
"""Characters of a text from an archive that an error message shows."""

_CHUNK = 64 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, LookupError, AttributeError, TypeError, ValueError)


class Holdings(NamedTuple):
    """Figures about the content of a database."""

    liveblogs: int
    entries: int
    """Entries of every status but deleted."""
    changed_at: datetime | None
    """The time of the last change to any of it; None if there is nothing."""


class Section(NamedTuple):
    """The row count and the hash of a section."""

    rows: int
    sha256: str
    """The hash of the section before compression, in hex."""


class Manifest(NamedTuple):
    """The content of an archive's manifest."""

    schema: str
    """The revision of the schema that the rows fit."""
    created_at: datetime
    holds: Holdings
    sections: dict[str, Section]


class ArchiveWriter:
    """A writer of an archive, in one pass, to a file that needn't be seekable. Close it, whatever happens.

    Every method raises SettingsError if the file can't be written.
    """

    def __init__(self, file: BinaryIO, *, schema: str, created_at: datetime) -> None:
        self._zip = zipfile.ZipFile(file, "w")
        self._schema = schema
        self._created_at = created_at
        self._sections: dict[str, Section] = {}

    @contextmanager
    def section(self, name: str) -> Iterator[Callable[[Iterable[Row]], None]]:
        """Begin a section; the function that is yielded writes rows to it."""
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
        """Write the manifest, after all sections; return it."""
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
        """Write the directory of the zip file, without which it can't be read."""
        with _writing():
            self._zip.close()

    def _member(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._created_at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        # An unpacked file is for its owner alone, too: there are drafts in it.
        info.external_attr = 0o600 << 16
        return info


class Archive:
    """An archive to read from. Every method raises BadBackup if `ArchiveWriter` didn't make the file."""

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
        """Read the whole archive, and check that nothing is missing, was added, or was altered.

        Unpacks no more than the number of rows in the manifest can need.
        """
        for name, section in self.manifest.sections.items():
            digest, lines, line = hashlib.sha256(), 0, 0
            with self._reading(), self._zip.open(_file_of(name)) as member:
                while lines <= section.rows and (chunk := member.read(_CHUNK)):
                    digest.update(chunk)
                    lines += chunk.count(b"\n")
                    # Only the lines at a chunk's ends can be too long: the others fit into it.
                    line = line + len(chunk) if b"\n" not in chunk else len(chunk) - chunk.rindex(b"\n") - 1
                    if line > LINE_MAX:
                        raise self._too_long(name)
            if line or (lines, digest.hexdigest()) != section:
                raise BadBackup(f"{self.path} is damaged: its {printable(name)} are not those that were backed up")

    def batches(self, name: str) -> Iterator[list[Row]]:
        """Yield the rows of a section in batches; nothing if there is no such section."""
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
        """Yield the lines of a section. The file may have changed since `verify`, so their length is checked again."""
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
    """Return a text from an archive so that a terminal may show it: short, on one line, without control characters."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[:SHOWN])


def _moment(value: str) -> datetime:
    """Parse an RFC 3339 time. Raises ValueError if it isn't one."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return moment


def _number(value: object) -> int:
    """Return a value that is a count. Raises ValueError if it isn't an integer from 0."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of anything")
    return value
