"""The store, read as frames: what the hub and `changes` replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.channel import Replay
from liveserver.errors import NotFound
from liveserver.model import Changes, Position

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.frames import ChangeFrame
    from liveserver.presenting import Presenter
    from liveserver.store import Store

BATCH = 100
"""Changes read and rendered at a time; between two batches the event loop has its turn."""


class StoreHistory:
    """The history that the store holds."""

    def __init__(self, store: Store, presenter: Presenter) -> None:
        self._store = store
        self._presenter = presenter

    async def after(self, slug: str, position: Position) -> Replay:
        """Everything after a position; the last changes, if it is of another history than the store's.

        A seq beyond the store's gives an empty replay at the store's position.
        """
        frames: list[ChangeFrame] = []
        seq = position.seq
        while True:
            changes = await self._store.changes(slug, seq, limit=BATCH)
            here = Position(changes.liveblog.epoch, changes.liveblog.seq)
            if here.epoch != position.epoch:
                # Perhaps since the last batch: what was read before must not be mixed with what is there now.
                return await self.recent(slug, BATCH)
            frames += self.frames(changes)
            if not changes.more:
                # A thing that changed again between two batches stands in both; the later state counts.
                newest = {frame.key: frame for frame in frames}
                return Replay(here, position.seq, sorted(newest.values(), key=lambda frame: frame.seq))
            seq = changes.items[-1].seq

    async def recent(self, slug: str, count: int) -> Replay:
        """The last changes, at most `count`."""
        here = (await self._store.positions([slug])).get(slug)
        if here is None:
            raise NotFound(f"there is no live blog {slug!r}")
        return await self.after(slug, Position(here.epoch, max(0, here.seq - count)))

    async def positions(self, slugs: Collection[str]) -> dict[str, Position]:
        """Where each live blog stands."""
        return await self._store.positions(slugs)

    def frames(self, changes: Changes) -> list[ChangeFrame]:
        """What the store read, as the messages of the stream."""
        return [self._presenter.frame(changes.liveblog, change) for change in changes.items]
