"""The upkeep of desk streams: their sessions are checked, and they are sent what has changed since the last time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.ids import now
from liveserver.newsroom.desk import presence
from liveserver.protocol import close_codes
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from liveserver.newsroom.desk.rooms import DeskRooms
    from liveserver.store import Store

CHECK_SECONDS = 1.0
"""Seconds between two checks of the sessions of desk streams. A stream ends within two seconds after its session."""
REFRESH_SECONDS = 1.0
"""Seconds between two refreshes: desk streams are sent figures, takedowns and people, if these have changed."""
BOARD_SECONDS = 30.0
"""Seconds between two messages with the board's tag. If the bus loses a hint, the next tag shows the change."""

USE_SECONDS = 300.0
"""Seconds between two notes that sessions are used by their desks. A session's requests are noted as often
(`SEEN_EVERY`)."""

log = structlog.get_logger(__name__)


class DeskUpkeep:
    """The periodic work for the desk streams of one process."""

    def __init__(self, store: Store, rooms: DeskRooms, *, board_seconds: float = BOARD_SECONDS) -> None:
        """`board_seconds`: see BOARD_SECONDS."""
        self._store = store
        self._rooms = rooms
        self._board_seconds = board_seconds
        self._announce_at = 0.0

    async def run(self) -> None:
        """Check sessions, note their use, refresh desk streams, and send boards' tags, each at its interval.

        Runs until it is cancelled.
        """
        checks = Periodic(
            self.check,
            lambda: CHECK_SECONDS,
            log=log,
            failure_event="desk.check_broken",
            # An outage says nothing of any session, and while the store is away none can be ended there. If it ended
            # streams, all editors would lose theirs, and would come back at once when the store is back.
            expected=(StoreUnavailable,),
            wake=self._rooms.check_sessions,
        )
        refreshes = Periodic(self._refresh, lambda: REFRESH_SECONDS, log=log, failure_event="desk.refresh_broken")
        boards = Periodic(
            self._rooms.tell_boards,
            lambda: self._board_seconds,
            log=log,
            failure_event="desk.boards_broken",
            expected=(StoreUnavailable,),
            wait_first=True,
        )
        uses = Periodic(
            self.note_use,
            lambda: USE_SECONDS,
            log=log,
            failure_event="desk.use_broken",
            expected=(StoreUnavailable,),
            wait_first=True,
        )
        await asyncio.gather(checks.run(), refreshes.run(), boards.run(), uses.run())

    async def check(self) -> None:
        """End the streams whose session has ended, or whose user was disabled or may not see the live blog any more.

        One read of the store checks all desk streams of the process. Raises StoreUnavailable; no stream is ended then.
        """
        streams = self._rooms.streams()
        if not streams:
            return
        seeing = await self._store.permissions.seeing({(stream.session, stream.slug) for stream in streams})
        for stream in streams:
            may_see = seeing.get((stream.session, stream.slug))
            if may_see is None:
                stream.end(close_codes.CLOSE_SESSION_ENDED)
            elif not may_see:
                stream.end(close_codes.CLOSE_NOT_ADMITTED)

    async def note_use(self) -> None:
        """Note that sessions are used: those whose editors have sent a word since the last call. Silence is no use.

        One write serves all desk streams of the process. Raises StoreUnavailable; the next call notes these sessions
        then.
        """
        spoke = [stream for stream in self._rooms.streams() if stream.spoke]
        for stream in spoke:
            stream.spoke = False
        try:
            if spoke:
                await self._store.sessions.seen(sorted({stream.session for stream in spoke}), now())
        except StoreUnavailable:
            for stream in spoke:
                stream.spoke = True
            raise

    async def _refresh(self) -> None:
        time = asyncio.get_running_loop().time()
        if time >= self._announce_at:
            self._announce_at = time + presence.INTERVAL
            self._rooms.announce_people()
        for slug, room in self._rooms:
            self._rooms.refresh(slug, room)
