"""The client for one server: requests over HTTP, and following a live blog over WebSocket."""

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

    Its methods raise ClientError if the server refuses a request. A request that gets no answer, 429 or 503 is first
    repeated, not before the time that the server names. That is safe, as every entry is sent with an Idempotency-Key.

    `partner`: id of the server's partner as which live blogs are read. `gate`: decides which addresses connections may
    go to, for a client that mustn't connect to just any. `throttle`: limits the messages that are taken from a server
    that isn't trusted; more messages wait there, and a message that would take long to parse is refused. `on_wait` is
    called before a pause that the server asks for, with the reason and the seconds; `on_silence` with the server's
    address, the first time that a request gets no answer.
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
        """Open a live blog."""
        return await self._requests.send("POST", "/liveblogs", json=liveblog)

    async def liveblog(self, slug: str) -> Message:
        """Read a live blog."""
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}")

    async def publish(self, slug: str, entry: Mapping[str, Any], *, idempotency_key: str | None = None) -> Message:
        """Publish an entry, exactly once even if the request is repeated; return it."""
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
        """Edit an entry, if it still has that version (None: whichever it has), and return it.

        `epoch`: of the history in which the entry was read, if known. After a backup was restored, the same version
        may have other content.
        """
        tag = f"{version}" if epoch is None else f"{epoch}-{version}"
        headers = {"If-Match": "*" if version is None else f'"{tag}"'}
        return await self._requests.send("PATCH", _entry(slug, entry_id), json=patch, headers=headers)

    async def delete(self, slug: str, entry_id: str) -> None:
        """Delete an entry."""
        await self._requests.send("DELETE", _entry(slug, entry_id))

    async def take_down(self, slug: str, entry_id: str, *, again: bool = True) -> Message | None:
        """Delete an entry, and ask viewers to confirm that; return the takedown, or None if nobody ever saw the entry.

        If it was deleted in this way before (perhaps the answer was lost), returns that takedown as it is now; if not
        `again`, raises ClientError with the status 410.
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
        """Read the reach of a live blog; `query` has the API's parameters: `from`, `to`, `partner`."""
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/reach", params=query)

    async def reach_link(self, slug: str, *, days: int) -> Message:
        """Make a link to the page with plots of the reach, good for so many days; return `url` and `expires_at`."""
        return await self._requests.send("POST", f"/liveblogs/{quote(slug)}/reach/links", json={"days": days})

    async def takedown(self, slug: str, entry_id: str) -> Message:
        """Read the counts of viewers that have confirmed that an entry is gone."""
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/takedowns/{quote(entry_id)}")

    async def snapshot(self, slug: str, *, limit: int = 20) -> Message:
        """Read the newest entries, and their position."""
        query = {"limit": limit, **self._reading}
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/snapshot", params=query)

    async def changes(self, slug: str, after: Position, *, limit: int | None = None) -> Message:
        """Read a page of the changes after a position."""
        query = {"after": str(after), **({} if limit is None else {"limit": limit}), **self._reading}
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/changes", params=query)

    async def embed(self, slug: str) -> Message:
        """Read whether the live blog may be shown elsewhere, and how to credit it."""
        return await self._requests.send("GET", f"/liveblogs/{quote(slug)}/embed", params=self._reading)

    async def file(self, path: str) -> bytes:
        """Read a file of the server by its path. With a gate, its size is limited."""
        response = await self._requests.answer("GET", f"{self._requests.url}{path}")
        if not response.is_success:
            raise ClientError(response.status_code, f"{response.status_code} {path}")
        return response.content

    async def take_turn(self, size: int = 0) -> None:
        """Wait until the throttle lets the server's next message, of so many bytes, be taken."""
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

        These are `entry`, `delete`, `gone` and `liveblog` messages, and `{"type": "reset", …}` with a whole snapshot if
        the position was void. If the connection is lost, a new one is made. `on_state` is called with `live` and
        `lost`, `on_message` with each message of the stream before it is handled, and `on_error` with the error that
        ended a connection.

        Raises ClientError if a new connection would be useless: 403 for a partner that isn't admitted, else 404; and
        Broken if the server doesn't keep to the protocol.

        `confirm`: confirm to the server, if it asks for that, that a deleted entry is gone here. The caller must have
        removed the entry before it asks for the next message. `known`: ids of the entries that it had before the first.
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
