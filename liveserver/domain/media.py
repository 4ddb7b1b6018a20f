"""A picture as the newsroom keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liveserver.domain.ids import EntityVersion, _history_since

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Media:
    """A picture of the newsroom, to be put into entries."""

    id: str
    """UUIDv7."""
    version: int
    digest: str
    """The beginning of its files' names, before width, height and suffix."""
    width: int
    height: int
    suffix: str
    size: int
    """Bytes of the largest file."""
    alt: str
    """The text for those who can't see the picture."""
    credit: str | None
    actor: str
    """The name of the API key that sent it."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @property
    def entity_version(self) -> EntityVersion:
        """The picture's version, with the time of the last edit instead of a history's name.

        After a restored backup, another edit may have made the same version, but not at the same millisecond.
        """
        return EntityVersion(self.version, _history_since(self.updated_at))
