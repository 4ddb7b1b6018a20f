"""Sources. A source is a live blog on another server, which one of our live blogs follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.change import Position


class SourceState(StrEnum):
    """The state of the connection to a source."""

    WAITING = "waiting"
    """No node follows the source at present."""
    CONNECTING = "connecting"
    """A node is connecting to the source, or is copying the source's existing entries."""
    LIVE = "live"
    LOST = "lost"
    """The source can't be reached, or doesn't answer as it should. The follower tries again, after pauses of at
    most ten minutes."""
    REFUSED = "refused"
    """The other server refuses to send us the source. The follower asks again after 30 to 60 seconds."""


@dataclass(frozen=True, slots=True)
class Source:
    """A live blog on another server, which one of our live blogs follows.

    The object also has the state of the connection, and the position up to which our store has the source's changes.
    """

    id: str
    """A random id. A source that is removed and added again gets a new id."""
    slug: str
    """The slug of our live blog, which follows the source."""
    server: str
    """The other server's address, without a slash at the end."""
    remote_slug: str
    """The slug of the live blog on the other server."""
    partner: str | None
    """Our id as a partner on the other server; None if we read the source without being a partner of that server."""
    name: str | None
    """The other newsroom's name, as our editors have set it for our readers. If it is None, readers see the name that
    the other server sends as attribution. If the other server sends none, readers see its host name."""
    url: str | None
    """The address to which the other newsroom's name links; None to link to each entry's address on the other
    server."""
    position: Position | None
    """The position up to which the source's changes are in our store. None until the follower has copied all
    entries of the source for the first time."""
    state: SourceState
    error: str | None
    """The last error in words; None if there has been no error since the source was last reached."""
    told: int | None
    """The seq of the source's last change that we know of, in the epoch of `position`; None if we know of no change."""
    heard_at: datetime | None
    """The time at which the source last sent anything; None if it never sent anything."""
    created_at: datetime

    @property
    def page(self) -> str:
        """The address of the source's page on the other server."""
        return f"{self.server}/live/{self.remote_slug}"

    @property
    def behind(self) -> int | None:
        """The number of known changes of the source that our store doesn't have yet.

        None if `position` is None; 0 if we know of no change (`told`).
        """
        return None if self.position is None else max(0, (self.told or 0) - self.position.seq)


class ImportedEntry(NamedTuple):
    """The state of our copy of an entry of a source."""

    entry_id: str
    """The id of our entry."""
    seq: int
    """The source's seq (not ours) of the last change that was applied to our copy."""
    complete: bool
    """False if the entry lacks pictures that may still be imported; otherwise True."""
