"""The follower of one source (a live blog of another server that one of our live blogs follows).

When the source publishes, edits or deletes an entry, the follower does the same with our copy of the entry. At the
beginning, and whenever the source's stream can't continue from our position, the follower requests all changes of the
source. It copies all entries, and deletes our copies of entries that the source doesn't have. After that, it follows
the source's stream.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from liveserver.client import Client, ClientError, Message
from liveserver.client.errors import DETAIL_MAX, Broken
from liveserver.client.live_stream import check_progress
from liveserver.content.plain_text import is_empty
from liveserver.content.sanitiser import sanitise
from liveserver.content.sanitiser_pool import is_dear
from liveserver.domain.change import Position
from liveserver.domain.entry import Via
from liveserver.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.source import Source, SourceState
from liveserver.newsroom.syndication import remote_entry
from liveserver.newsroom.syndication.follow_status import FollowStatus
from liveserver.newsroom.syndication.picture_import import ANSWER_SECONDS, TOO_MANY, PictureImport
from liveserver.newsroom.syndication.ssrf_guard import SsrfGuard
from liveserver.store import Hold, Incoming, NotHeld
from liveserver.utils.limits.rate_limiter import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from liveserver.content.media.library import MediaLibrary
    from liveserver.content.sanitiser_pool import SanitiserPool
    from liveserver.newsroom.publisher import Publisher
    from liveserver.settings import Settings
    from liveserver.store import Store


AGAIN = 60.0
"""The pause, in seconds, before the next request to a source that has refused a request. It is also the pause after
the first answer that no liveserver would give, and after an unexpected error of our own. (Each pause is multiplied by a
random number between 0.5 and 1.)"""
AGAIN_MAX = 600.0
"""The longest pause, in seconds, after an answer that no liveserver would give. The pause is AGAIN at first, doubles
after each such answer, and is AGAIN again once a change has been applied."""
BACKOFF_MAX = 30.0
"""The longest pause, in seconds, before the next attempt to reach a source. Each failed attempt doubles the pause."""

PAGE = 25
"""The number of changes that the follower requests at a time."""
CHANGES_MAX = 100_000
"""The greatest number of changes that a source may have, if only the last change of each entry counts. A source with
more changes can't be followed."""
EMPTY_MAX = 60
"""The greatest number of answers without changes that the follower accepts when it copies all entries, although changes
are still missing. After each such answer, the follower waits for a second, and requests the changes again. The answer
may come from a cache with an old state."""
ANSWER_BYTES = 8 * 1024 * 1024
"""The greatest size of an answer in bytes, enough for PAGE entries of the greatest length. Parsing such an answer
blocks the event loop for 30 ms usually, and for 80 ms if every character of the text needs four bytes."""

MESSAGES_MOST = 2_000
"""The number of messages that the follower accepts from a source without a pause, for example at the beginning.

A message of B bytes whose entry's body has C characters counts as several messages: their number is
1 + B / `requests.MESSAGE_BYTES` + C / MESSAGE_CHARACTERS."""
MESSAGES_RATE = 50.0
"""The number of messages per second that the follower accepts after the first MESSAGES_MOST. More messages wait at the
source until the follower reads them. A newsroom usually sends only a few messages per minute."""
MESSAGE_CHARACTERS = 2_000
"""The number of characters of an entry's body that count as one message."""

log = structlog.get_logger(__name__)


