"""The messages that every server sends: one change message of liveserver, with a new seq and mark for each message."""

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
    """A change message that liveserver has sent. Other messages of the same form are made from it."""

    def __init__(self, message: bytes) -> None:
        self.message = message

    @classmethod
    async def take(cls, client: Client, slug: str, url: str, size: int) -> Template:
        """Publish an entry on a liveserver, and return a template with the message that viewers get.

        `url`: the URL of the server's root. `size`: the size of the entry's text in bytes.
        """
        async with connect(url.replace("http", "ws", 1) + f"/api/v1/liveblogs/{slug}/ws", compression=None) as stream:
            await stream.recv()
            await client.publish(slug, entry_of(Mark("00000000", 0, 0), size))
            message = await stream.recv(decode=False)
        assert orjson.loads(message)["type"] == "entry"
        return cls(message)

    def frame(self, seq: int, mark: Mark) -> Frame:
        """Return the template's message with another seq and another mark, as a frame."""
        message = _MARK.sub(str(mark).encode(), _SEQ.sub(b'"seq":%d' % seq, self.message))
        return Frame(message, Position("00000000", seq))
