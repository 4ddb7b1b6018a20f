"""Partners. A partner is another site that shows our live blogs, with the rules for this site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import EntityVersion, _history_since

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DELAY_MAX = 3_600
"""The greatest delay, in seconds, with which a partner's readers may get changes."""


class Attribution(NamedTuple):
    """The line that says, on a partner's page, whose live blog the page shows."""

    text: str
    url: str
    """The address to which the line links."""


@dataclass(frozen=True, slots=True)
class Partner:
    """Another site that shows our live blogs, with the rules for this site."""

    id: str
    """`p_` and twelve letters or digits. The id is in public pages, so it is no secret."""
    name: str
    origins: tuple[str, ...]
    """Patterns of the origins whose pages belong to the partner (`domain/inputs/origins.py`); empty for all origins."""
    liveblogs: tuple[str, ...]
    """The slugs of the live blogs that the partner may show; empty for all live blogs."""
    tags: tuple[str, ...]
    """Readers of the partner are shown an entry only if it has one of these tags. Empty for all entries."""
    delay: int
    """The delay, in seconds, with which the partner's readers get changes; 0 for none."""
    expires_at: datetime | None
    """The time from which on the partner may show nothing; None if there is no such time."""
    enabled: bool
    """False if the partner is switched off."""
    theme: Mapping[str, str]
    """Values for the look of the partner's pages. The keys are `accent`, `background`, `text`, `font` and `scheme`.
    Keys without a value are left out."""
    attribution: Attribution | None
    """The line that says whose live blog the page shows; None for no line."""
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def entity_version(self) -> EntityVersion:
        """The partner's version, within a history. The history's name is made of the time of the partner's last edit.

        After a backup was restored, an edit may give the partner a version number that it had before the restoration.
        As the two edits were made at different times, the names of the histories differ.
        """
        return EntityVersion(self.version, _history_since(self.updated_at))
