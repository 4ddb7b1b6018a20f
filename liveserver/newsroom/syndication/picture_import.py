"""The import of the pictures of a source (a live blog on another server, which one of our live blogs follows).

Each picture is fetched once, and added to the newsroom's own pictures.
"""

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
from liveserver.domain.inputs.models import MediaInput
from liveserver.newsroom.syndication import remote_entry
from liveserver.newsroom.syndication.ssrf_guard import SsrfGuard
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.limits.rate_limiter import Throttle
from liveserver.utils.lru_cache import KEPT_BYTES, LruCache, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from liveserver.content.media.library import MediaLibrary
    from liveserver.domain.people.principal import Principal
    from liveserver.domain.source import ImportedEntry, Source
    from liveserver.settings import Settings
    from liveserver.store import Store

ANSWER_SECONDS = 60.0
TOO_MANY = 429
"""The HTTP status Too Many Requests. After any other status from 400 to 499, a request isn't repeated."""

PICTURES_WAIT = 3.0
"""The greatest number of seconds that an entry waits for its pictures. After that, it is published without them, and
gets them later."""
PICTURES_AGAIN = 30.0
"""Seconds between the first and the second retry of an entry that lacks pictures. The pause
doubles after each further retry, up to PICTURES_AGAIN_MAX."""
PICTURES_AGAIN_MAX = 3600.0
PICTURES_MOST = 200
"""The number of pictures that may be fetched from a source without a pause between them."""
PICTURES_RATE = 5.0
"""The number of pictures per second that are fetched from a source after the first PICTURES_MOST. One process can't
transcode so many."""
FETCHING_MAX = 20
"""The greatest number of entries whose pictures are fetched at a time. Other entries are published without their
pictures, and get them later."""
COMPLETED_MOST = 20
"""The greatest number of entries that are tried again after one call of `due`."""
TRIED_BYTES = 500_000
"""The greatest size, in bytes, of the cache with the times of the next retries: enough for a thousand entries. If an
entry is dropped from the cache, its next retry counts as its first one, and comes at once."""
MISSING_INTERVAL = 60.0
"""The least number of seconds between two log lines about pictures that couldn't be fetched."""

log = structlog.get_logger(__name__)


class Imported(NamedTuple):
    """The result of importing the pictures of a body."""

    pictures: dict[str, Picture]
    """The imported pictures, by the names of their files at the source."""
    complete: bool
    """False if a later try may import more pictures; otherwise True."""


class PictureImport:
    """The import of one source's pictures, with the times at which entries that lack pictures are tried again.

    `connect`: returns a client for the source, given the guard for the client's connections. `by`: the principal that
    adds the pictures to ours. `credit`: the name that the pictures are credited to.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        library: MediaLibrary,
        settings: Settings,
        connect: Callable[[SsrfGuard], Client],
        *,
        by: Principal,
        credit: str,
    ) -> None:
        self._source = source
        self._store = store
        self._library = library
        self._connect = connect
        self._principal = by
        self.credit = credit
        self._media_max = settings.media_max_size
        self._gate = SsrfGuard(private=settings.follow_private, most=settings.media_max_size)
        self._one_at_a_time = asyncio.Lock()
        self._throttle = Throttle(PICTURES_MOST, PICTURES_RATE)
        self._missing = 0
        """The number of failed attempts to fetch a picture since `_log_missing` last wrote a log line."""
        self._missing_logged_at = -MISSING_INTERVAL
        self._retries: LruCache[str, tuple[float, float]] = LruCache(TRIED_BYTES)
        """By the id of an entry at the source: the event loop's time at which the entry is tried again, and the pause
        in seconds until this time."""
        self._fetching = BackgroundTasks()
        self._late = asyncio.Event()
        """Set when all pictures of an entry that was published without them have been imported in the background."""

    async def pictures(self, entry_id: str, body: str) -> Imported:
        """Import the pictures of an entry's body, and return them.

        Returns no pictures, and False as `complete`, in two cases. If FETCHING_MAX imports are under way already, no
        import is started. If the import takes longer than PICTURES_WAIT seconds, it goes on in the background.
        `entry_id`: the entry's id at the source. `body`: the sanitised body.
        """
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
        """Wait until all pictures of an entry that was published without them have been imported in the background.

        Returns after PICTURES_AGAIN seconds at the latest.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(PICTURES_AGAIN):
                await self._late.wait()
        self._late.clear()

    def due(self, copies: Mapping[str, ImportedEntry]) -> Iterator[str]:
        """Yield the ids, at the source, of entries that lack pictures and are to be tried again now.

        At most COMPLETED_MOST ids are yielded. For each entry, the time of the next try is set. `copies`: our copies
        of the source's entries, by the entries' ids at the source.
        """
        clock = asyncio.get_running_loop().time
        retries = {key: self._retries.get(key) or (0.0, 0.0) for key, copy in copies.items() if not copy.complete}
        due = [key for key, (at, _) in retries.items() if copies[key].seq and at <= clock()]
        # Entries that were never tried again come first. Of entries with the same time, the last changed comes first.
        due.sort(key=lambda key: (retries[key][0], -copies[key].seq))
        for remote_id in due[:COMPLETED_MOST]:
            pause = min(retries[remote_id][1] * 2, PICTURES_AGAIN_MAX) or PICTURES_AGAIN
            retry = (clock() + pause, pause)
            self._retries.put(remote_id, retry, size_of(retry) + size_of(remote_id) + KEPT_BYTES)
            yield remote_id

    async def close(self) -> None:
        """Stop the fetching of pictures in the background."""
        await self._fetching.close()

    async def _fetch(self, names: dict[str, str]) -> Imported:
        """Import pictures, and return the pictures that could be imported.

        `names`: the pictures' descriptions, by the names of their files at the source.
        """
        pictures: dict[str, Picture] = {}
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
                        pictures[name] = picture
        return Imported(pictures, complete)

    def _log_missing(self, name: str, error: Exception) -> None:
        """Count a picture that couldn't be fetched, and sometimes log the number of such pictures.

        At most one line is logged in MISSING_INTERVAL seconds.
        """
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
        """Return our copy of a picture of the source. If we have none, fetch the picture, and add it to our pictures.

        `name`: the name of the picture's file at the source. `alt`: its description. Returns None if our copy was
        deleted, if the file is too large or isn't a picture, or if the source answers with a status from 400 to 499
        (except TOO_MANY).

        Raises ClientError for other failures at the source, and TimeoutError if the import takes longer than
        ANSWER_SECONDS. Raises Unavailable if our store, storage or transcoder is unavailable or busy. Raises
        TooManyRequests if the source has used up its daily quota of pictures (`MediaQuota`).
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
            description = " ".join(alt.split())[:1_000] or self.credit
            media_input = MediaInput.model_construct(alt=description, credit=self.credit)
            with TemporaryFile() as file:
                await asyncio.to_thread(file.write, content)
                file.seek(0)
                media = await self._library.add(file, media_input, by=self._principal, media_id=media_id)
        except ClientError as error:
            if 400 <= error.status < 500 and error.status != TOO_MANY:
                return None
            raise
        except InvalidInput:
            return None
        return Picture.of(media)
