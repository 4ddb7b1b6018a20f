"""The messages that every server is given to send: a change as liveserver makes it, numbered and marked anew."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
from websockets.asyncio.client import connect

from liveserver.cli.bench.publisher import entry_of
from liveserver.cli.bench.viewers.messages import Mark
from liveserver.domain.change import Position
from liveserver.protocol.frames import Frame

if TYPE_CHECKING:
    from liveserver.client import Client

_MARK = re.compile(rb"bench-[0-9a-f]{8}-[0-9]{7}-[0-9]{15}")
_SEQ = re.compile(rb'"seq":[0-9]+')


class Template:
    """A real change message, from which others of the same length are made."""

    def __init__(self, message: bytes) -> None:
        self.message = message

    @classmethod
    async def take(cls, client: Client, slug: str, url: str, size: int) -> Template:
        """Publish an entry of so many bytes on a liveserver, and take the message that its viewers get."""
        async with connect(url.replace("http", "ws", 1) + f"/api/v1/liveblogs/{slug}/ws", compression=None) as stream:
            await stream.recv()
            await client.publish(slug, entry_of(Mark("00000000", 0, 0), size))
            message = await stream.recv(decode=False)
        assert orjson.loads(message)["type"] == "entry"
        return cls(message)

    def frame(self, seq: int, mark: Mark) -> Frame:
        """The same change as that of another number, with another mark."""
        message = _MARK.sub(str(mark).encode(), _SEQ.sub(b'"seq":%d' % seq, self.message))
        return Frame(message, Position("00000000", seq))
