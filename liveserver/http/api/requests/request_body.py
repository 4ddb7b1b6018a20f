"""The reading of JSON bodies, within the limits on the size of one body and of all bodies that are being received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.inputs.parsing import parse
from liveserver.http.api.requests.authorisation import confirm
from liveserver.http.container import services
from liveserver.http.problems import TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.access.actors import Actor
    from liveserver.domain.inputs.parsing import InputType


_DIGITS = 18
"""A `Content-Length` with more digits than this isn't parsed, as its number is larger than any limit."""


async def body_of(request: Request, kind: type[InputType], actor: Actor, *, confirms: bool = False) -> InputType:
    """Return the JSON body that the actor sends, as a model. After reading the body, check the actor again (`confirm`).

    `confirms`: True if the operation's transaction makes this check; then it isn't made here. Raises the errors of
    `confirm`. Raises TooManyRequests if the bodies that the actor is sending now are too large together, and Busy if
    too few bytes of the budget are free (`BodyBudget.room`). Also raises TooLarge, UnsupportedMediaType, and
    InvalidInput, which names every field that isn't valid.
    """
    parts = services(request)
    limit = parts.settings.max_body_size
    with parts.bodies.room(actor.ref, min(expected_size(request, limit), limit)):
        raw = await read_body(request, limit)
    if not confirms:
        await confirm(request, actor)
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type not in {"application/json", "application/x-www-form-urlencoded"} and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"Content-Type must be application/json, not {media_type}")
    return _parsed(raw, kind)


async def simple_body_of(request: Request, kind: type[InputType], *, limit: int) -> InputType:
    """Return a JSON body of at most `limit` bytes, as a model. The request needs no API key.

    Any media type is accepted. So a page of another origin can send `text/plain` without the preflight request of CORS.
    Raises TooLarge if the body has more than `limit` bytes, and InvalidInput, which names every field that isn't valid.
    """
    return _parsed(await read_body(request, limit), kind)


def _parsed(raw: bytearray, kind: type[InputType]) -> InputType:
    if not raw.strip():
        raise InvalidInput([FieldError("", "the body is empty; send a JSON object")])
    try:
        data: Any = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = str(error) if raw.isascii() or _is_utf8(raw) else "it is not UTF-8"
        raise InvalidInput([FieldError("", f"the body is not JSON: {reason}")]) from None
    if not isinstance(data, dict):
        raise InvalidInput([FieldError("", "the body must be a JSON object")])
    return parse(kind, data)


def _is_utf8(raw: bytearray) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def expected_size(request: Request, limit: int) -> int:
    """Return the number of bytes that Content-Length names; `limit` if that header is missing or isn't valid.

    For a number of more than `_DIGITS` digits, `limit + 1` is returned.
    """
    declared = request.headers.get("content-length", "")
    # `int` can't read some characters that Unicode calls digits, nor a number with thousands of digits.
    if not declared.isdecimal():
        return limit
    return int(declared) if len(declared) <= _DIGITS else limit + 1


async def read_body(request: Request, limit: int) -> bytearray:
    """Return a body of at most `limit` bytes. Raises TooLarge if it has more."""
    if expected_size(request, limit) > limit:
        raise TooLarge(f"at most {limit} bytes")
    # The chunks aren't collected in a list, as small chunks would take many times more memory than their bytes.
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise TooLarge(f"at most {limit} bytes")
        body += chunk
    return body
