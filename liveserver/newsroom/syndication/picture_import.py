"""The import of a source's pictures: each is fetched once, and becomes a picture of this server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

import structlog

from liveserver.client import Client, ClientError
from liveserver.client.errors import DETAIL_MAX
from liveserver.content.media.picture import Picture
from liveserver.domain.errors import Gone, InvalidInput, NotFound, TooManyRequests, Unavailable
from liveserver.domain.inputs.bodies import MediaInput
from liveserver.newsroom.syndication import remote_entry
from liveserver.newsroom.syndication.ssrf_guard import SsrfGuard
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.limits.rate_limiter import Throttle
from liveserver.utils.lru_cache import KEPT_BYTES, LruCache, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from liveserver.content.media.library import MediaLibrary
    from liveserver.domain.source import ImportedEntry, Source
    from liveserver.settings import Settings
    from liveserver.store import Store

ANSWER_SECONDS = 60.0
TOO_MANY = 429
"""The status that refuses nothing but the moment."""

PICTURES_WAIT = 3.0
"""Seconds that an entry waits for its pictures; those that come later are put into it."""
PICTURES_AGAIN = 30.0
"""Seconds after which what couldn't be fetched is tried again, twice as long each time."""
PICTURES_AGAIN_MAX = 3600.0
PICTURES_MOST = 200
"""Pictures of one source that are fetched in one go."""
PICTURES_RATE = 5.0
"""Pictures a second from then on: more than one thread decodes."""
FETCHING_MAX = 20
"""Entries whose pictures are awaited at a time; further ones are published in words, and have them later."""
COMPLETED_MOST = 20
"""Entries for whose pictures a source is asked again in one go."""
TRIED_BYTES = 500_000
"""Memory for the times of those retries: a thousand entries. A forgotten one is tried as if it were new."""
MISSING_INTERVAL = 60.0
"""Seconds between two lines of the log about pictures that can't be had, at least."""

log = structlog.get_logger(__name__)


class Imported(NamedTuple):
    """The pictures of a body that are here."""

    pictures: dict[str, Picture]
    """Ours, by the names of their files at the source."""
    complete: bool
    """Whether the others never will be here."""


class PictureImport:
    """Fetches the pictures of one source, and remembers which entries still go without some of theirs.

    `connect`: makes a client of the source that keeps to a guard. `credit`: the name that pictures are credited to.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        library: MediaLibrary,
        settings: Settings,
        connect: Callable[[SsrfGuard], Client],
        *,
        actor: str,
        credit: str,
    ) -> None:
        self._source = source
        self._store = store
        self._library = library
        self._connect = connect
        self._actor = actor
        self.credit = credit
        self._media_max = settings.media_max_size
        self._gate = SsrfGuard(private=settings.follow_private, most=settings.media_max_size)
        self._one_at_a_time = asyncio.Lock()
        self._throttle = Throttle(PICTURES_MOST, PICTURES_RATE)
        self._missing = 0
        """Pictures that couldn't be had since the last line of the log."""
        self._missing_logged_at = -MISSING_INTERVAL
        self._retries: LruCache[str, tuple[float, float]] = LruCache(TRIED_BYTES)
        """For each entry, the loop's time of the next retry, and the pause before it."""
        self._fetching = BackgroundTasks()
        self._late = asyncio.Event()
        """Set when pictures have come that an entry didn't wait for."""

    async def pictures(self, entry_id: str, body: str) -> Imported:
        """The body's pictures that are here within `PICTURES_WAIT`; the others are fetched in the background."""
        names = remote_entry.pictures_of(body)
        if not names:
            return Imported({}, complete=True)
        if len(self._fetching) >= FETCHING_MAX:
            return Imported({}, complete=False)
        fetching = self._fetching.spawn(self._fetch(names))
        done, _ = await asyncio.wait({fetching}, timeout=PICTURES_WAIT)
        if done:
            return fetching.result()

        def fetched(task: asyncio.Task[Imported]) -> None:
            if not task.cancelled() and task.exception() is None and task.result().complete:
                self._retries.drop(entry_id)
                self._late.set()

        fetching.add_done_callback(fetched)
        return Imported({}, complete=False)

    async def late(self) -> None:
        """Wait until pictures have come that an entry didn't wait for, or until it is time to look for such entries."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PICTURES_AGAIN):
                await self._late.wait()
        self._late.clear()

    def due(self, copies: Mapping[str, ImportedEntry]) -> Iterator[str]:
        """The remote ids of a few entries that lack pictures and whose turn it is. Each has another turn later."""
        clock = asyncio.get_running_loop().time
        retries = {key: self._retries.get(key) or (0.0, 0.0) for key, copy in copies.items() if not copy.complete}
        due = [key for key, (at, _) in retries.items() if copies[key].seq and at <= clock()]
        # The first are those that were never tried, the newest before the others.
        due.sort(key=lambda key: (retries[key][0], -copies[key].seq))
        for remote_id in due[:COMPLETED_MOST]:
            pause = min(retries[remote_id][1] * 2, PICTURES_AGAIN_MAX) or PICTURES_AGAIN
            retry = (clock() + pause, pause)
            self._retries.put(remote_id, retry, size_of(retry) + size_of(remote_id) + KEPT_BYTES)
            yield remote_id

    async def close(self) -> None:
        """Stop fetching."""
        await self._fetching.close()

    async def _fetch(self, names: dict[str, str]) -> Imported:
        """Fetch pictures by their names there, each with its description."""
        found: dict[str, Picture] = {}
        complete = True
        async with self._connect(self._gate) as client:
            for name, alt in names.items():
                try:
                    async with self._one_at_a_time:
                        picture = await self._picture(client, name, alt)
                except (ClientError, TooManyRequests, Unavailable, TimeoutError) as error:
                    self._log_missing(name, error)
                    complete = False
                else:
                    if picture is not None:
                        found[name] = picture
        return Imported(found, complete)

    def _log_missing(self, name: str, error: Exception) -> None:
        """Log a picture that can't be had, once in a while."""
        self._missing += 1
        moment = asyncio.get_running_loop().time()
        if moment - self._missing_logged_at >= MISSING_INTERVAL:
            log.info(
                "syndication.pictures_missing",
                liveblog=self._source.slug,
                count=self._missing,
                picture=name,
                error=str(error)[:DETAIL_MAX],
            )
            self._missing, self._missing_logged_at = 0, moment

    async def _picture(self, client: Client, name: str, alt: str) -> Picture | None:
        """The source's picture as one of ours; None if it can't be.

        Raises ClientError, Unavailable, TimeoutError, and TooManyRequests where the source sent too many for a day.
        """
        media_id = remote_entry.media_id_of(self._source.slug, self._source.server, name)
        try:
            return Picture.of(await self._store.media.find(media_id))
        except Gone:
            return None
        except NotFound:
            pass
        await asyncio.sleep(self._throttle.spend(1))
        await self._library.check_room(self._source.id)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                content = await client.file(f"/media/{name}")
            if len(content) > self._media_max:
                return None
            words = " ".join(alt.split())[:1_000] or self.credit
            given = MediaInput.model_construct(alt=words, credit=self.credit)
            with TemporaryFile() as file:
                await asyncio.to_thread(file.write, content)
                file.seek(0)
                media = await self._library.add(
                    file, given, actor=self._actor, owner=self._source.id, media_id=media_id
                )
        except ClientError as error:
            if 400 <= error.status < 500 and error.status != TOO_MANY:
                return None
            raise
        except InvalidInput:
            return None
        return Picture.of(media)
