"""Where the files of pictures are kept: a directory, or an S3-compatible bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from liveserver.content.media.directory_storage import Directory
from liveserver.content.media.storage_port import Files
from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from liveserver.settings import Settings

__all__ = ["Directory", "Files", "check", "connect"]

log = structlog.get_logger(__name__)


def check(settings: Settings) -> None:
    """See that pictures can be written to their directory. Raises SettingsError where the one that is named won't do.

    Where none is named, a server that takes no pictures needs none: the log tells of it.
    """
    if settings.media_url is not None:
        return
    try:
        Directory(settings.media_directory).look()
    except OSError as error:
        if settings.media_dir is not None:
            raise SettingsError(f"LIVESERVER_MEDIA_DIR: {error}") from None
        log.warning("files.unusable", directory=str(settings.media_directory), error=str(error))


def connect(settings: Settings) -> Files:
    """The files of these settings. Raises SettingsError if what a bucket needs isn't installed."""
    if settings.media_url is None:
        return Directory(settings.media_directory)
    try:
        # Imported here: who keeps pictures in a directory needn't have it.
        from liveserver.content.media.s3_storage import Access, Bucket
    except ImportError:
        raise SettingsError("a bucket for pictures needs more: pip install 'liveserver[s3]'") from None
    parts = urlsplit(settings.media_url)
    access = Access(
        settings.media_endpoint, settings.media_region, settings.media_access_key, settings.media_secret_key
    )
    return Bucket(parts.netloc, parts.path.strip("/"), access)
