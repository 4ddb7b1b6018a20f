"""JSON answers with their entity tags, and the headers that link to the next page of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import Response

from liveserver.http.container import services
from liveserver.http.responses.entity_tags import still_holds, tag_of
from liveserver.http.responses.prebuilt import Steady
from liveserver.protocol import json_encoding

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.http.api.requests.queries import PageQuery


PUBLIC_CACHE = "public, no-cache"
"""The Cache-Control of answers that any cache may keep. Before a cache uses such an answer, it must ask this server
whether the answer is still current."""
PRIVATE_CACHE = "private, no-store"
"""The Cache-Control of answers that no cache may keep."""


def answer(
    request: Request,
    content: json_encoding.JSON | bytes,
    *,
    status: int = 200,
    etag: str | None = None,
    public: bool = True,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return a response with JSON and an ETag, or a 304 if the client has the same answer already.

    `content`: the JSON, encoded or not. `etag`: None for a tag that is made from the content. `public`: False for an
    answer that no cache may keep. `headers`: more headers; a Cache-Control among them replaces the usual Cache-Control.
    """
    body = content if isinstance(content, bytes) else json_encoding.dumps(content)
    tag = etag or tag_of(body)
    head = {"ETag": tag, "Cache-Control": PUBLIC_CACHE if public else PRIVATE_CACHE, **(headers or {})}
    if status == 200 and request.method in {"GET", "HEAD"} and still_holds(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=head)
    return Steady(body, status, head, media_type="application/json")


def page_headers(request: Request, query: PageQuery, next_cursor: str | None) -> dict[str, str]:
    """Return the header `Link: rel="next"` (RFC 8288), which links to the list's next page; no header on the last page.

    The link has the parameters of `query` that differ from their defaults, with `next_cursor` as the cursor.
    `next_cursor`: the cursor of the next page; None if this is the last page.
    """
    if next_cursor is None:
        return {}
    fields = query.model_dump(mode="json", by_alias=True, exclude={"cursor"}, exclude_defaults=True)
    params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
    base = services(request).settings.base_url
    return {"Link": f'<{base}{request.url.path}?{urlencode({**params, "cursor": next_cursor})}>; rel="next"'}
