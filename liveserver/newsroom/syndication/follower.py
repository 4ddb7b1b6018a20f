"""Following one live blog of another server: what is published, edited and deleted there, is here.

Where it begins, and where the source's history was replaced, all that there is is taken over (`changes` from the
beginning), and what the source doesn't have is taken away. From there on the stream is followed.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from liveserver.client import Client, ClientError
from liveserver.client.client import DETAIL_MAX, Broken, check_progress
from liveserver.content.media.picture import Picture
from liveserver.content.sanitiser import sanitise, says_something
from liveserver.content.sanitiser_pool import is_dear
from liveserver.domain.change import Position
from liveserver.domain.entry import Via
from liveserver.domain.errors import (
    Conflict,
    Gone,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    TooManyRequests,
    Unavailable,
)
from liveserver.domain.ids import now
from liveserver.domain.inputs.bodies import MediaInput
from liveserver.domain.source import Source, SourceState
from liveserver.newsroom.syndication import remote_entry
from liveserver.newsroom.syndication.ssrf_guard import SsrfGuard
from liveserver.store import Hold, Incoming, NotHeld
from liveserver.utils.limits.rate_limiter import Throttle
from liveserver.utils.lru_cache import KEPT_BYTES, LruCache, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from liveserver.content.media.library import MediaLibrary
    from liveserver.content.sanitiser_pool import SanitiserPool
    from liveserver.newsroom.publisher import Publisher
    from liveserver.settings import Settings
    from liveserver.store import Store

Message = dict[str, Any]

REPORT = 5.0
"""Seconds between two notes on how it stands, if nothing happens."""
AGAIN = 60.0
"""Seconds after which a source that doesn't let us in is asked again, and one that doesn't answer as a liveserver."""
AGAIN_MAX = 600.0
"""The latter is asked again after twice as long each time, up to this, until something of it can be taken over."""
BACKOFF_MAX = 30.0

PAGE = 25
"""Changes that are asked for at a time."""
CHANGES_MAX = 100_000
"""Of a source that has more, nothing is taken over."""
EMPTY_MAX = 60
"""Answers without changes, one a second, before what the source told of must be there: a cache's may be old."""
TOO_MANY = 429
"""The status that refuses nothing but the moment."""
ANSWER_BYTES = 8 * 1024 * 1024
"""A page of the longest entries. It is parsed in one go: 30 ms of usual text, 80 ms if all of it needs four bytes a
character."""
ANSWER_SECONDS = 60.0

MESSAGES_MOST = 2_000
"""Messages of one source, whatever they say, that are taken in one go, as when it is followed first. Their bytes count
(`client.MESSAGE_BYTES`), and 2,000 characters of a body as one more."""
MESSAGES_RATE = 50.0
"""Messages a second from then on: a newsroom sends a few a minute, and what comes faster waits at the source."""
MESSAGE_CHARACTERS = 2_000

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
"""Of memory for when that is to be again: a thousand entries. What is forgotten is tried with what is new."""
MISSING_INTERVAL = 60.0
"""Seconds between two lines of the log about pictures that can't be had, at least."""

log = structlog.get_logger(__name__)


