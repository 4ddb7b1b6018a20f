"""Sources. A source is a live blog of another server that one of ours follows."""

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
    """A live blog of another server that one of ours follows, and how far the following has got."""

    id: str
    """A random id. A source that is removed and added again gets a new id."""
    slug: str
    """The slug of our live blog."""
    server: str
    """The other server's address, without a slash at the end."""
    remote_slug: str
    """The slug of the live blog on the other server."""
    partner: str | None
    """The id of the partner that the other newsroom has made for us; None if we read without one."""
    name: str | None
    """The other newsroom's name, as our readers see it. None for the name that the other server asks for; if it asks
    for none, its host's name."""
    url: str | None
    """The address to which the name links; None to link to each entry's address on the other server."""
    position: Position | None
    """The position up to which the source's changes are in our store. None until all its existing entries were taken
    over once."""
    state: SourceState
    error: str | None
    """The last error in words; None if there was none. The error stays even if the source is in order again."""
    told: int | None
    """The source's last seq that we know of, in the epoch of `position`; None if we know none."""
    heard_at: datetime | None
    """The time at which the source last sent anything; None if it never did."""
    created_at: datetime

    @property
    def page(self) -> str:
        """The address of the source's page on the other server."""
        return f"{self.server}/live/{self.remote_slug}"

    @property
    def behind(self) -> int | None:
        """The number of the source's changes that we know of and that aren't in our store yet.

        None while `position` is None.
        """
        return None if self.position is None else max(0, (self.told or 0) - self.position.seq)


class ImportedEntry(NamedTuple):
    """The state of an entry that was taken over from a source."""

    entry_id: str
    """The id of our entry."""
    seq: int
    """The seq, at the source, of the entry's last change that was taken over."""
    complete: bool
    """True unless the entry lacks pictures that may still be imported."""
