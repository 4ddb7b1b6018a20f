"""The client for one server. It sends requests over HTTP, and follows live blogs over WebSocket."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from liveserver.client.errors import ClientError
from liveserver.client.live_stream import Callbacks, LiveStream
from liveserver.client.requests import Requests

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping

    from liveserver.client.requests import Gate
    from liveserver.client.tracker import Message
    from liveserver.domain.change import Position
    from liveserver.utils.limits.rate_limiter import Throttle


class Client:
    """A client for one server. Use it as an asynchronous context manager.

    Its methods raise ClientError if the server refuses a request, Unreachable if the server doesn't answer, and Broken
    if an answer breaks the protocol of a liveserver. The client sends a request that gets no answer, or an answer with
    the status 429 or 503, up to five times before it raises the error. Between two attempts, it waits a random time of
    at most 4 seconds. If the server asks for a pause in seconds (`Retry-After`), this pause, cut to 60 seconds, is
    added. A repeated request doesn't publish an entry twice, as all repetitions have the same Idempotency-Key.

    `key`: the API key; reading needs none. `partner`: the client reads live blogs as the partner with this id. `gate`:
    decides to which addresses the client may connect; None: to all. `throttle`: limits how fast the client reads the
    messages of a server that isn't trusted; None: no limit. Messages that come faster wait at the server. With a
    throttle, a message that would need much time to parse raises Broken. `on_wait`: called before a pause that the
    server asked for, with the reason and the seconds. `on_silence`: called with the server's address when an attempt
    gets no answer and another attempt follows; at most once for each request.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        partner: str | None = None,
        gate: Gate | None = None,
        throttle: Throttle | None = None,
        on_wait: Callable[[str, float], None] = lambda why, seconds: None,
        on_silence: Callable[[str], None] = lambda url: None,
    ) -> None:
        self._requests = Requests(url, key, gate=gate, throttle=throttle, on_wait=on_wait, on_silence=on_silence)
        self._reading = {} if partner is None else {"partner": partner}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._requests.close()

    async def create_liveblog(self, liveblog: Mapping[str, Any]) -> Message:
        """Create a live blog with these fields, and return it."""
        return await self._requests.send("POST", "/liveblogs", json=liveblog)

    async def liveblog(self, slug: str) -> Message:
        """Return a live blog: its fields, without entries."""
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}")

    async def publish(self, slug: str, entry: Mapping[str, Any], *, idempotency_key: str | None = None) -> Message:
        """Publish an entry, and return it.

        `idempotency_key`: if the caller repeats this call with the same key, the entry isn't published again. None: the
        client makes a new key for each call, so that only the client's own repetitions of the request are safe.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return await self._requests.send("POST", f"/liveblogs/{quote(slug)}/entries", json=entry, headers=headers)

    async def edit(
        self,
        slug: str,
        entry_id: str,
        patch: Mapping[str, Any],
        *,
        version: int | None = None,
        epoch: str | None = None,
    ) -> Message:
        """Edit an entry, and return the edited entry.

        `version`: the version that the caller has read. If the entry has another version now, the server refuses the
        edit. None: the version doesn't matter. `epoch`: the epoch of the live blog when the entry was read; None if the
        caller doesn't know it. If both are given, the server also refuses the edit if a backup was restored after the
        entry was read. In that case, the entry may have the same version with other content.
        """
        tag = f"{version}" if epoch is None else f"{epoch}-{version}"
        headers = {"If-Match": "*" if version is None else f'"{tag}"'}
        return await self._requests.send("PATCH", _entry(slug, entry_id), json=patch, headers=headers)

    async def delete(self, slug: str, entry_id: str) -> None:
        """Delete an entry, without asking viewers to confirm the deletion.

        Raises ClientError if the server refuses, or if the entry was deleted before. If the client had to send the
        request several times, an entry that is deleted already is no error: the first request may have deleted it.
        """
        try:
            await self._requests.send("DELETE", _entry(slug, entry_id))
        except ClientError as error:
            if error.status != 410 or not error.repeated:
                raise

    async def take_down(self, slug: str, entry_id: str, *, again: bool = True) -> Message | None:
        """Delete an entry, and ask viewers to confirm the deletion. Return the takedown (its counts of confirmations).

        Returns None if no reader ever saw the entry. If the entry is deleted already, returns its present takedown;
        raises ClientError with the status 404 if it has none. With `again=False`, raises ClientError with the status
        410 if the entry is deleted already. This happens also if this call deleted the entry, but the server's answer
        was lost and the client repeated the request.
        """
        try:
            answer = await self._requests.send("DELETE", _entry(slug, entry_id), params={"confirm": "true"})
        except ClientError as error:
            if error.status != 410 or not again:
                raise
            return await self.takedown(slug, entry_id)
        takedown: Message | None = answer["takedown"]
        return takedown

    async def reach(self, slug: str, **query: str) -> Message:
        """Return the reach of a live blog. `query`: the query parameters `from`, `to` (dates) and `partner`."""
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/reach", params=query)

    async def reach_link(self, slug: str, *, days: int) -> Message:
        """Make a link to a page with plots of a live blog's reach, and return the link as an object.

        The object has the link's `url`, and the time at which the link expires (`expires_at`).

        `days`: for how many days the link is valid.
        """
        return await self._requests.send("POST", f"/liveblogs/{quote(slug)}/reach/links", json={"days": days})

    async def takedown(self, slug: str, entry_id: str) -> Message:
        """Return the takedown of an entry.

        Among other figures, the takedown has the numbers of viewers that were asked to confirm the deletion, and that
        have confirmed it.
        """
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/takedowns/{quote(entry_id)}")

    async def snapshot(self, slug: str, *, limit: int = 20) -> Message:
        """Return a live blog's snapshot: its newest entries (at most `limit`) as of one position, and this position."""
        query = {"limit": limit, **self._reading}
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/snapshot", params=query)

    async def changes(self, slug: str, after: Position, *, limit: int | None = None) -> Message:
        """Return the changes of a live blog after a position, as an object with a list `events`.

        If there are more changes than fit into one answer, the answer has the earliest changes, and its field `more` is
        true. If the server can't continue from the position, the answer has no list, and its field `reset` is true.
        `limit`: the greatest number of changes in the answer; None: the server's default.
        """
        query = {"after": str(after), **({} if limit is None else {"limit": limit}), **self._reading}
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/changes", params=query)

    async def embed(self, slug: str) -> Message:
        """Return an object that says whether other sites may show the live blog, and how they have to credit it."""
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/embed", params=self._reading)

    async def file(self, path: str) -> bytes:
        """Return the content of the file that the server has at a path.

        Raises ClientError if the server doesn't answer with the file, or if the file is larger than the client's gate
        permits.
        """
        response = await self._requests.answer("GET", f"{self._requests.url}{path}")
        if not response.is_success:
            raise ClientError(response.status_code, f"{response.status_code} {path}")
        return response.content

    async def take_turn(self, size: int = 0) -> None:
        """Have the throttle count a message of `size` bytes, and wait until the throttle permits the message.

        Every message counts, even without bytes. Without a throttle, return immediately.
        """
        await self._requests.take_turn(size)

    def follow(
        self,
        slug: str,
        after: Position | None = None,
        *,
        on_state: Callable[[str], None] = lambda state: None,
        on_message: Callable[[Message], None] = lambda message: None,
        on_error: Callable[[Exception], None] = lambda error: None,
        confirm: bool = False,
        known: Iterable[str] = (),
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> AsyncGenerator[Message, None]:
        """Yield the changes of a live blog after a position (None: from now), each once and in order, for ever.

        The changes are messages of the types `entry`, `delete`, `gone` and `liveblog`. If the server can't continue
        from the position, a message of type `reset` with a snapshot is yielded. The changes after the snapshot follow.
        If the connection is lost, the client makes a new one.

        `on_state`: called with `live` when a connection is made, and with `lost` when a connection has ended or
        couldn't be made. `on_message`: called with each message of the stream, before it is handled. `on_error`: called
        with the error that ended or prevented a connection.

        `confirm`: True to confirm deletions if the server asks for confirmations. In this case, the caller must have
        removed a deleted entry before it asks for the next message. `known`: the ids of the entries that the caller has
        before the first message. `sleep`: waits for a number of seconds before a new connection.

        Raises ClientError if a new connection would be useless: with the status 403 if the partner isn't admitted, or
        404 if no live blog has this slug. Raises Broken if the server breaks the protocol.
        """
        stream = LiveStream(
            self._requests,
            self,
            slug,
            after,
            query=self._reading,
            callbacks=Callbacks(on_state, on_message, on_error),
            confirming=known if confirm else None,
            sleep=sleep,
        )
        return stream.messages()


def _entry(slug: str, entry_id: str) -> str:
    return f"/liveblogs/{quote(slug)}/entries/{quote(entry_id)}"
