"""A partner: another site that shows live blogs, under rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import EntityVersion, _history_since

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DELAY_MAX = 3_600
"""Seconds by which a partner's readers may be late at most."""


class Attribution(NamedTuple):
    """The line by which a partner's page says whose live blog it shows."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Partner:
    """Another site that shows live blogs, under rules."""

    id: str
    """`p_` and twelve letters or digits. It is in public pages, and no secret."""
    name: str
    origins: tuple[str, ...]
    """Patterns of the origins whose pages may show its live blogs (`domain/inputs/origins.py`); empty for all
    origins."""
    liveblogs: tuple[str, ...]
    """The slugs of the live blogs that it may show; empty for all."""
    tags: tuple[str, ...]
    """The tags of which an entry must have one to be shown; empty for all entries."""
    delay: int
    """Seconds by which the partner's readers are late."""
    expires_at: datetime | None
    """The end of its time; None if it has none."""
    enabled: bool
    theme: Mapping[str, str]
    """The values that are set, of `accent`, `background`, `text`, `font` and `scheme`."""
    attribution: Attribution | None
    """The line that says whose live blog it is; None for no line."""
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def entity_version(self) -> EntityVersion:
        """The partner's version, with the time of the last edit instead of a history's name, as pictures have it."""
        return EntityVersion(self.version, _history_since(self.updated_at))
