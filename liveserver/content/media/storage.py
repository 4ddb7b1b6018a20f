"""The storage of picture files, in a directory or an S3-compatible bucket.

A file has a few hundred kilobytes. It is written once and never changes.
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

    Every method raises MediaUnavailable if the directory or bucket can't be used. Several processes may use the same
    files.
    """

    at_once: int
    """How many reads of files may go on at the same time."""

    async def write(self, name: str, content: bytes) -> None:
        """Write a file. When this method returns, the file survives a power cut. An existing file is replaced."""

    async def read(self, name: str) -> bytes | None:
        """Return a file's content; None if there is no such file."""

    async def read_part(self, name: str, start: int, end: int) -> bytes | None:
        """Return the file's bytes from index `start` up to, but not including, `end`; None if there is no such file.

        Returns fewer bytes if the file ends before `end`.
        """

    async def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None if there is no such file."""

    async def free(self) -> int | None:
        """Return how many bytes are free on the disk; None if the number is unknown. For a bucket, it is always
        unknown."""

    async def remove(self, name: str) -> None:
        """Remove a file. Does nothing if there is no such file."""


def check(settings: Settings) -> None:
    """Check that files can be written to the directory of pictures. Does nothing if pictures are in a bucket.

    Raises SettingsError if the settings name a directory that can't be used. If the default directory can't be used,
    only a warning is logged, because a server without pictures needs no directory.
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
    """Return the storage that the settings ask for: a bucket if `media_url` is set, otherwise a directory.

    Raises SettingsError if a bucket is asked for and the Python package for buckets isn't installed.
    """
    if settings.media_url is None:
        return DirectoryStorage(settings.media_directory)
    try:
        # Not imported at the top: a server that keeps pictures in a directory needn't have the package.
        from liveserver.content.media.s3_storage import Access, S3Storage
    except ImportError:
        raise SettingsError("a bucket for pictures needs more: pip install 'liveserver[s3]'") from None
    parts = urlsplit(settings.media_url)
    access = Access(
        settings.media_endpoint, settings.media_region, settings.media_access_key, settings.media_secret_key
    )
    return S3Storage(parts.netloc, parts.path.strip("/"), access)
