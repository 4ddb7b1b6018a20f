"""A picture as the newsroom keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liveserver.domain.ids import Edition, _word

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Media:
    """A picture of the newsroom's, to be put into entries."""

    id: str
    """UUIDv7."""
    version: int
    digest: str
    """With width, height and suffix, the name of its largest file."""
    width: int
    height: int
    suffix: str
    size: int
    """Bytes of its largest file."""
    alt: str
    """What it shows, in words."""
    credit: str | None
    actor: str
    """The name of the API key that sent it."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @property
    def edition(self) -> Edition:
        """Its version; the moment of its making tells that from the same one of another history."""
        return Edition(self.version, _word(self.updated_at))
