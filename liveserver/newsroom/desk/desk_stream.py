"""A desk stream: the open stream of an editor who is signed in at the desk, and works on one live blog.

To the hub, a desk stream is a viewer of the live blog. So it gets the same changes in the same bytes as readers do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.domain.topic import Topic
from liveserver.protocol import close_codes, desk_messages
from liveserver.protocol.desk_messages import DeskState, Person
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from liveserver.domain.change import Position
    from liveserver.domain.people.principal import Principal
    from liveserver.newsroom.desk.rooms import DeskRooms
    from liveserver.protocol.desk_messages import Word
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer


class DeskStream:
    """An editor's open stream. Implements the transports' `ViewerEvents`, as a reader's `Subscription` does."""

    def __init__(self, hub: Hub, rooms: DeskRooms, slug: str, by: Principal) -> None:
        """`by`: the user who is signed in, with the session from which the stream was opened."""
        self._hub = hub
        self._rooms = rooms
        self._topic = Topic(slug)
        self.by = by
        self.slug = slug
        self.viewer: Viewer | None = None
        """The viewer to write to; None until the stream has had its `hello`, and after its end."""
        self.missed = False
        """True if a message wasn't written to the stream, because it lagged or had no `hello` yet."""
        self.spoke = False
        """True if the editor has sent a word since the upkeep last noted the use of the session."""
        self._connection: Viewer | None = None
        self._ended = False

    @property
    def session(self) -> str:
        """The hash of the token of the session from which the stream was opened."""
        return self.by.session or ""

    def person(self, word: Word | None = None) -> Person:
        """Return the editor as other editors see them. `word`: the stream's last word; None if it has sent none yet."""
        entry, state = word or (None, DeskState.HERE)
        return Person(self.by.id, self.by.name, entry, state)

    async def join(self, viewer: Viewer, after: Position | None, /) -> None:
        """Register the stream. Send it `hello`, then the changes after a position; no changes if `after` is None.

        Raises Draining if the process is about to end, NotFound if the live blog doesn't exist, and StoreUnavailable.
        """
        self._connection = viewer
        # From here on the stream notes what it isn't sent. So no hint is lost between reading the tag and `hello`.
        self._rooms.enter(self)
        tag = await self._rooms.board_tag(self.slug)
        if self._ended:
            return
        fields = desk_messages.hello_fields(self.by, self.slug, tag)
        await self._hub.join(self._topic, viewer, after, desk_fields=fields)
        if self._ended:
            return
        # If the stream lags, `hello` comes again, without the tag, which is old by then. The message `board` follows.
        del fields["board"]
        self.viewer = viewer
        self._rooms.greet(self)

    def writable(self, viewer: Viewer, /) -> None:
        """Send the stream, which lagged, the changes that it missed, and then the present state (`DeskRooms.greet`).

        Called by the viewer when it can be written to again.
        """
        self._hub.resume(self._topic, viewer)
        if self.viewer is not None:
            self._rooms.greet(self)

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """Note the word in a message of the editor. For any other message, end the stream with CLOSE_TOO_TALKATIVE."""
        word = desk_messages.read_word(message)
        if word is not None:
            self.spoke = True
            self._rooms.heard(self, word)
        elif not self._ended:
            refusals.note(Reason.TOO_TALKATIVE, user=self.by.id)
            # A viewer mustn't be closed while it handles its data.
            asyncio.get_running_loop().call_soon(self.end, close_codes.CLOSE_TOO_TALKATIVE)

    def asked(self) -> int:
        """Return 0: the server asks editors for no answers, such as confirmations."""
        return 0

    def gone(self, viewer: Viewer, /) -> None:
        """Note that the stream's connection has ended."""
        self._ended, self.viewer = True, None
        self._hub.leave(self._topic, viewer)
        self._rooms.leave(self)

    def end(self, code: int) -> None:
        """End the stream's connection with a close code. Nothing is sent to it from now on."""
        connection = self._connection
        if connection is not None and not self._ended:
            self.gone(connection)
            connection.close(code)
