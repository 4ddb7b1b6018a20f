"""The groups of the newsroom's own work on entries: reviews and takedowns, notes, and the board."""

from __future__ import annotations

from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories.review import board, notes, removals, steps


class Reviews(QueryGroup):
    """The queries by which an entry is handed in, approved, returned, withdrawn or erased.

    Each query raises NotFound if there is no such entry, VersionConflict if the entry has another version than the
    principal has seen, and Unauthorized or Forbidden if the principal may not do this now.

    Each query except `erase` raises Gone if the entry was deleted. If an earlier request had the same idempotency key,
    nothing is done: the entry is returned as it is now, marked `replayed`. Raises KeyReused if the earlier request was
    a different one.
    """

    submit = Write(steps.submit)
    """Hand a draft in for review. Raises Conflict if the entry isn't a draft.

    Raises InvalidInput if the entry is empty, or if its time of publication isn't in the future.
    """

    approve = Write(steps.approve)

    give_back = Write(steps.give_back)
    """Turn a handed-in entry into a draft again, with a reason. Raises Conflict if it doesn't wait for review."""

    withdraw = Write(removals.withdraw)
    """Turn a published, scheduled or handed-in entry into a draft again.

    If the entry was published, readers see a deletion. If it was published, and the live blog asks for two persons, the
    first person's call only records a proposal (`Written.proposed`). Raises Conflict if the entry is a draft already,
    or is a copy from a source that the live blog follows.
    """

    erase = Write(removals.erase)
    """Delete an entry, empty its revisions, and erase its notes and the hashes of the requests that wrote it.

    The entry may be deleted already. If it is published, and the live blog asks for two persons, the first person's
    call only records a proposal (`Written.proposed`).
    """


class Notes(QueryGroup):
    """The queries of notes on entries."""

    of_entry = Read(notes.of_entry)

    add = Write(notes.add)
    """Insert a note on an entry that isn't deleted. Raises Conflict if the entry has too many notes."""

    remove = Write(notes.remove)
    """Delete a note. Raises NotFound if the entry has no such note.

    Raises Forbidden if another principal wrote the note, and the rights don't allow the verb `publish`.
    """


class Board(QueryGroup):
    """The queries of the board of a live blog."""

    page = Read(board.page)
    """Return a page of the board: the entries that the filter selects, newest first.

    Raises NotFound if there is no such live blog. Raises InvalidInput for a bad cursor.
    """
