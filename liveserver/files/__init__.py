"""Where the files of pictures are kept: a directory, or an S3-compatible bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from liveserver.errors import SettingsError
from liveserver.files.base import Files
from liveserver.files.directory import Directory

if TYPE_CHECKING:
    from liveserver.settings import Settings

__all__ = ["Directory", "Files", "connect"]


def connect(settings: Settings) -> Files:
    """The files of these settings. Raises SettingsError if what a bucket needs isn't installed."""
    if settings.media_url is None:
        return Directory(settings.media_directory)
    try:
        # Imported here: who keeps pictures in a directory needn't have it.
        from liveserver.files.bucket import Access, Bucket
    except ImportError:
        raise SettingsError("a bucket for pictures needs more: pip install 'liveserver[s3]'") from None
    parts = urlsplit(settings.media_url)
    access = Access(
        settings.media_endpoint, settings.media_region, settings.media_access_key, settings.media_secret_key
    )
    return Bucket(parts.netloc, parts.path.strip("/"), access)
