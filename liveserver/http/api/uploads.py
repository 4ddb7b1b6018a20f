"""Reading a picture that is sent: as a form with a file in it, or as the body itself."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, NamedTuple, cast

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from liveserver.access.body_budget import UPLOAD_LEAST
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.inputs.bodies import MediaInput
from liveserver.domain.inputs.parsing import parse
from liveserver.http.api.requests.bodies import expected_size
from liveserver.http.api.requests.queries import UploadQuery, query_of
from liveserver.http.container import services
from liveserver.http.problems import TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from typing import BinaryIO

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from liveserver.access.api_keys import Actor

IN_MEMORY = 64 * 1024
"""Bytes; what is larger waits on the disk, where all of it goes before it is developed."""
FIELDS_SIZE = 64 * 1024
"""Bytes of a form beside its file."""
FIELD_SIZE = 16 * 1024
FIELDS_MAX = 10

_BOUNDARY = re.compile(r"[ !#-\[\]-~]{1,70}")
"""A form's boundary (RFC 2046, 5.1.1) without characters that would have to be escaped."""


class Upload(NamedTuple):
    """What was sent."""

    file: BinaryIO
    given: MediaInput


@asynccontextmanager
async def upload_of(request: Request, actor: Actor) -> AsyncIterator[Upload]:
    """The picture that the actor sends, and what is said of it. It has a place among those on their way until the end.

    Raises TooLarge, UnsupportedMediaType, TooManyRequests or Busy where there is no place, and InvalidInput naming
    every bad field.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts = services(request)
    limit = parts.settings.media_max_size
    size = min(max(expected_size(request, limit), int(UPLOAD_LEAST * limit)), limit)
    if media_type == "multipart/form-data":
        with parts.uploads.room(actor.key_id, size):
            form = await _form(request, limit)
            try:
                yield _of_form(form, limit)
            finally:
                await form.close()
    elif media_type.startswith("image/") or media_type == "application/octet-stream":
        said = query_of(request, UploadQuery).model_dump(exclude_none=True)
        given = parse(MediaInput, said, prefix="?")
        with parts.uploads.room(actor.key_id, size):
            file = UploadFile(cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY)))  # noqa: SIM115
            try:
                async for chunk in _limited(request, limit, limit):
                    await file.write(chunk)
                yield Upload(file.file, given)
            finally:
                await file.close()
    else:
        raise UnsupportedMediaType(
            f"Content-Type must be multipart/form-data, or image/… where the body is the picture, "
            f"not {media_type or 'absent'}"
        )


async def _limited(request: Request, limit: int, said: int) -> AsyncGenerator[bytes, None]:
    size = expected_size(request, limit)
    if size <= limit:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                break
            yield chunk
    if size > limit:
        raise TooLarge(f"a picture has at most {said} bytes (LIVESERVER_MEDIA_MAX_SIZE)")


async def _form(request: Request, limit: int) -> FormData:
    stream = _limited(request, limit + FIELDS_SIZE, limit)
    headers = _plain(request.headers["content-type"])
    parser = MultiPartParser(headers, stream, max_files=1, max_fields=FIELDS_MAX, max_part_size=FIELD_SIZE)
    parser.spool_max_size = IN_MEMORY
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise InvalidInput([FieldError("", f"the form can't be read: {error.message}")]) from None


def _plain(content_type: str) -> Headers:
    """The headers by which the parser reads a form: its boundary, and nothing else.

    Forms are UTF-8 (RFC 7578, 5.1.2). A `charset` would have Python look for a codec of that name, which it keeps for
    ever even if there is none; and decode with some whose errors nobody expects. Raises InvalidInput.
    """
    _, parameters = parse_options_header(content_type)
    boundary = parameters.get(b"boundary", b"").decode("latin-1")
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidInput(
            [FieldError("", "the form can't be read: its Content-Type needs a boundary (RFC 2046, 5.1.1)")]
        )
    return Headers({"Content-Type": f'multipart/form-data; boundary="{boundary}"'})


def _of_form(form: FormData, limit: int) -> Upload:
    errors: list[FieldError] = []
    fields = {name: value for name, value in form.multi_items() if name != "file"}
    # A form that people fill in sends what they left empty.
    if fields.get("credit") == "":
        del fields["credit"]
    given = None
    try:
        given = parse(MediaInput, fields, beside=("file",))
    except InvalidInput as invalid:
        errors += invalid.errors
    file = form.get("file")
    if file is None:
        errors.append(FieldError("/file", "field required"))
    elif not isinstance(file, UploadFile):
        errors.append(FieldError("/file", "must be a file: its part of the form needs a filename"))
    elif (file.size or 0) > limit:
        raise TooLarge(f"a picture has at most {limit} bytes (LIVESERVER_MEDIA_MAX_SIZE)")
    elif given is not None:
        return Upload(file.file, given)
    raise InvalidInput(errors)
