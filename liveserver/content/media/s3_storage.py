"""The storage of picture files in an S3-compatible bucket."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from liveserver.content.media.picture import Picture
from liveserver.domain.errors import MediaUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import S3Config

CONNECT_TIMEOUT = timedelta(seconds=3)
TIMEOUT = timedelta(seconds=10)
RETRIES = 2
AT_ONCE = 16
"""How many reads of files may go on at the same time. Reads mostly wait for the storage service, and need little
processor time."""

IMMUTABLE = "public, max-age=31536000, immutable"

log = structlog.get_logger(__name__)


class Access(NamedTuple):
    """The address of the service that keeps a bucket, and the credentials for that service.

    If a field is None, its value comes from the places that AWS clients usually use: the environment variables `AWS_…`,
    and the role of the machine. If only one of `access_key` and `secret_key` is None, the other isn't used either.
    """

    endpoint: str | None = None
    """The service's address, for example `https://s3.example.org`. If it is None, the address in the environment
    variable `AWS_ENDPOINT_URL` is used; if there is no such variable, Amazon's address."""
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None


class S3Storage:
    """A `MediaStorage` in a bucket. `prefix`: the folder in the bucket, without a slash at the end; empty for no
    folder."""

    at_once = AT_ONCE

    def __init__(self, bucket: str, prefix: str = "", access: Access | None = None) -> None:
        access = access or Access()
        config: S3Config = {
            # Not every service supports the request that deletes several files at once.
            "disable_bulk_delete": True,
            "virtual_hosted_style_request": False,
        }
        if access.endpoint is not None:
            config["endpoint"] = access.endpoint
        if access.region is not None:
            config["region"] = access.region
        if access.access_key is not None and access.secret_key is not None:
            config["access_key_id"] = access.access_key
            config["secret_access_key"] = access.secret_key
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={
                "allow_http": (access.endpoint or "").startswith("http://"),
                "connect_timeout": CONNECT_TIMEOUT,
                "timeout": TIMEOUT,
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": TIMEOUT},
        )
        self._name = bucket

    async def write(self, name: str, content: bytes) -> None:
        picture = Picture.parse(name)
        assert picture is not None
        # The bucket keeps these headers and sends them with the file. A CDN in front of the bucket passes them on.
        attributes = {"Content-Type": picture.media_type, "Cache-Control": IMMUTABLE}
        with self._failures("write"):
            await obstore.put_async(self._store, name, content, attributes=attributes, use_multipart=False)

    async def read(self, name: str) -> bytes | None:
        with self._failures("read"):
            try:
                result = await obstore.get_async(self._store, name)
                return bytes(await result.bytes_async())
            except FileNotFoundError:
                return None

    async def read_part(self, name: str, start: int, end: int) -> bytes | None:
        with self._failures("read"):
            try:
                return bytes(await obstore.get_range_async(self._store, name, start=start, end=end))
            except FileNotFoundError:
                return None

    async def size(self, name: str) -> int | None:
        with self._failures("read"):
            try:
                return (await obstore.head_async(self._store, name))["size"]
            except FileNotFoundError:
                return None

    async def free(self) -> int | None:
        return None

    async def remove(self, name: str) -> None:
        with self._failures("remove"):
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                return

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            log.warning("files.failed", what=what, bucket=self._name, error=str(error).splitlines()[0])
            raise MediaUnavailable("the bucket of pictures doesn't answer, or refuses us") from error
