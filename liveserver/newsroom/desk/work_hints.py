"""Hints that unpublished work has changed: from those who write to the desks of all nodes. A hint never has a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.domain.entry import EntryStatus
from liveserver.protocol import desk_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.domain.people.principal import Principal
    from liveserver.store import Written


class WorkHints:
    """The hints of one process. Call them after the commit of the change that they are about."""

    def __init__(self, tell: Callable[[str, bytes], None]) -> None:
        """`tell`: sends a message to the desks of a live blog on all nodes."""
        self._tell = tell

    def written(self, written: Written, by: Principal) -> None:
        """Tell the desks of an entry that was written, unless the public stream tells all of it.

        An entry that was withdrawn (a draft now, and a deletion for readers) is told of, too.
        """
        status = written.entry.status
        public = status is EntryStatus.PUBLISHED or (status is EntryStatus.DELETED and written.change is not None)
        if not public and not written.replayed:
            self._tell(written.liveblog.slug, desk_messages.work(written.entry, by))

    def note_added(self, slug: str, entry_id: str, note_id: str, by: Principal) -> None:
        """Tell the desks that a note was added to an entry."""
        self._tell(slug, desk_messages.note(entry_id, note_id, by))
