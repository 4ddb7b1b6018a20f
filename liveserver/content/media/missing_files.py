"""Names without files: anybody can make them up at no cost, so answering must cost little."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from liveserver.domain.errors import Gone, NotFound
from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from liveserver.content.media.picture import Picture

SECONDS = 5.0
"""Seconds for which a missing file is remembered. Its picture may be restored from a backup."""
NAMES_MAX = 10_000
"""Names that are remembered, in 3 MB."""
PAUSE = 0.05
"""Seconds between two queries for missing pictures, however many are requested meanwhile."""


class MissingFiles:
    """The reasons why files are missing: their pictures were deleted, or never existed.

    `deleted`: returns those of some digests whose pictures were deleted. It is called for all names together, once in
    `PAUSE` seconds, so that one connection to the database is enough for them.
    """

    def __init__(
        self,
        deleted: Callable[[Sequence[str]], Awaitable[Collection[str]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deleted = deleted
        self._clock = clock
        self._remembered: LruCache[str, tuple[float, bool]] = LruCache(NAMES_MAX)
        """The time up to which a name is remembered, and True if its picture was deleted."""
        self._digests: set[str] = set()
        """Digests for the next query."""
        self._query = FreshFlight(self._find)
        self._next_query = 0.0
        """The earliest time of the next query, on the event loop's clock."""

    def check(self, picture: Picture) -> None:
        """Raise NotFound or Gone for a file that was missing some seconds ago."""
        remembered = self._remembered.get(picture.name)
        if remembered is not None and remembered[0] > self._clock():
            raise _error(picture, deleted=remembered[1])

    async def explain(self, picture: Picture) -> NotFound | Gone:
        """Return the error to raise for a missing file. Raises StoreUnavailable."""
        until = self._clock() + SECONDS
        self._digests.add(picture.digest)
        deleted = picture.digest in await self._query()
        self._remembered.put(picture.name, (until, deleted), 1)
        return _error(picture, deleted=deleted)

    def forget(self, picture: Picture) -> None:
        """Forget a name, whose file was written or removed."""
        self._remembered.drop(picture.name)

    async def close(self) -> None:
        """End the query under way."""
        await asyncio.gather(*self._query.cancel(), return_exceptions=True)

    async def _find(self) -> Collection[str]:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next_query - clock())
        digests, self._digests = self._digests, set()
        self._next_query = clock() + PAUSE
        return await self._deleted(sorted(digests))


def _error(picture: Picture, *, deleted: bool) -> NotFound | Gone:
    return Gone("the picture was deleted") if deleted else NotFound(f"there is no picture {picture.name}")
