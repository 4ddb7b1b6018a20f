"""Requests for pictures whose files don't exist. Anybody can invent names of files, so answering such requests must
cost little."""

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
"""How long, in seconds, it is remembered that a file is missing. The time is short, because the file's picture may be
restored from a backup."""
NAMES_MAX = 10_000
"""The greatest number of names of missing files that are remembered. So many names need 3 MB of memory. If there are
more, some names are forgotten: first the names that weren't requested again."""
PAUSE = 0.05
"""The least time, in seconds, from the beginning of a query that asks the store about missing files to the beginning of
the next query. Requests in the meantime share the next query."""


class MissingFiles:
    """The reasons why files are missing: their pictures were deleted, or never existed.

    `deleted`: a function that gets digests of pictures, asks the store which of these pictures were deleted, and
    returns their digests. This function is called at most once every `PAUSE` seconds, with the digests of all requests
    since the previous call. So all these requests together use at most one connection to the database.
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
        """For each name of a missing file: the time, by `clock`, until which the file is remembered as missing; and
        True if its picture was deleted."""
        self._digests: set[str] = set()
        """The digests of the pictures that the next query will ask about."""
        self._query = FreshFlight(self._find)
        self._next_query = 0.0
        """The earliest time of the next query, by the event loop's clock."""

    def check(self, picture: Picture) -> None:
        """Raise an error if the file was found to be missing less than `SECONDS` ago. Reads nothing.

        Raises Gone if the file's picture was deleted, otherwise NotFound.
        """
        remembered = self._remembered.get(picture.name)
        if remembered is not None and remembered[0] > self._clock():
            raise _error(picture, deleted=remembered[1])

    async def explain(self, picture: Picture) -> NotFound | Gone:
        """Ask the store why a file is missing, and remember the answer. Raises StoreUnavailable.

        Returns the error that the caller is to raise: Gone if the picture was deleted, otherwise NotFound.
        """
        until = self._clock() + SECONDS
        self._digests.add(picture.digest)
        deleted = picture.digest in await self._query()
        self._remembered.put(picture.name, (until, deleted), 1)
        return _error(picture, deleted=deleted)

    def forget(self, picture: Picture) -> None:
        """Forget why a file was missing. Called when the file's picture is being deleted: the file is now missing for
        another reason."""
        self._remembered.drop(picture.name)

    async def close(self) -> None:
        """Cancel the query that is under way and the query that waits to begin. Wait until both have ended."""
        await asyncio.gather(*self._query.cancel(), return_exceptions=True)

    async def _find(self) -> Collection[str]:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next_query - clock())
        digests, self._digests = self._digests, set()
        self._next_query = clock() + PAUSE
        return await self._deleted(sorted(digests))


def _error(picture: Picture, *, deleted: bool) -> NotFound | Gone:
    return Gone("the picture was deleted") if deleted else NotFound(f"there is no picture {picture.name}")
