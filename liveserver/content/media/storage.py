"""The storage of picture files, in a directory or an S3-compatible bucket.

Files have a few hundred kilobytes, are written once, and never change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import structlog

from liveserver.content.media.directory_storage import DirectoryStorage
from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from liveserver.settings import Settings

log = structlog.get_logger(__name__)


class MediaStorage(Protocol):
    """A storage of files by name. `Picture` makes the names, which are safe in paths and URLs.

    Every call raises MediaUnavailable if it can't be carried out. Several processes may use the same files.
    """

    at_once: int
    """Reads that may go on at the same time."""

    async def write(self, name: str, content: bytes) -> None:
        """Write a file; when this returns, it survives a power cut. Writing the same file again is no error."""

    async def read(self, name: str) -> bytes | None:
        """Return a file's content; None if there is no such file."""

    async def read_part(self, name: str, start: int, end: int) -> bytes | None:
        """Return bytes from `start` to before `end`, fewer if the file ends; None if there is no such file."""

    async def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None if there is no such file."""

    async def free(self) -> int | None:
        """Return the bytes that are free on the disk; None if that is unknown."""

    async def remove(self, name: str) -> None:
        """Remove a file. Does nothing if there is none."""


def check(settings: Settings) -> None:
    """Check that pictures can be written to their directory. Raises SettingsError if the named one can't be used.

    If the settings name none, only a warning is logged: a server without pictures needs no directory.
    """
    if settings.media_url is not None:
        return
    try:
        DirectoryStorage(settings.media_directory).look()
    except OSError as error:
        if settings.media_dir is not None:
            raise SettingsError(f"LIVESERVER_MEDIA_DIR: {error}") from None
        log.warning("files.unusable", directory=str(settings.media_directory), error=str(error))


def connect(settings: Settings) -> MediaStorage:
    """Make the storage for these settings. Raises SettingsError if the package for buckets isn't installed."""
    if settings.media_url is None:
        return DirectoryStorage(settings.media_directory)
    try:
        # Imported here: a server with a directory needn't have the package.
        from liveserver.content.media.s3_storage import Access, S3Storage
    except ImportError:
        raise SettingsError("a bucket for pictures needs more: pip install 'liveserver[s3]'") from None
    parts = urlsplit(settings.media_url)
    access = Access(
        settings.media_endpoint, settings.media_region, settings.media_access_key, settings.media_secret_key
    )
    return S3Storage(parts.netloc, parts.path.strip("/"), access)
