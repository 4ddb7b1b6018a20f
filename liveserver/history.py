"""The store, read as frames: what the hub and `changes` replay, of whole live blogs and of other views of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from liveserver.channel import Replay
from liveserver.errors import NotFound
from liveserver.model import EntryChanged, EntryDeleted, Position, now
from liveserver.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from liveserver.frames import ChangeFrame
    from liveserver.model import Change, Changes, Snapshot, Withdrawal
    from liveserver.presenting import Presenter
    from liveserver.store import Store

BATCH = 100
"""Changes read and rendered at a time; between two batches the event loop has its turn."""


class StoreHistory:
    """The history that the store holds. Whatever takes a slug takes the key of any other view as well."""

    def __init__(
        self,
        store: Store,
        presenter: Presenter,
        confirming: Mapping[str, int] | None = None,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """`confirming`: as `Presenter` says."""
        self._store = store
        self._presenter = presenter
        self._confirming = {} if confirming is None else confirming
        self._clock = clock

    async def after(self, slug: str, position: Position) -> Replay:
        """Everything after a position; the last changes, if it is of another history than the store's.

        A seq beyond the store's gives an empty replay at the store's position.
        """
        frames: list[ChangeFrame] = []
        view, seq = View.of(slug), position.seq
        while True:
            changes, withdrawn = await self.changes(view, seq, limit=BATCH)
            here = Position(changes.liveblog.epoch, changes.liveblog.seq)
            if here.epoch != position.epoch:
                # Perhaps since the last batch: what was read before must not be mixed with what is there now.
                return await self.recent(slug, BATCH)
            frames += self.frames(changes)
            if not changes.more:
                # A thing that changed again between two batches stands in both; the later state counts.
                newest = {frame.key: frame for frame in frames}
                ascending = sorted(newest.values(), key=lambda frame: frame.seq)
                return Replay(here, position.seq, ascending, tuple(withdrawn))
            seq = changes.items[-1].seq

    async def recent(self, slug: str, count: int) -> Replay:
        """The last changes, at most `count`."""
        here = (await self.positions([slug])).get(slug)
        if here is None:
            raise NotFound(f"there is no live blog {slug!r}")
        return await self.after(slug, Position(here.epoch, max(0, here.seq - count)))

    async def positions(self, slugs: Collection[str]) -> dict[str, Position]:
        """Where each live blog stands."""
        late = {key: (view.slug, self.moment(view)) for key in slugs if (view := View.of(key)).delay}
        prompt = {key: View.of(key).slug for key in slugs if key not in late}
        there = await self._store.positions(set(prompt.values())) if prompt else {}
        then = await self._store.positions_then(set(late.values())) if late else {}
        found = {key: there[slug] for key, slug in prompt.items() if slug in there}
        return found | {key: then[moment] for key, moment in late.items() if moment in then}

    def moment(self, view: View) -> datetime:
        """As of when a view that is late shows the live blog."""
        return self._clock() - timedelta(seconds=view.delay)

    async def changes(self, view: View, after: int, *, limit: int) -> tuple[Changes, list[Withdrawal]]:
        """What changed in a view after a seq; and what its readers may have, and must not have any more.

        What the view doesn't show is deleted, as far as its readers are concerned: they may have had it before.
        """
        withdrawn: list[Withdrawal] = []
        if view.delay:
            moment = self.moment(view)
            found, told = await self._store.changes_then(view.slug, after, limit=limit, moment=moment)
            withdrawn = self.asking(told)
        else:
            found = await self._store.changes(view.slug, after, limit=limit)
        if not view.tags:
            return found, withdrawn
        items: list[Change] = [
            EntryDeleted(change.seq, change.entry.id)
            if isinstance(change, EntryChanged) and not view.shows(change.entry.tags)
            else change
            for change in found.items
        ]
        return found._replace(items=items), withdrawn

    def asking(self, withdrawals: Iterable[Withdrawal]) -> list[Withdrawal]:
        """What the store says is gone, and whether readers are to confirm it."""
        return [withdrawal._replace(within=self._confirming.get(withdrawal.id)) for withdrawal in withdrawals]

    async def snapshot(self, view: View, *, limit: int) -> Snapshot:
        """What a page that shows a view starts from."""
        moment = self.moment(view) if view.delay else None
        return await self._store.snapshot(view.slug, limit=limit, tags=view.tags, moment=moment)

    def frames(self, changes: Changes) -> list[ChangeFrame]:
        """What the store read, as the messages of the stream."""
        return [self._presenter.frame(changes.liveblog, change) for change in changes.items]
