"""A cache that keeps picture files for a few seconds. If several requests need the same file at the same time, the file
is read once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECONDS = 5.0
"""How long, in seconds, a file stays in the cache."""
SIZE = 32 * 1024 * 1024
"""How many bytes all files in the cache may have together."""


class _Kept(NamedTuple):
    content: bytes
    until: float


class FileCache:
    """A cache that keeps each file for `seconds`, and at most `size` bytes of all files together.

    If the files have more bytes, some are dropped: first the files that weren't requested again since they were read.
    `read`: returns a file's content by its name; None if there is no such file.

    Files never change, but other processes may remove them without telling this process. So a file is kept for a few
    seconds only. Even so, ten thousand readers of one picture cause only one read in these seconds.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[bytes | None]],
        *,
        seconds: float = SECONDS,
        size: int = SIZE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._clock = clock
        self._kept: LruCache[str, _Kept] = LruCache(size)
        self._fetches: SingleFlight[str, bytes | None] = SingleFlight(self._fetch)

    async def get(self, name: str) -> bytes | None:
        """Return a file's content, from the cache or by `read`; None if there is no such file. Raises the errors of
        `read`."""
        content = self.kept(name)
        if content is not None:
            return content
        return await self._fetches(name)

    def kept(self, name: str) -> bytes | None:
        """Return a file's content if it is in the cache; otherwise None. Reads nothing."""
        kept = self._kept.get(name)
        return kept.content if kept is not None and kept.until > self._clock() else None

    def forget(self, name: str) -> None:
        """Drop a file from the cache, because the file was removed from the storage. If the file is being read now,
        later calls of `get` read it again."""
        self._kept.drop(name)
        self._fetches.abandon(name)

    async def _fetch(self, name: str) -> bytes | None:
        # The time runs from before the read, as another process may remove the file during the read.
        until = self._clock() + self._seconds
        content = await self._read(name)
        if self._fetches.is_current(name):
            if content is None:
                self._kept.drop(name)
            else:
                self._kept.put(name, _Kept(content, until), len(content))
        return content
