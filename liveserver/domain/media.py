"""Pictures of the newsroom. This module has their descriptions, not their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liveserver.domain.ids import EntityVersion, _history_since

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Media:
    """The description of a picture that can be put into entries."""

    id: str
    """A UUIDv7; a UUIDv8 if the picture was imported from a source."""
    version: int
    """The number of this state of the picture's texts: 1, 2, 3 …"""
    digest: str
    """The beginning of the names of the picture's files, before width, height and suffix."""
    width: int
    """The width of the largest file, in pixels."""
    height: int
    """The height of the largest file, in pixels."""
    suffix: str
    """The end of the names of the picture's files: `jpg` or `webp`."""
    size: int
    """The size of the largest file, in bytes."""
    alt: str
    """The description of the picture, for readers who can't see the picture."""
    credit: str | None
    actor: str
    """The name of the API key, or of the part of the server, that added the picture."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    """The time at which the picture was deleted; None if it wasn't."""
    created_by: str | None = None
    """The principal that added the picture (`Principal.ref`); None if that was before there were users."""

    @property
    def entity_version(self) -> EntityVersion:
        """The picture's version, within a history. The history's name is made of the time of the picture's last edit.

        After a backup was restored, an edit may give the picture a version number that it had before the restoration.
        As the two edits were made at different times, the names of the histories differ.
        """
        return EntityVersion(self.version, _history_since(self.updated_at))
