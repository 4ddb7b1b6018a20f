"""The groups of the newsroom's own work on entries: reviews and takedowns, notes, and the board."""

from __future__ import annotations

from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories.review import board, notes, removals, steps


class Reviews(QueryGroup):
    """The queries by which an entry is handed in, approved, returned, withdrawn or erased.

    Each raises NotFound, Gone, VersionConflict if the entry isn't of the version that the principal has seen, and
    Unauthorized or Forbidden. A request that is repeated with the same idempotency key is done once; the entry is then
    returned as it is now, marked `replayed`. Raises KeyReused if a different request came with the key before.
    """

    submit = Write(steps.submit)
    """Hand a draft in for review. Raises Conflict if it isn't a draft, and InvalidInput if it is empty."""

    approve = Write(steps.approve)
    """Publish or schedule an entry that was handed in.

    Raises Conflict if the entry doesn't wait for review, or needs a second person's approval.
    """

    give_back = Write(steps.give_back)
    """Return an entry that was handed in to its author, as a draft with a reason. Raises Conflict."""

    withdraw = Write(removals.withdraw)
    """Make a draft of an entry that is published, scheduled or handed in. For readers, it is a deletion.

    If the live blog asks for two persons, the first one's call only notes a proposal (`Written.proposed`). Raises
    Conflict if the entry is a draft already, or is a copy from a source that the live blog follows.
    """

    erase = Write(removals.erase)
    """Delete an entry, and empty its revisions, notes and the hashes of the requests that wrote it.

    The entry may be deleted already. If the live blog asks for two persons, the first one's call only notes a proposal.
    """


class Notes(QueryGroup):
    """The queries of notes on entries."""

    of_entry = Read(notes.of_entry)
    """Return an entry's notes, oldest first. The entry may be deleted. Raises NotFound if there was never such one."""

    add = Write(notes.add)
    """Insert a note on an entry that isn't deleted. Raises Conflict if the entry has too many notes."""

    remove = Write(notes.remove)
    """Delete a note. Raises NotFound if the entry has no such note, and Forbidden if it is another's."""


class Board(QueryGroup):
    """The queries of the board of a live blog."""

    page = Read(board.page)
    """Return a page of the entries that aren't deleted, newest first. Raises InvalidInput for a bad cursor."""