class Follower:
    """Follows one source, while this process holds it."""

    def __init__(
        self,
        source: Source,
        node: str,
        store: Store,
        publisher: Publisher,
        library: MediaLibrary,
        pool: SanitiserPool,
        settings: Settings,
    ) -> None:
        self._source = source
        self._slug = source.slug
        self._node = node
        self._store = store
        self._publisher = publisher
        self._library = library
        self._sanitising = pool
        self._throttle = Throttle(MESSAGES_MOST, MESSAGES_RATE)
        self._media_max = settings.media_max_size
        self._gate = SsrfGuard(private=settings.follow_private, most=ANSWER_BYTES)
        self._picture_gate = SsrfGuard(private=settings.follow_private, most=settings.media_max_size)
        self._name = source.name or urlsplit(source.server).hostname or source.server
        self._actor = f"via {urlsplit(source.server).hostname}"
        self._position = source.position
        self._state = SourceState.CONNECTING
        self._error: str | None = None
        self._told: int | None = source.told
        self._heard_at = source.heard_at
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        """An entry is written by one at a time: with what the stream brings, or with its pictures."""
        self._one_picture = asyncio.Lock()
        self._picture_throttle = Throttle(PICTURES_MOST, PICTURES_RATE)
        self._missing = 0
        """Pictures that couldn't be had since the log was told."""
        self._missing_told = -MISSING_INTERVAL
        self._tried: LruCache[str, tuple[float, float]] = LruCache(TRIED_BYTES)
        """When the pictures of entries are to be fetched again, by the loop's clock, and the pause that makes."""
        self._fetching: set[asyncio.Task[Any]] = set()
        self._late = asyncio.Event()
        """Pictures have come that an entry didn't wait for."""
        self._wait = 1.0
        """Seconds until the source is tried again."""
        self._again = AGAIN
        """The same, if it doesn't answer as a liveserver does."""

    async def run(self) -> None:
        """Go on until cancelled, or until another process follows the source, or nobody is to."""
        tasks = [asyncio.create_task(work) for work in (self._go_on(), self._report(), self._complete())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and (error := task.exception()) is not None:
                    log.error("syndication.failed", liveblog=self._slug, exc_info=error)
        finally:
            for task in (*tasks, *self._fetching):
                task.cancel()
            await asyncio.gather(*tasks, *self._fetching, return_exceptions=True)

    async def _go_on(self) -> None:
        """Follow, and come back after whatever goes wrong; returns when it isn't ours to follow any more."""
        while True:
            try:
                await self._follow()
            except (NotHeld, NotFound):
                return
            except Unavailable:
                self._wait = 1.0
            except TimeoutError:
                self._failed(SourceState.LOST, "it takes too long to answer")
            except Broken as error:
                self._broken(str(error))
            except ClientError as error:
                refused = 400 <= error.status < 500 and error.status != TOO_MANY
                self._failed(SourceState.REFUSED if refused else SourceState.LOST, str(error))
            except (KeyError, TypeError, ValueError, InvalidInput) as error:
                self._broken(repr(error))
            except Exception:
                # A defect of ours. Were it the end, the next look would begin anew, and so on for ever.
                log.exception("syndication.failed", liveblog=self._slug, source=self._source.page)
                self._failed(
                    SourceState.LOST, "following it failed, for a reason that the server's log has", wait=AGAIN
                )
            await asyncio.sleep(self._wait * random.uniform(0.5, 1))

    def _broken(self, error: str) -> None:
        log.warning("syndication.nonsense", liveblog=self._slug, source=self._source.page, error=error[:DETAIL_MAX])
        self._failed(SourceState.LOST, f"it doesn't answer as a liveserver does ({error:.200})", wait=self._again)
        self._again = min(self._again * 2, AGAIN_MAX)

    def _failed(self, state: SourceState, error: str, *, wait: float | None = None) -> None:
        again = AGAIN if state is SourceState.REFUSED else min(self._wait * 2, BACKOFF_MAX)
        self._wait = wait or again
        self._stands(state, error)

    async def _follow(self) -> None:
        """Follow until the source's history is replaced; then all is taken over again."""
        source = await self._store.source(self._slug, now())
        if source.id != self._source.id:
            raise NotHeld("it follows another live blog")
        self._position = source.position
        async with self._client() as client:
            await self._introduce(client)
            if self._position is None:
                await self._take_all(client)
            stream = client.follow(
                source.remote_slug,
                self._position,
                on_state=self._on_state,
                on_message=self._on_message,
                on_error=self._on_error,
                confirm=True,
                known=await self._store.copies(self._slug),
            )
            async with aclosing(stream):
                async for change in stream:
                    if change["type"] == "reset":
                        break
                    await self._take(change, moving=True)
            await self._take_all(client)

    def _client(self, gate: SsrfGuard | None = None) -> Client:
        return Client(
            self._source.server, partner=self._source.partner, gate=gate or self._gate, throttle=self._throttle
        )

    async def _introduce(self, client: Client) -> None:
        """Hear whether we are let in, and what is to be said of whose it is."""
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await client.embed(self._source.remote_slug)
        if not answer["allowed"]:
            raise ClientError(403, f"{self._source.server} doesn't let us in: {answer['reason']}")
        wish = answer["attribution"]
        if self._source.name is None and wish is not None and (name := remote_entry.line_of(wish["text"])):
            self._name = name

    async def _take_all(self, client: Client) -> None:
        """Take over everything that the source has, and take away what it doesn't have."""
        self._stands(SourceState.CONNECTING, self._error)
        slug = self._source.remote_slug
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await client.snapshot(slug, limit=1)
        told = remote_entry.position_of(head["epoch"], head["seq"])
        self._told = told.seq
        reached, seen = Position(told.epoch, 0), set()
        taken = empty = 0
        while True:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await client.changes(slug, reached, limit=PAGE)
            if answer.get("reset") or answer["epoch"] != reached.epoch:
                raise ClientError(0, "its history was replaced meanwhile")
            check_progress(reached, answer)
            for event in answer["events"]:
                await client.take_turn()
                await self._take(event, moving=False)
                if event["type"] == "entry":
                    seen.add(event["entry"]["id"])
                elif event["type"] in {"delete", "gone"}:
                    seen.discard(event["id"])
            taken += len(answer["events"])
            if taken > CHANGES_MAX:
                raise ClientError(413, f"it has more than {CHANGES_MAX} changes")
            reached = remote_entry.position_of(answer["epoch"], answer["seq"])
            if not answer["more"] and reached.seq >= told.seq:
                break
            if not answer["events"]:
                # A cache has answered with what was before the snapshot.
                empty += 1
                if empty > EMPTY_MAX:
                    raise Broken(f"it stands at {told}, and tells nothing after {reached}")
                await asyncio.sleep(1)
        for remote_id in (await self._store.copies(self._slug)).keys() - seen:
            await self._write(Incoming(remote_id, 0, None), None)
        await self._store.move_source(self._hold(), reached)
        self._position = reached
        self._again = AGAIN

    async def _take(self, change: Message, *, moving: bool) -> None:
        """Do here what a message says; a long one, when it is the source's turn again."""
        await asyncio.sleep(self._throttle.spend(_length(change) / MESSAGE_CHARACTERS))
        seq, reached = 0, None
        if "seq" in change:
            seq = remote_entry.position_of("any", change["seq"]).seq
            if moving:
                assert self._position is not None
                reached = Position(self._position.epoch, seq)
        match change["type"]:
            case "entry":
                await self._write(await self._incoming(change["entry"], seq), reached)
            case "delete" | "gone":
                await self._write(Incoming(remote_entry.id_of(change["id"]), seq, None), reached)
            case _ if reached is not None:
                await self._store.move_source(self._hold(), reached)
                self._position = reached
        if moving:
            self._again = AGAIN

    async def _write(self, given: Incoming, reached: Position | None, *, unless_newer: bool = False) -> None:
        """Have it written; with `unless_newer`, only if nothing else was taken over of the entry meanwhile."""
        async with self._writing:
            if unless_newer:
                there = (await self._store.copies(self._slug)).get(given.id)
                if there is None or there.seq != given.seq:
                    return
            try:
                await self._publisher.take_over(self._taking(given, reached))
            except NotHeld:
                raise
            except Conflict:
                # One pinned entry too many: better unpinned than not at all.
                assert given.entry is not None
                given = given._replace(entry=replace(given.entry, pinned=False))
                await self._publisher.take_over(self._taking(given, reached))
            if reached is not None:
                self._position = reached

    def _taking(self, given: Incoming, reached: Position | None) -> Coroutine[Any, Any, Any]:
        return self._store.take_over(self._slug, self._hold(), reached, given, actor=self._actor, at=now())

    def _hold(self) -> Hold:
        return Hold(self._source.id, self._node, self._position)

    async def _incoming(self, data: Message, seq: int) -> Incoming:
        """The entry as it is to be here. One that can't be is taken away: what it said before it says no more."""
        try:
            entry = remote_entry.read(data)
        except InvalidInput as error:
            return self._unfit(remote_entry.id_of(data["id"]), seq, error)
        if entry.via is not None:
            # What they have from others, others are to be followed for: two who follow each other would never end.
            return Incoming(entry.id, seq, None)
        try:
            body = await self._made_safe(sanitise, entry.body)
            if not says_something(body):
                return Incoming(entry.id, seq, None)
            pictures, complete = await self._pictures(entry.id, body)
            body = await self._made_safe(partial(remote_entry.with_pictures, pictures=pictures), body)
        except InvalidInput as error:
            return self._unfit(entry.id, seq, error)
        via = Via(self._name, self._source.url or entry.url)
        return Incoming(entry.id, seq, remote_entry.entry_of(entry, body, via), complete=complete)

    async def _made_safe(self, work: Callable[[str], str], body: str) -> str:
        if not is_dear(body):
            return work(body)
        return await self._sanitising.run(work, body, owner=self._source.id)

    def _unfit(self, entry_id: str, seq: int, error: InvalidInput) -> Incoming:
        """An entry that can't be taken over, to be taken away here."""
        self._stands(self._state, f"the entry {entry_id} can't be taken over: {error}"[:500])
        return Incoming(entry_id, seq, None)

    # Pictures

    async def _pictures(self, entry_id: str, body: str) -> tuple[dict[str, Picture], bool]:
        """Those of the body's pictures that are here soon; and whether there is nothing more to wait for."""
        names = remote_entry.pictures_of(body)
        if not names:
            return {}, True
        if len(self._fetching) >= FETCHING_MAX:
            return {}, False
        fetching = asyncio.create_task(self._fetch(names))
        self._fetching.add(fetching)
        done, _ = await asyncio.wait({fetching}, timeout=PICTURES_WAIT)
        if done:
            self._fetching.discard(fetching)
            return fetching.result()

        def fetched(task: asyncio.Task[tuple[dict[str, Picture], bool]]) -> None:
            self._fetching.discard(task)
            if not task.cancelled() and task.exception() is None and task.result()[1]:
                self._tried.drop(entry_id)
                self._late.set()

        fetching.add_done_callback(fetched)
        return {}, False

    async def _fetch(self, names: dict[str, str]) -> tuple[dict[str, Picture], bool]:
        """Have pictures here; those that are, and whether the others never will be."""
        found: dict[str, Picture] = {}
        complete = True
        async with self._client(self._picture_gate) as client:
            for name, alt in names.items():
                try:
                    async with self._one_picture:
                        picture = await self._picture(client, name, alt)
                except (ClientError, TooManyRequests, Unavailable, TimeoutError) as error:
                    self._misses(name, error)
                    complete = False
                else:
                    if picture is not None:
                        found[name] = picture
        return found, complete

    def _misses(self, name: str, error: Exception) -> None:
        """Tell the log of a picture that can't be had, once in a while."""
        self._missing += 1
        moment = asyncio.get_running_loop().time()
        if moment - self._missing_told >= MISSING_INTERVAL:
            log.info(
                "syndication.pictures_missing",
                liveblog=self._slug,
                count=self._missing,
                picture=name,
                error=str(error)[:DETAIL_MAX],
            )
            self._missing, self._missing_told = 0, moment

    async def _picture(self, client: Client, name: str, alt: str) -> Picture | None:
        """A picture of theirs among ours; None if it can never be.

        Raises ClientError, Unavailable, TimeoutError, and TooManyRequests where the source sent too many for a day.
        """
        media_id = remote_entry.media_id_of(self._slug, self._source.server, name)
        try:
            return Picture.of(await self._store.media(media_id))
        except Gone:
            return None
        except NotFound:
            pass
        await asyncio.sleep(self._picture_throttle.spend(1))
        await self._library.check_room(self._source.id)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                content = await client.file(f"/media/{name}")
            if len(content) > self._media_max:
                return None
            words = " ".join(alt.split())[:1_000] or self._name
            given = MediaInput.model_construct(alt=words, credit=self._name)
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

    async def _complete(self) -> None:
        """Put pictures into entries that had to go without, once they are here."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PICTURES_AGAIN):
                    await self._late.wait()
            self._late.clear()
            try:
                await self._complete_now()
            except (ClientError, Unavailable, NotFound, TimeoutError, KeyError, TypeError, ValueError) as error:
                log.info("syndication.pictures_later", liveblog=self._slug, error=repr(error))
            except NotHeld:
                return

    async def _complete_now(self) -> None:
        position = self._position
        if position is None:
            return
        clock = asyncio.get_running_loop().time
        copies = await self._store.copies(self._slug)
        tried = {key: self._tried.get(key) or (0.0, 0.0) for key, copy in copies.items() if not copy.complete}
        due = [key for key, (at, _) in tried.items() if copies[key].seq and at <= clock()]
        # The first are those that were never tried, the newest before the others.
        due.sort(key=lambda key: (tried[key][0], -copies[key].seq))
        for remote_id in due[:COMPLETED_MOST]:
            copy = copies[remote_id]
            pause = min(tried[remote_id][1] * 2, PICTURES_AGAIN_MAX) or PICTURES_AGAIN
            again = (clock() + pause, pause)
            self._tried.put(remote_id, again, size_of(again) + size_of(remote_id) + KEPT_BYTES)
            async with self._client() as client, asyncio.timeout(ANSWER_SECONDS):
                before = Position(position.epoch, copy.seq - 1)
                answer = await client.changes(self._source.remote_slug, before, limit=1)
            found = [event for event in answer.get("events", ()) if event["type"] == "entry"]
            if not found or found[0]["entry"]["id"] != remote_id or found[0]["seq"] != copy.seq:
                continue
            incoming = await self._incoming(found[0]["entry"], copy.seq)
            if incoming.complete:
                await self._write(incoming, None, unless_newer=True)

    # How it stands

    def _on_state(self, state: str) -> None:
        if state == "live":
            self._wait = 1.0
            self._stands(SourceState.LIVE, None)
        else:
            self._stands(SourceState.LOST, self._error or "the connection was lost")

    def _on_error(self, error: Exception) -> None:
        self._error = str(error)[:500] or type(error).__name__

    def _on_message(self, message: Message) -> None:
        self._heard_at = now()
        if "seq" in message:
            self._told = remote_entry.position_of("any", message["seq"]).seq

    def _stands(self, state: SourceState, error: str | None) -> None:
        error = error and error[:DETAIL_MAX]
        if state is not self._state:
            log.info("syndication.state", liveblog=self._slug, source=self._source.page, state=state, error=error)
        self._state, self._error = state, error
        self._news.set()

    async def _report(self) -> None:
        written: object = None
        while True:
            stands = (self._state, self._error, self._told, self._heard_at)
            self._news.clear()
            if stands != written:
                with suppress(StoreUnavailable):
                    await self._store.note_source(
                        self._hold(), stands[0], error=stands[1], told=stands[2], heard_at=stands[3]
                    )
                    written = stands
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT):
                    await self._news.wait()


def _length(change: Message) -> int:
    """The characters of a message's body."""
    match change:
        case {"entry": {"body": str(body)}}:
            return len(body)
    return 0
