"""Answers that readers keep, and ask whether they still hold (RFC 9110, 13.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.conditional import still_holds, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request


def answer(
    request: Request,
    body: bytes,
    media_type: str,
    *,
    cache: str = "public, no-cache",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The body with its ETag, or 304 to a reader that has it."""
    tag = tag_of(body)
    head = {"ETag": tag, "Cache-Control": cache, "Access-Control-Allow-Origin": "*", **(headers or {})}
    if still_holds(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=head)
    return Response(body, headers={**head, "Content-Type": media_type})
