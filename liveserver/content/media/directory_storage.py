"""The storage of picture files in a directory."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from liveserver.domain.errors import MediaUnavailable
from liveserver.utils import private_files

if TYPE_CHECKING:
    from collections.abc import Iterator

READABLE = 0o755, 0o644
"""The file modes of the directory of pictures, and of the files in it. Everybody may read them, as pictures are public:
a web server that runs as another user may serve them."""

AT_ONCE = 4
"""How many reads of files may go on at the same time, each in a thread. The process has more threads than this, so that
some threads are left for other work."""

log = structlog.get_logger(__name__)


class DirectoryStorage:
    """A `MediaStorage` in a directory. The directory is made when the first file is written."""

    at_once = AT_ONCE

    def __init__(self, path: Path) -> None:
        self.path = path

    def look(self) -> None:
        """Check that files could be written to the directory, without making any file or directory. Raises OSError,
        with the reason, if files couldn't be written there."""
        nearest = self._nearest()
        if not nearest.is_dir():
            raise OSError(f"{nearest} is no folder")
        if not private_files.may_write(nearest):
            raise OSError(f"this user may not write in the folder {nearest}")

    async def write(self, name: str, content: bytes) -> None:
        with self._failures("write"):
            await asyncio.to_thread(self._write, name, content)

    async def read(self, name: str) -> bytes | None:
        with self._failures("read"):
            try:
                return await asyncio.to_thread((self.path / name).read_bytes)
            except FileNotFoundError:
                return None

    async def read_part(self, name: str, start: int, end: int) -> bytes | None:
        with self._failures("read"):
            try:
                return await asyncio.to_thread(self._read_part, name, start, end)
            except FileNotFoundError:
                return None

    async def size(self, name: str) -> int | None:
        with self._failures("read"):
            try:
                return (await asyncio.to_thread((self.path / name).stat)).st_size
            except FileNotFoundError:
                return None

    async def free(self) -> int | None:
        with self._failures("write"):
            return await asyncio.to_thread(self._free)

    async def remove(self, name: str) -> None:
        with self._failures("remove"):
            await asyncio.to_thread(self._remove, name)

    def _nearest(self) -> Path:
        """Return the directory if it exists, otherwise its nearest parent directory that exists."""
        return next(path for path in (self.path, *self.path.absolute().parents) if path.exists())

    def _free(self) -> int:
        stats = os.statvfs(self._nearest())
        return stats.f_bavail * stats.f_frsize

    def _read_part(self, name: str, start: int, end: int) -> bytes:
        with (self.path / name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _write(self, name: str, content: bytes) -> None:
        private_files.make_directories(self.path, READABLE[0])
        # The file is written under another name in the same directory, then renamed. So nobody can read half of the
        # file, and a crash leaves no half file under the right name.
        descriptor, draft = tempfile.mkstemp(dir=self.path, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, READABLE[1])
                os.fsync(descriptor)
            Path(draft).replace(self.path / name)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        self._sync()

    def _remove(self, name: str) -> None:
        try:
            (self.path / name).unlink()
        except FileNotFoundError:
            return
        self._sync()

    def _sync(self) -> None:
        """Write the directory itself to the disk. Otherwise, the name of a new file may be lost in a power cut."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            log.warning("files.failed", what=what, directory=str(self.path), error=str(error))
            raise MediaUnavailable(f"the directory of pictures can't be used: {error.strerror}") from error
