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
    """No node has taken it on yet."""
    CONNECTING = "connecting"
    """What there is at the source is being taken over."""
    LIVE = "live"
    LOST = "lost"
    """The source can't be reached; it is tried again and again."""
    REFUSED = "refused"
    """The source doesn't let us in; it is asked again every minute."""


@dataclass(frozen=True, slots=True)
class Source:
    """The live blog that another one follows."""

    id: str
    """Random: a source that is set anew is another one."""
    slug: str
    """Of the live blog here."""
    server: str
    """The other server's address, without a trailing slash."""
    remote_slug: str
    partner: str | None
    """As which partner of theirs we read."""
    name: str | None
    """What is said of whose it is; None: what the source asks for, else its host's name."""
    url: str | None
    """Where that leads; None: to each entry, where it stands there."""
    position: Position | None
    """Up to where the source's changes are in the store; None until all that it had was taken over."""
    state: SourceState
    error: str | None
    """Why, in words; the last, if it is in order by now."""
    told: int | None
    """The source's last seq that we know of, in the epoch of `position`."""
    heard_at: datetime | None
    """When it last said anything."""
    created_at: datetime

    @property
    def page(self) -> str:
        """The address of its page."""
        return f"{self.server}/live/{self.remote_slug}"

    @property
    def behind(self) -> int | None:
        """How many of the source's changes that we know of aren't here yet; None while all of it is taken over."""
        return None if self.position is None else max(0, (self.told or 0) - self.position.seq)


class ImportedEntry(NamedTuple):
    """What is known of an entry of the source."""

    entry_id: str
    """Of the entry here."""
    seq: int
    """Of its last change there that was taken over."""
    complete: bool
    """Whether its pictures are here."""
