"""The reading of an uploaded picture. The request body is a form with a file in it, or the picture itself."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, contextmanager, suppress
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, NamedTuple, cast

import structlog
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from liveserver.access.body_budget import UPLOAD_LEAST
from liveserver.domain.errors import FieldError, InvalidInput, MediaUnavailable
from liveserver.domain.inputs.models import MediaInput
from liveserver.domain.inputs.parsing import parse
from liveserver.http.api.requests.queries import UploadQuery, query_of
from liveserver.http.api.requests.request_body import expected_size
from liveserver.http.container import services
from liveserver.http.problems import TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from typing import BinaryIO

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from liveserver.access.actors import Actor

IN_MEMORY = 64 * 1024
"""An upload of at most this many bytes is kept in memory until the transcoder gets it. A larger upload is kept on the
disk."""
FIELDS_SIZE = 64 * 1024
"""The body of a form may be larger than the largest allowed picture, but at most by this many bytes."""
FIELD_SIZE = 16 * 1024
"""At most this many bytes may be in one field of a form. The picture isn't a field."""
FIELDS_MAX = 10
"""At most this many fields may be in a form besides its picture."""

_BOUNDARY = re.compile(r"[ !#-\[\]-~]{1,70}")
"""The pattern of the boundary between the parts of a form (RFC 2046, 5.1.1). It excludes quotation marks and
backslashes, which would have to be escaped in the Content-Type."""

log = structlog.get_logger(__name__)


class Upload(NamedTuple):
    """An uploaded picture (`file`), with its alternative text and credit (`words`)."""

    file: BinaryIO
    words: MediaInput


@asynccontextmanager
async def upload_of(request: Request, actor: Actor) -> AsyncIterator[Upload]:
    """Receive the picture that the actor sends, with its alternative text and credit.

    Until the `with` block ends, the picture counts against the budget for uploads. Raises TooManyRequests if the
    actor's uploads would need more than one actor may use, and Busy if too little of the whole budget is left
    (`BodyBudget.room`). Raises MediaUnavailable if the disk can't store the picture. Also raises TooLarge,
    UnsupportedMediaType, and InvalidInput, which names every field that isn't valid.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts = services(request)
    limit = parts.settings.media_max_size
    size = min(max(expected_size(request, limit), int(UPLOAD_LEAST * limit)), limit)
    if media_type == "multipart/form-data":
        with parts.uploads.room(actor.ref, size):
            form = await _form(request, limit)
            try:
                yield _of_form(form, limit)
            finally:
                with suppress(OSError):
                    await form.close()
    elif media_type.startswith("image/") or media_type == "application/octet-stream":
        fields = query_of(request, UploadQuery).model_dump(exclude_none=True)
        words = parse(MediaInput, fields, prefix="?")
        with parts.uploads.room(actor.ref, size):
            file = UploadFile(cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY)))  # noqa: SIM115
            try:
                async for chunk in _limited(request, limit, limit):
                    with _failures():
                        await file.write(chunk)
                yield Upload(file.file, words)
            finally:
                # On a full disk this fails once more, and the error that says so would be lost.
                with suppress(OSError):
                    await file.close()
    else:
        raise UnsupportedMediaType(
            f"Content-Type must be multipart/form-data, or image/… where the body is the picture, "
            f"not {media_type or 'absent'}"
        )


async def _limited(request: Request, limit: int, named_limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of the request body. Raises TooLarge if they have more than `limit` bytes together.

    `named_limit`: the greatest number of bytes of the picture alone; the error's text names this number. If the body is
    a form, `named_limit` is less than `limit`.
    """
    size = expected_size(request, limit)
    if size <= limit:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                break
            yield chunk
    if size > limit:
        raise TooLarge(f"a picture has at most {named_limit} bytes (LIVESERVER_MEDIA_MAX_SIZE)")


async def _form(request: Request, limit: int) -> FormData:
    stream = _limited(request, limit + FIELDS_SIZE, limit)
    headers = _plain(request.headers["content-type"])
    parser = MultiPartParser(headers, stream, max_files=1, max_fields=FIELDS_MAX, max_part_size=FIELD_SIZE)
    parser.spool_max_size = IN_MEMORY
    try:
        with _failures():
            return await parser.parse()
    except MultiPartException as error:
        raise InvalidInput([FieldError("", f"the form can't be read: {error.message}")]) from None


@contextmanager
def _failures() -> Iterator[None]:
    """Raise MediaUnavailable if the `with` block raises OSError, which means that the disk can't store the upload."""
    try:
        yield
    except OSError as error:
        log.warning("upload.failed", error=str(error))
        raise MediaUnavailable(f"the disk can't take the picture while it is received: {error.strerror}") from error


def _plain(content_type: str) -> Headers:
    """Return headers for the form's parser: a Content-Type that has only the boundary as a parameter.

    Raises InvalidInput if `content_type` has no valid boundary. A `charset` is left out, as forms are always UTF-8
    (RFC 7578, 5.1.2). If the parser got a `charset`, Python would look for a codec of that name, and remember the name
    for ever, even if no such codec exists. Some codecs also raise errors that no code here expects.
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
    # A browser also sends the fields of a form that people left empty.
    if fields.get("credit") == "":
        del fields["credit"]
    words = None
    try:
        words = parse(MediaInput, fields, beside=("file",))
    except InvalidInput as invalid:
        errors += invalid.errors
    file = form.get("file")
    if file is None:
        errors.append(FieldError("/file", "field required"))
    elif not isinstance(file, UploadFile):
        errors.append(FieldError("/file", "must be a file: its part of the form needs a filename"))
    elif (file.size or 0) > limit:
        raise TooLarge(f"a picture has at most {limit} bytes (LIVESERVER_MEDIA_MAX_SIZE)")
    elif words is not None:
        return Upload(file.file, words)
    raise InvalidInput(errors)
