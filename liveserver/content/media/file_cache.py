"""Files that many ask for at the same time, read once and kept for moments."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECONDS = 5.0
SIZE = 32 * 1024 * 1024


class _Kept(NamedTuple):
    content: bytes
    until: float


class FileCache:
    """Keeps what `read` finds for `seconds`, and `size` bytes in all; what was asked for longest ago goes first.

    Files don't change, but other processes may remove them, and nobody tells: hence moments, and not for ever. Ten
    thousand readers of one picture are then one read in every few seconds.
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
        """The file's content, or None if there is none; raises what `read` raises."""
        content = self.kept(name)
        if content is not None:
            return content
        return await self._fetches(name)

    def kept(self, name: str) -> bytes | None:
        """The file's content if it is kept; nothing is read."""
        kept = self._kept.get(name)
        return kept.content if kept is not None and kept.until > self._clock() else None

    def forget(self, name: str) -> None:
        """It was removed: neither what is kept nor what is being read is given out to those who ask from now on."""
        self._kept.drop(name)
        self._fetches.abandon(name)

    async def _fetch(self, name: str) -> bytes | None:
        # As of before the read: what is removed while it goes on counts from then.
        until = self._clock() + self._seconds
        content = await self._read(name)
        if self._fetches.is_current(name):
            if content is None:
                self._kept.drop(name)
            else:
                self._kept.put(name, _Kept(content, until), len(content))
        return content
