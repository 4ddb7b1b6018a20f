"""The queue of pictures in front of the transcoder. An owner of slow pictures makes nobody else wait for long.

Each owner (an API key, or a source) has a line: a queue of the owner's own pictures. The lines take turns. In one turn,
one picture of the line is transcoded. A line has only one turn at a time, so that no owner occupies all processes. If a
picture took long, its line rests afterwards: for as many seconds as the picture took, the line has no turn. If an owner
has only one picture in the queue, each other owner has at most one turn before this picture.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from liveserver.domain.errors import Busy
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Hashable

REST_FROM = 2.0
"""If transcoding a picture took this many seconds or more, the owner's line rests for as many seconds as the picture
took. Photographs are faster, so their owners may send many of them in a row."""


class TranscoderQueue:
    """The queue of owners whose pictures wait or are being transcoded.

    `at_once`: how many pictures are transcoded at the same time. `places`: how many pictures may be in the queue,
    whether they wait or are being transcoded. A picture is refused if its owner has at least as many pictures in the
    queue as there are free places. So a few busy owners leave places for others.
    """

    def __init__(self, *, at_once: int, places: int) -> None:
        self._idle = at_once
        self._places = places
        """How many places of the queue are free."""
        self._held: dict[Hashable, int] = {}
        """The number of each owner's pictures in the queue. Owners without pictures in the queue are left out."""
        self._lines: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """For each owner: one future for each waiting picture, the oldest first. A future gets its result when the
        picture's turn begins."""
        self._ring: dict[Hashable, None] = {}
        """The owners that may have a turn, in the order of their turns. Each of these owners has a waiting picture.
        Owners in `_busy` are left out."""
        self._busy: set[Hashable] = set()
        """The owners of the pictures that are being transcoded, and the owners whose lines rest after a slow
        picture."""

    async def enter(self, owner: Hashable) -> None:
        """Wait until a turn begins for a picture of this owner. The turn lasts until the caller calls `leave`.

        Raises Busy if the owner has at least as many pictures in the queue as there are free places, and so always if
        no place is free.
        """
        if self._held.get(owner, 0) >= self._places:
            refusals.note(Reason.BUSY, owner=owner)
            raise Busy("too many pictures are being developed already")
        self._places -= 1
        self._held[owner] = self._held.get(owner, 0) + 1
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(owner, deque()).append(turn)
        self._line_up(owner)
        try:
            await turn
        except BaseException:
            if turn.cancelled():
                self._lines[owner].remove(turn)
                self._free(owner)
                self._line_up(owner)
            else:
                # The picture's turn came at the moment when the task was cancelled.
                self.leave(owner, 0.0)
            raise

    def leave(self, owner: Hashable, seconds: float) -> None:
        """End a turn of this owner. `seconds`: how long the turn took."""
        self._idle += 1
        self._free(owner)
        if seconds < REST_FROM:
            self._rested(owner)
        else:
            asyncio.get_running_loop().call_later(seconds, self._rested, owner)
            self._give_turns()

    def _free(self, owner: Hashable) -> None:
        self._places += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]

    def _rested(self, owner: Hashable) -> None:
        self._busy.discard(owner)
        self._line_up(owner)

    def _line_up(self, owner: Hashable) -> None:
        """Add the owner to `_ring`, if a picture of the owner waits and the owner isn't in `_busy`. Then begin as many
        turns as possible."""
        if not self._lines.get(owner):
            self._lines.pop(owner, None)
            self._ring.pop(owner, None)
        elif owner not in self._busy:
            self._ring.setdefault(owner)
        self._give_turns()

    def _give_turns(self) -> None:
        while self._idle and self._ring:
            owner = next(iter(self._ring))
            del self._ring[owner]
            # The future of a cancelled task stays in the line until the task runs and removes it.
            turn = next((turn for turn in self._lines[owner] if not turn.done()), None)
            if turn is not None:
                self._lines[owner].remove(turn)
                self._busy.add(owner)
                self._idle -= 1
                turn.set_result(None)
