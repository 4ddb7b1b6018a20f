"""Storage of pictures' files: a few hundred kilobytes each, written once, never changed.

In a directory, or in an S3-compatible bucket.
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
    """Files by their names, which `Picture` makes: safe in a path and in a URL.

    Every call raises MediaUnavailable when it can't be carried out. Several processes may use the same files.
    """

    at_once: int
    """Reads that may go on side by side without standing in each other's way."""

    async def write(self, name: str, content: bytes) -> None:
        """Keep a file; when this returns, it outlives a power cut. Written again, it is the same as before."""

    async def read(self, name: str) -> bytes | None:
        """The file's content; None if there is none of that name."""

    async def read_part(self, name: str, start: int, end: int) -> bytes | None:
        """The bytes from `start` to before `end`, fewer where the file ends; None if there is no such file."""

    async def size(self, name: str) -> int | None:
        """The file's bytes, without reading them; None if there is no file of that name."""

    async def free(self) -> int | None:
        """Bytes that there is room for on the disk; None where nobody can tell."""

    async def remove(self, name: str) -> None:
        """Keep it no more. One that isn't there is none the less gone."""


def check(settings: Settings) -> None:
    """See that pictures can be written to their directory. Raises SettingsError where the one that is named won't do.

    Where none is named, a server that takes no pictures needs none: the log tells of it.
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
    """The files of these settings. Raises SettingsError if what a bucket needs isn't installed."""
    if settings.media_url is None:
        return DirectoryStorage(settings.media_directory)
    try:
        # Imported here: who keeps pictures in a directory needn't have it.
        from liveserver.content.media.s3_storage import Access, S3Storage
    except ImportError:
        raise SettingsError("a bucket for pictures needs more: pip install 'liveserver[s3]'") from None
    parts = urlsplit(settings.media_url)
    access = Access(
        settings.media_endpoint, settings.media_region, settings.media_access_key, settings.media_secret_key
    )
    return S3Storage(parts.netloc, parts.path.strip("/"), access)
