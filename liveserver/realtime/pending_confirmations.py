"""The deletions that viewers are asked to confirm at present. This module does no I/O."""

from __future__ import annotations


class PendingConfirmations:
    """The deletions that viewers are asked to confirm, in one process.

    Takedowns add and remove deletions. `within` is called by the code that makes messages about deletions.
    """

    def __init__(self) -> None:
        self._within: dict[str, int] = {}

    def ask(self, entry_id: str, within: int) -> None:
        """Note that viewers are to be asked to confirm an entry's deletion.

        `within`: the milliseconds within which each viewer is to confirm the deletion after it has got the message.
        """
        self._within[entry_id] = within

    def within(self, entry_id: str) -> int | None:
        """Return the milliseconds within which viewers are to confirm an entry's deletion; None for no confirmation."""
        return self._within.get(entry_id)

    def forget(self, entry_id: str) -> None:
        """Forget an entry's deletion: viewers needn't confirm it any more. Does nothing if the deletion isn't known."""
        self._within.pop(entry_id, None)
