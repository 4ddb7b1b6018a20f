"""The deletions that viewers are asked to confirm at present. Decides; does no I/O."""

from __future__ import annotations


class PendingConfirmations:
    """One process's: kept by its takedowns, read by all that makes a deletion's message."""

    def __init__(self) -> None:
        self._within: dict[str, int] = {}

    def ask(self, entry_id: str, within: int) -> None:
        """Have viewers confirm an entry's deletion within so many milliseconds of hearing of it."""
        self._within[entry_id] = within

    def within(self, entry_id: str) -> int | None:
        """The milliseconds that viewers have to confirm the deletion; None if they aren't asked to."""
        return self._within.get(entry_id)

    def forget(self, entry_id: str) -> None:
        """Ask viewers no more; an entry that is unknown is no error."""
        self._within.pop(entry_id, None)
