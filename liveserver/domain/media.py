"""Pictures of the newsroom: their sizes and texts, and the names of their files. This module doesn't have the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liveserver.domain.ids import EntityVersion, _history_since

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Media:
    """A picture that can be put into entries: its sizes and texts, and the names of its files."""

    id: str
    """A UUIDv7; a UUIDv8 if the picture was imported from a source."""
    version: int
    """1 for a new picture. Each edit of the texts adds 1, and so does the deletion."""
    digest: str
    """A hash of the id and the largest file. The files' names begin with it; width, height and suffix follow."""
    width: int
    """The width of the largest file, in pixels."""
    height: int
    """The height of the largest file, in pixels."""
    suffix: str
    """The end of the names of the picture's files: `jpg` or `webp`."""
    size: int
    """The size of the largest file, in bytes."""
    alt: str
    """The text that describes the picture for readers who can't see it."""
    credit: str | None
    actor: str
    """The name of the user, API key or part of the server that added the picture."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    """The time at which the picture was deleted; None if it wasn't."""
    created_by: str | None = None
    """The principal that added the picture (`Principal.ref`). None if a release without users added it."""

    @property
    def entity_version(self) -> EntityVersion:
        """The picture's version, in a history that is named after the time of the picture's last edit.

        If a backup is restored, a later edit can give the picture a version number that another edit gave it before
        the restoration. These two edits were made at different times, so their histories have different names.
        """
        return EntityVersion(self.version, _history_since(self.updated_at))
