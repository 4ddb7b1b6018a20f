"""A source: a live blog of another server that one of ours follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.change import Position


class SourceState(StrEnum):
    """How it stands between a live blog and the one that it follows."""

    WAITING = "waiting"
    """No node follows it yet."""
    CONNECTING = "connecting"
    """The source's existing entries are being taken over."""
    LIVE = "live"
    LOST = "lost"
    """The source can't be reached; the follower tries again and again."""
    REFUSED = "refused"
    """The source doesn't let us in; the follower asks again every minute."""


@dataclass(frozen=True, slots=True)
class Source:
    """The live blog of another server that one of ours follows."""

    id: str
    """A random id: a source that is set again is another one."""
    slug: str
    """The slug of our live blog."""
    server: str
    """The other server's address, without a trailing slash."""
    remote_slug: str
    """The slug of the live blog there."""
    partner: str | None
    """The id of the partner of theirs as which we read; None for none."""
    name: str | None
    """The name of the other newsroom for readers; None for the one that the source asks for, else its host's name."""
    url: str | None
    """The address to which the name links; None for each entry's address there."""
    position: Position | None
    """The position up to which the source's changes are in our store; None until its existing entries are."""
    state: SourceState
    error: str | None
    """The last error in words; it stays when the source is in order again. None if there was none."""
    told: int | None
    """The source's last seq that we know of, in the epoch of `position`; None if we know none."""
    heard_at: datetime | None
    """The time at which the source last sent anything; None if it never did."""
    created_at: datetime

    @property
    def page(self) -> str:
        """The address of the source's page."""
        return f"{self.server}/live/{self.remote_slug}"

    @property
    def behind(self) -> int | None:
        """The number of the source's changes that we know of and don't have yet; None while `position` is None."""
        return None if self.position is None else max(0, (self.told or 0) - self.position.seq)


class ImportedEntry(NamedTuple):
    """The state of an entry that was taken over from a source."""

    entry_id: str
    """The id of our entry."""
    seq: int
    """The source's number of the last change that was taken over."""
    complete: bool
    """True if all its pictures have been taken over."""
