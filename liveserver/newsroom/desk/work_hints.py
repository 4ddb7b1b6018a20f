"""Hints to desk streams of all nodes that unpublished work has changed. No hint has the text of an entry or note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.domain.entry import EntryStatus
from liveserver.protocol import desk_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.domain.people.principal import Principal
    from liveserver.store import Written


class WorkHints:
    """The sender of one process's hints. Call a method after the commit of the change that its hint is about."""

    def __init__(self, tell: Callable[[str, bytes], None]) -> None:
        """`tell`: sends a message to the desk streams of a live blog on all nodes."""
        self._tell = tell

    def written(self, written: Written, by: Principal) -> None:
        """Send the live blog's desk streams the hint that an entry was written.

        Sends nothing if the entry is published, if viewers are told of its deletion, or if the request was a repeated
        one. After a withdrawal (a draft now, and a deletion for readers), the hint is sent, too; and if one person has
        proposed to take a published entry down, because another person has to confirm that.
        """
        status = written.entry.status
        public = status is EntryStatus.PUBLISHED or (status is EntryStatus.DELETED and written.change is not None)
        if (not public or written.proposed) and not written.replayed:
            self._tell(written.liveblog.slug, desk_messages.work(written.entry, by))

    def note_added(self, slug: str, entry_id: str, note_id: str, by: Principal) -> None:
        """Send the live blog's desk streams the hint that a note was added to an entry."""
        self._tell(slug, desk_messages.note(entry_id, note_id, by))