class Follower:
    """The follower of one source. It may work only while this process holds the source."""

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
        self._sanitising = pool
        self._throttle = Throttle(MESSAGES_MOST, MESSAGES_RATE)
        self._gate = SsrfGuard(private=settings.follow_private, most=ANSWER_BYTES)
        self._name = source.name or urlsplit(source.server).hostname or source.server
        self._principal = Principal(PrincipalKind.SERVER, source.id, f"via {urlsplit(source.server).hostname}")
        self._position = source.position
        self._status = FollowStatus(source, store, self._hold)
        self._pictures = PictureImport(
            source, store, library, settings, self._client, by=self._principal, credit=self._name
        )
        self._writing = asyncio.Lock()
        """Held during each write. Two tasks may write the same entry: a new state from the stream, and an older state
        whose missing pictures have come. With the lock, the older state is never written last."""
        self._wait = 1.0
        """The upper limit of the next pause, in seconds. The pause is a random time of at least half this limit."""
        self._again = AGAIN
        """The value, in seconds, that `_wait` gets after the next answer that no liveserver would give."""

    async def run(self) -> None:
        """Follow the source until cancelled, or until this process doesn't hold the source any more."""
        tasks = [asyncio.create_task(work) for work in (self._follow_on(), self._status.report(), self._complete())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and (error := task.exception()) is not None:
                    log.error("syndication.failed", liveblog=self._slug, exc_info=error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, self._pictures.close(), return_exceptions=True)

    async def _follow_on(self) -> None:
        """Follow the source, and begin anew after each error. Returns when this process no longer holds the source."""
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
                # This is a defect of ours. If the task ended now, the coordinator would start another one at once, and
                # so on.
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
        pause = AGAIN if state is SourceState.REFUSED else min(self._wait * 2, BACKOFF_MAX)
        self._wait = wait or pause
        self._status.failed(state, error)

    async def _follow(self) -> None:
        """Follow the source until its stream can't continue from our position. Then copy all entries, and return.

        If our store has no position of the source, all entries are also copied at the beginning. Raises NotHeld if this
        process doesn't hold the source any more, and NotFound if our live blog follows no source. Raises Unavailable if
        our store doesn't answer, or our server is busy. Raises TimeoutError if the source doesn't answer in time, and
        ClientError if the source refuses a request or can't be reached. For an answer that no liveserver would give,
        raises Broken, KeyError, TypeError, ValueError or InvalidInput.
        """
        source = await self._store.sources.find(self._slug, now())
        if source.id != self._source.id:
            raise NotHeld("it follows another live blog")
        self._position = source.position
        async with self._client() as client:
            await self._check_admission(client)
            if self._position is None:
                await self._take_all(client)
            stream = client.follow(
                source.remote_slug,
                self._position,
                on_state=self._on_state,
                on_message=self._status.message,
                on_error=self._status.connection_error,
                confirm=True,
                known=await self._store.sources.copies(self._slug),
            )
            async with aclosing(stream):
                async for change in stream:
                    if change["type"] == "reset":
                        break
                    await self._apply(change, moving=True)
            await self._take_all(client)

    def _client(self, gate: SsrfGuard | None = None) -> Client:
        return Client(
            self._source.server, partner=self._source.partner, gate=gate or self._gate, throttle=self._throttle
        )

    async def _check_admission(self, client: Client) -> None:
        """Check that the source admits us, and read the name under which it wants to be shown.

        Raises TimeoutError. Raises ClientError if the source doesn't admit us, or doesn't answer properly.
        """
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await client.embed(self._source.remote_slug)
        if not answer["allowed"]:
            raise ClientError(403, f"{self._source.server} doesn't let us in: {answer['reason']}")
        attribution = answer["attribution"]
        if (
            self._source.name is None
            and attribution is not None
            and (name := remote_entry.line_of(attribution["text"]))
        ):
            self._name = self._pictures.credit = name

    async def _take_all(self, client: Client) -> None:
        """Copy all entries of the source, and delete our copies of entries that the source doesn't have.

        Raises the errors of `_follow`.
        """
        self._status.connecting()
        slug = self._source.remote_slug
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await client.snapshot(slug, limit=1)
        remote_position = remote_entry.position_of(head["epoch"], head["seq"])
        self._status.remote_position(remote_position.seq)
        reached, present_ids = Position(remote_position.epoch, 0), set()
        change_count = empty_count = 0
        while True:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await client.changes(slug, reached, limit=PAGE)
            if answer.get("reset") or answer["epoch"] != reached.epoch:
                raise ClientError(0, "its history was replaced meanwhile")
            check_progress(reached, answer)
            for event in answer["events"]:
                await client.take_turn()
                await self._apply(event, moving=False)
                if event["type"] == "entry":
                    present_ids.add(event["entry"]["id"])
                elif event["type"] in {"delete", "gone"}:
                    present_ids.discard(event["id"])
            change_count += len(answer["events"])
            if change_count > CHANGES_MAX:
                raise ClientError(413, f"it has more than {CHANGES_MAX} changes")
            reached = remote_entry.position_of(answer["epoch"], answer["seq"])
            if not answer["more"] and reached.seq >= remote_position.seq:
                break
            if not answer["events"]:
                # The source has changes after `reached`, as its snapshot says. So this answer comes from a cache, and
                # is older than the snapshot.
                empty_count += 1
                if empty_count > EMPTY_MAX:
                    raise Broken(f"it stands at {remote_position}, and tells nothing after {reached}")
                await asyncio.sleep(1)
        for remote_id in (await self._store.sources.copies(self._slug)).keys() - present_ids:
            await self._write(Incoming(remote_id, 0, None), None)
        await self._store.sources.move(self._hold(), reached)
        self._position = reached
        self._again = AGAIN

    async def _apply(self, change: Message, *, moving: bool) -> None:
        """Copy the entry in a message of the source, or delete our copy, after the pause that the throttle asks for.

        `moving`: True to record the message's seq as the position up to which the source's changes are in our store.
        For a message about no entry, only this position is recorded.
        """
        await asyncio.sleep(self._throttle.spend(remote_entry.body_length(change) / MESSAGE_CHARACTERS))
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
                await self._store.sources.move(self._hold(), reached)
                self._position = reached
        if moving:
            self._again = AGAIN

    async def _write(self, incoming: Incoming, reached: Position | None, *, unless_newer: bool = False) -> None:
        """Store the new state of an entry of the source, and send it to viewers.

        `reached`: the position to record for the source (None: the recorded position stays). `unless_newer`: True to do
        nothing if our copy was updated or deleted meanwhile, so that its seq isn't the seq of `incoming`.
        """
        async with self._writing:
            if unless_newer:
                copy = (await self._store.sources.copies(self._slug)).get(incoming.id)
                if copy is None or copy.seq != incoming.seq:
                    return
            try:
                await self._publisher.take_over(self._take_over(incoming, reached))
            except NotHeld:
                raise
            except Conflict:
                # Our live blog has as many pinned entries as it may have. It is better to copy the entry unpinned than
                # not at all.
                assert incoming.entry is not None
                incoming = incoming._replace(entry=replace(incoming.entry, pinned=False))
                await self._publisher.take_over(self._take_over(incoming, reached))
            if reached is not None:
                self._position = reached

    def _take_over(self, incoming: Incoming, reached: Position | None) -> Coroutine[Any, Any, Any]:
        return self._store.sources.take_over(self._slug, self._hold(), reached, incoming, by=self._principal, at=now())

    def _hold(self) -> Hold:
        return Hold(self._source.id, self._node, self._position)

    async def _incoming(self, data: Message, seq: int) -> Incoming:
        """Convert an entry that the source has sent into an `Incoming` for our store.

        If we can't copy the entry, or mustn't, the `Incoming` tells the store to delete our copy, whose text is
        outdated. `seq`: the seq of the change.
        """
        try:
            entry = remote_entry.read(data)
        except InvalidInput as error:
            return self._unfit(remote_entry.id_of(data["id"]), seq, error)
        if entry.via is not None:
            # The source has copied this entry from another server, which can be followed itself. If we copied it from
            # the source, two servers that follow each other would send each other the same entries for ever.
            return Incoming(entry.id, seq, None)
        try:
            body = await self._made_safe(sanitise, entry.body)
            if is_empty(body):
                if entry.heading is None:
                    return Incoming(entry.id, seq, None)
                # The source's entry is a heading only.
                body = ""
            imported = await self._pictures.pictures(entry.id, body)
            body = await self._made_safe(partial(remote_entry.with_pictures, pictures=imported.pictures), body)
        except InvalidInput as error:
            return self._unfit(entry.id, seq, error)
        via = Via(self._name, self._source.url or entry.url)
        return Incoming(entry.id, seq, remote_entry.entry_of(entry, body, via), complete=imported.complete)

    async def _made_safe(self, work: Callable[[str], str], body: str) -> str:
        if not is_dear(body):
            return work(body)
        return await self._sanitising.run(work, body, owner=self._source.id)

    def _unfit(self, entry_id: str, seq: int, error: InvalidInput) -> Incoming:
        """Note in the status why an entry can't be copied. Returns an `Incoming` by which our copy is deleted."""
        self._status.complaint(f"the entry {entry_id} can't be taken over: {error}")
        return Incoming(entry_id, seq, None)

    async def _complete(self) -> None:
        """Again and again, import the pictures that our copies of entries lack, and write the completed copies.

        Returns when this process doesn't hold the source any more.
        """
        while True:
            await self._pictures.late()
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
        copies = await self._store.sources.copies(self._slug)
        for remote_id in self._pictures.due(copies):
            copy = copies[remote_id]
            async with self._client() as client, asyncio.timeout(ANSWER_SECONDS):
                previous = Position(position.epoch, copy.seq - 1)
                answer = await client.changes(self._source.remote_slug, previous, limit=1)
            entry_events = [event for event in answer.get("events", ()) if event["type"] == "entry"]
            if not entry_events or entry_events[0]["entry"]["id"] != remote_id or entry_events[0]["seq"] != copy.seq:
                continue
            incoming = await self._incoming(entry_events[0]["entry"], copy.seq)
            if incoming.complete:
                await self._write(incoming, None, unless_newer=True)

    def _on_state(self, state: str) -> None:
        if state == "live":
            self._wait = 1.0
        self._status.connection(state)
