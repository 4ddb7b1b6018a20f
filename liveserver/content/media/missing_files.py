"""Names of which there is no file: to make one up costs nothing, so that to answer must cost little."""

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
"""For which it is remembered that a file isn't there. Its picture may be restored from a backup."""
NAMES_MAX = 10_000
"""Names that are remembered: 3 MB."""
PAUSE = 0.05
"""Seconds between two looks at the store for pictures that aren't there, however many are asked for meanwhile."""


class MissingFiles:
    """Tells why files aren't there.

    `deleted`: of some digests, those that pictures had which were deleted. It is asked for all names together, once in
    `PAUSE` seconds, so that one connection to the database is enough for all of them.
    """

    def __init__(
        self,
        deleted: Callable[[Sequence[str]], Awaitable[Collection[str]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deleted = deleted
        self._clock = clock
        self._known: LruCache[str, tuple[float, bool]] = LruCache(NAMES_MAX)
        """Until when each name is remembered, and whether it was deleted."""
        self._wanted: set[str] = set()
        """Digests for the next look."""
        self._look = FreshFlight(self._find)
        self._next_look = 0.0
        """When there may be one, by the event loop's clock."""

    def check(self, picture: Picture) -> None:
        """Raises NotFound, or Gone, for a file that wasn't there some seconds ago."""
        known = self._known.get(picture.name)
        if known is not None and known[0] > self._clock():
            raise _error(picture, deleted=known[1])

    async def explain(self, picture: Picture) -> NotFound | Gone:
        """The error to raise for a file that isn't there. Raises StoreUnavailable."""
        until = self._clock() + SECONDS
        self._wanted.add(picture.digest)
        deleted = picture.digest in await self._look()
        self._known.put(picture.name, (until, deleted), 1)
        return _error(picture, deleted=deleted)

    def forget(self, picture: Picture) -> None:
        """Its file came to be, or was removed."""
        self._known.drop(picture.name)

    async def close(self) -> None:
        """End the look that is under way."""
        await asyncio.gather(*self._look.cancel(), return_exceptions=True)

    async def _find(self) -> Collection[str]:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next_look - clock())
        wanted, self._wanted = self._wanted, set()
        self._next_look = clock() + PAUSE
        return await self._deleted(sorted(wanted))


def _error(picture: Picture, *, deleted: bool) -> NotFound | Gone:
    return Gone("the picture was deleted") if deleted else NotFound(f"there is no picture {picture.name}")
