"""A cache of picture files for a few seconds: each is read once for all requests at the same time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECONDS = 5.0
"""Seconds for which a file is kept."""
SIZE = 32 * 1024 * 1024
"""Bytes of all kept files together."""


class _Kept(NamedTuple):
    content: bytes
    until: float


class FileCache:
    """A cache of files for `seconds`, of at most `size` bytes; the least recently used files are dropped first.

    Files never change, but other processes may remove them without telling us: so they are kept for seconds only. Even
    then, ten thousand readers of one picture cause one read every few seconds.
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
        """Return a file's content; None if there is no file. Raises the errors of `read`."""
        content = self.kept(name)
        if content is not None:
            return content
        return await self._fetches(name)

    def kept(self, name: str) -> bytes | None:
        """Return a file's content if it is in the cache; otherwise None. Reads nothing."""
        kept = self._kept.get(name)
        return kept.content if kept is not None and kept.until > self._clock() else None

    def forget(self, name: str) -> None:
        """Drop a file that was removed. A read under way is not used for later calls either."""
        self._kept.drop(name)
        self._fetches.abandon(name)

    async def _fetch(self, name: str) -> bytes | None:
        # Counted from before the read: the file may be removed during it.
        until = self._clock() + self._seconds
        content = await self._read(name)
        if self._fetches.is_current(name):
            if content is None:
                self._kept.drop(name)
            else:
                self._kept.put(name, _Kept(content, until), len(content))
        return content
