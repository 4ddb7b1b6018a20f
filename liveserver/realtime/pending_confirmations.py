"""The deletions that viewers are currently asked to confirm. Decides; does no I/O."""

from __future__ import annotations


class PendingConfirmations:
    """The pending confirmations of one process. Takedowns write them; makers of deletion messages read them."""

    def __init__(self) -> None:
        self._within: dict[str, int] = {}

    def ask(self, entry_id: str, within: int) -> None:
        """Ask viewers to confirm an entry's deletion within so many milliseconds after they get the message."""
        self._within[entry_id] = within

    def within(self, entry_id: str) -> int | None:
        """Return the milliseconds that viewers have to confirm a deletion; None if they aren't asked to."""
        return self._within.get(entry_id)

    def forget(self, entry_id: str) -> None:
        """Ask viewers no more about an entry. Does nothing if it is unknown."""
        self._within.pop(entry_id, None)
