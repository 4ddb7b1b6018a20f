"""A partner: another site that shows live blogs, under rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import Edition, _word

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DELAY_MAX = 3_600
"""Seconds by which a partner's readers may be late."""


class Attribution(NamedTuple):
    """How a partner's page says whose live blog it shows."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Partner:
    """Another site that shows live blogs, under rules."""

    id: str
    """`p_` and twelve letters or digits. It stands in public pages, and is no secret."""
    name: str
    origins: tuple[str, ...]
    """Whose pages may show them (`domain/inputs/origins.py`); empty: anybody's."""
    liveblogs: tuple[str, ...]
    """The slugs of those that it may show; empty: all."""
    tags: tuple[str, ...]
    """It gets entries with one of these; empty: all entries."""
    delay: int
    """Seconds by which its readers are late."""
    expires_at: datetime | None
    enabled: bool
    theme: Mapping[str, str]
    """`accent`, `background`, `text`, `font`, `scheme`: those that are set."""
    attribution: Attribution | None
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def edition(self) -> Edition:
        """As that of a picture."""
        return Edition(self.version, _word(self.updated_at))
