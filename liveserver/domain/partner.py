"""Partners: other sites that show our live blogs, and the rules that apply to each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import EntityVersion, _history_since

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DELAY_MAX = 3_600
"""The greatest value of `Partner.delay`, in seconds."""


class Attribution(NamedTuple):
    """A line on a partner's page that names the newsroom whose live blog the page shows."""

    text: str
    url: str
    """The address to which the line links."""


@dataclass(frozen=True, slots=True)
class Partner:
    """Another site that shows our live blogs, and the rules that apply to this site."""

    id: str
    """`p_` and twelve letters or digits. The id is in public pages, so it is no secret."""
    name: str
    origins: tuple[str, ...]
    """Patterns of the origins of the partner's pages (`domain/inputs/origins.py`); empty if it may use any page."""
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
    """The look of live blogs on the partner's pages, by key: `accent`, `background`, `text`, `font` and `scheme`. A key
    for which the partner has no value is left out."""
    attribution: Attribution | None
    """The line that names the newsroom; None for no line."""
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def entity_version(self) -> EntityVersion:
        """The partner's version, in a history that is named after the time of the partner's last edit.

        If a backup is restored, a later edit can give the partner a version number that another edit gave it before
        the restoration. These two edits were made at different times, so their histories have different names.
        """
        return EntityVersion(self.version, _history_since(self.updated_at))
