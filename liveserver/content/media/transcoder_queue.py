"""Turns at the transcoder, so that an owner of slow pictures makes nobody else wait for long.

Each owner (a key, or a source) has a line of its own, and the lines take turns. One picture of a line is transcoded at
a time; if it took long, the line rests for as long again. So no owner takes all processes, and a single picture waits
for at most one picture of each other owner.
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
"""Seconds for a picture from which on its line rests. Photographs take less, and many are sent in a row."""


class TranscoderQueue:
    """The queue of owners whose pictures wait or are being transcoded.

    `at_once`: pictures that are transcoded at a time. `places`: those and the waiting ones together. No owner may have
    more places than are free, so that a few busy owners leave some for others.
    """

    def __init__(self, *, at_once: int, places: int) -> None:
        self._idle = at_once
        self._places = places
        """The number of free places."""
        self._held: dict[Hashable, int] = {}
        """The number of places of each owner that has some."""
        self._lines: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """The waiting pictures of each owner, as futures that are done when it is their turn."""
        self._ring: dict[Hashable, None] = {}
        """The owners that take turns, in order: they wait, have nothing under way, and don't rest."""
        self._busy: set[Hashable] = set()
        """The owners with a picture under way, and those that rest."""

    async def enter(self, owner: Hashable) -> None:
        """Wait for the owner's turn, which lasts until `leave`. Raises Busy if there is no place."""
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
                # Its turn came at the moment when it was cancelled.
                self.leave(owner, 0.0)
            raise

    def leave(self, owner: Hashable, seconds: float) -> None:
        """End the owner's turn, which took so many seconds."""
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
        """Add the owner to those that take turns, if it has waiting pictures; and give turns that are free."""
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
            # A cancelled picture is still in the line until its task runs.
            turn = next((turn for turn in self._lines[owner] if not turn.done()), None)
            if turn is not None:
                self._lines[owner].remove(turn)
                self._busy.add(owner)
                self._idle -= 1
                turn.set_result(None)
