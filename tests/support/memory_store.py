"""A store in memory that knows when each change was made: as much of it as views read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from liveserver.domain.change import (
    Change,
    Changes,
    EntryChanged,
    EntryDeleted,
    GoneNotice,
    LiveblogChanged,
    Position,
)
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.protocol import messages
from liveserver.protocol.frames import ChangeFrame
from liveserver.store.repositories.past import Pending
from tests.support.store_samples import a_liveblog, an_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from liveserver.domain.liveblog import Liveblog

EPOCH = "aaaaaaaa"
LIVEBLOG = "liveblog"


class PlainPresenter:
    """Makes messages without HTML."""

    async def frames(self, changes: Changes) -> list[ChangeFrame]:
        """Changes as messages."""
        return [self.frame(changes.liveblog, change) for change in changes.items]

    def frame(self, liveblog: Liveblog, change: Change) -> ChangeFrame:
        """A change as a message."""
        match change:
            case EntryChanged(seq, entry):
                key, message = entry.id, messages.entry_message(seq, {"id": entry.id, "tags": entry.tags})
            case EntryDeleted(seq, entry_id):
                key, message = entry_id, messages.delete_message(seq, entry_id)
            case _:
                key, message = LIVEBLOG, messages.liveblog_message(change.seq, {"slug": liveblog.slug})
        return ChangeFrame(Position(liveblog.epoch, change.seq), key, message)


@dataclass
class MemoryStore:
    """One live blog: every change that was made of it, and when."""

    clock: Callable[[], datetime]
    slug: str = "match"
    down: bool = False
    log: list[tuple[datetime, str, Change]] = field(default_factory=list)

    @property
    def changes(self) -> MemoryStore:
        """The queries of changes: they are all that it has."""
        return self

    def commit(self, key: str, *, tags: tuple[str, ...] = (), deleted: bool = False) -> ChangeFrame:
        """The next change: of an entry with this id, or of the live blog."""
        seq = len(self.log) + 1
        change: Change
        if key == LIVEBLOG:
            change = LiveblogChanged(seq, self.liveblog(seq))
        elif deleted:
            change = EntryDeleted(seq, key)
        else:
            change = EntryChanged(seq, an_entry(id=key, seq=seq, tags=tags))
        self.log.append((self.clock(), key, change))
        return PlainPresenter().frame(self.liveblog(seq), change)

    def liveblog(self, seq: int) -> Liveblog:
        """The live blog, at a change."""
        return replace(a_liveblog(self.slug), epoch=EPOCH, seq=seq)

    def seq_then(self, moment: datetime) -> int:
        """How far it had got."""
        return next((change.seq - 1 for at, _, change in self.log if at > moment), len(self.log))

    def latest(self, seq: int) -> dict[str, Change]:
        """The latest state of each thing, up to a change."""
        return {key: change for _, key, change in self.log[:seq]}

    def gone(self, seq: int) -> list[tuple[int, GoneNotice]]:
        """The entries that were there at a change, and are deleted by now."""
        now = self.latest(len(self.log))
        return [
            (change.seq, GoneNotice(key, now[key].seq))
            for key, change in self.latest(seq).items()
            if isinstance(change, EntryChanged) and isinstance(now[key], EntryDeleted)
        ]

    async def positions(self, slugs: Collection[str]) -> dict[str, Position]:
        self._answer(self.slug)
        return {self.slug: Position(EPOCH, len(self.log))} if self.slug in slugs else {}

    async def positions_as_of(self, wanted: Collection[tuple[str, datetime]]) -> dict[tuple[str, datetime], Position]:
        self._answer(self.slug)
        return {each: Position(EPOCH, self.seq_then(each[1])) for each in wanted if each[0] == self.slug}

    async def after(self, slug: str, after: int, *, limit: int) -> Changes:
        return self._changes(slug, after, len(self.log), limit)

    async def after_as_of(
        self, slug: str, after: int, *, limit: int, moment: datetime
    ) -> tuple[Changes, list[GoneNotice]]:
        seq = self.seq_then(moment)
        found, notices = self._changes(slug, after, seq, limit), self.gone(seq)
        gone = {each.id: then for then, each in notices}
        items: list[Change] = [
            EntryDeleted(change.seq, change.entry.id)
            if isinstance(change, EntryChanged) and change.entry.id in gone
            else change
            for change in found.items
        ]
        return found._replace(items=items), [each for _, each in notices]

    async def since(self, slug: str, moment: datetime) -> Pending:
        self._answer(slug)
        seq = self.seq_then(moment)
        changes = [(change.seq, at) for at, _, change in self.log[seq:]]
        return Pending(Position(EPOCH, len(self.log)), changes, [each for _, each in self.gone(seq)])

    def _changes(self, slug: str, after: int, seq: int, limit: int) -> Changes:
        self._answer(slug)
        items = sorted((c for c in self.latest(seq).values() if c.seq > after), key=lambda change: change.seq)
        return Changes(self.liveblog(seq), items[:limit], more=len(items) > limit)

    def _answer(self, slug: str) -> None:
        if self.down:
            raise StoreUnavailable("the database doesn't answer")
        if slug != self.slug:
            raise NotFound(slug)
