"""The status of following one source, as editors see it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from liveserver.client.errors import DETAIL_MAX
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.ids import now
from liveserver.domain.source import Source, SourceState
from liveserver.newsroom.syndication import remote_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.store import Hold, Store

REPORT_SECONDS = 5.0
"""Seconds within which a change of the status is written to the store. A new state or error is written at once."""
ERROR_MAX = 500
"""The greatest length of an error's text in the status, in characters. A longer text is cut."""

log = structlog.get_logger(__name__)


class FollowStatus:
    """The status of following one source: the state of the connection, the last error, and what the source has sent.

    `hold`: called before each write to the store. Returns this process's `Hold` of the source, which the store checks.
    """

    def __init__(self, source: Source, store: Store, hold: Callable[[], Hold]) -> None:
        self._source = source
        self._store = store
        self._hold = hold
        self._state = SourceState.CONNECTING
        self._error: str | None = None
        self._remote_seq = source.told
        """The last seq that the source has reported; None if it has reported none."""
        self._heard_at = source.heard_at
        self._changed = asyncio.Event()

    def connecting(self) -> None:
        """Note that a connection to the source is being made. The last error is kept until the source is connected."""
        self._set(SourceState.CONNECTING, self._error)

    def connection(self, state: str) -> None:
        """Note whether the source's stream is `live` or `lost`. `state`: as `Client.follow` gives it to `on_state`."""
        if state == "live":
            self._set(SourceState.LIVE, None)
        else:
            self._set(SourceState.LOST, self._error or "the connection was lost")

    def failed(self, state: SourceState, error: str) -> None:
        """Note that the source can't be followed for now. `state`: `LOST` or `REFUSED`. `error`: the reason."""
        self._set(state, error)

    def complaint(self, error: str) -> None:
        """Note an error after which the source is still followed. The state stays the same."""
        self._set(self._state, error[:ERROR_MAX])

    def connection_error(self, error: Exception) -> None:
        """Note the error that ended or prevented a connection, as the reason for the state `lost` that follows."""
        self._error = str(error)[:ERROR_MAX] or type(error).__name__

    def message(self, message: dict[str, Any]) -> None:
        """Note the time of a message that the source has just sent. If the message has a seq, note the seq, too."""
        self._heard_at = now()
        if "seq" in message:
            self.remote_position(remote_entry.position_of("any", message["seq"]).seq)

    def remote_position(self, seq: int) -> None:
        """Note the seq of the source's last change."""
        self._remote_seq = seq

    async def report(self) -> None:
        """Until cancelled, write the status to the store whenever it has changed.

        If another process holds the source, the store ignores the status. The coordinator then stops this follower.
        """
        written: object = None
        while True:
            status = (self._state, self._error, self._remote_seq, self._heard_at)
            self._changed.clear()
            if status != written:
                with suppress(StoreUnavailable):
                    await self._store.sources.note(
                        self._hold(), status[0], error=status[1], told=status[2], heard_at=status[3]
                    )
                    written = status
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await self._changed.wait()

    def _set(self, state: SourceState, error: str | None) -> None:
        error = error and error[:DETAIL_MAX]
        if state is not self._state:
            log.info(
                "syndication.state", liveblog=self._source.slug, source=self._source.page, state=state, error=error
            )
        self._state, self._error = state, error
        self._changed.set()
