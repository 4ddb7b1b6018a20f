"""The desk's `/audit`: the record of who did what. Only owners may read it. It comes in pages, or as JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from starlette.responses import StreamingResponse

from liveserver.domain.errors import LiveserverError
from liveserver.domain.ids import ID_PATTERN
from liveserver.domain.inputs.fields import Moment, Slug, clean
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import people_schemas as schemas
from liveserver.http.api.openapi.operation import JSON_LINES, Operation
from liveserver.http.api.requests.answers import answer, page_headers
from liveserver.http.api.requests.authorisation import authorised
from liveserver.http.api.requests.queries import PageQuery, query_of
from liveserver.http.container import services
from liveserver.protocol.json_encoding import dumps
from liveserver.protocol.people import act_object
from liveserver.store.repositories.people.acts import ActFilter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.actors import Actor

PAGE = 500
"""The number of acts that an export reads from the store at a time. No other acts of the export are in memory."""
EXPORT_MAX = 100_000
"""The greatest number of acts in one export. If there are more acts, the last line has the cursor for the
remaining acts."""


class AuditQuery(PageQuery):
    """The query parameters of `/audit`: which acts to show, and which page of them."""

    person: Annotated[str, Field(max_length=64), AfterValidator(clean)] | None = Field(
        None, description="The id of a user or an API key; or `command` or `schedule`, which are parts of the server"
    )
    liveblog: Slug | None = Field(None, description="The slug of a live blog")
    entry: Annotated[str, Field(pattern=ID_PATTERN)] | None = Field(None, description="The id of an entry")
    action: Annotated[str, Field(pattern=r"^[a-z]+(?:\.[a-z_]+)?$", max_length=40)] | None = Field(
        None, description="`entry.published`; or `entry`, for all acts on entries"
    )
    since: Moment | None = Field(None, alias="from", description="Acts at this time or later (RFC 3339)")
    until: Moment | None = Field(None, alias="to", description="Acts before this time")

    @property
    def filter(self) -> ActFilter:
        """The filter for the store, made from all parameters except `limit` and `cursor`."""
        return ActFilter(self.person, self.liveblog, self.entry, self.action, self.since, self.until)


async def read(request: Request) -> Response:
    """Answer with a page of acts, the last act first. A client that accepts JSON lines gets up to EXPORT_MAX acts."""
    actor = await authorised(request, Verb.ADMINISTER)
    query = query_of(request, AuditQuery)
    if request.method == "GET" and JSON_LINES in request.headers.get("accept", ""):
        return StreamingResponse(_lines(request, actor, query), media_type=JSON_LINES)
    acts, next_cursor = await services(request).store.acts.page(query.filter, limit=query.limit, cursor=query.cursor)
    content = {"items": [act_object(act) for act in acts], "next_cursor": next_cursor}
    return answer(request, content, public=False, headers=page_headers(request, query, next_cursor))


async def _lines(request: Request, actor: Actor, query: AuditQuery) -> AsyncIterator[bytes]:
    """Yield acts as JSON lines, page by page. A page is read only when the previous page has been sent.

    The rights are checked before each page: the export stops if the session has ended or the rights were taken away.
    An error is told in the last line, as the status was sent long before.
    """
    store, cursor, left = services(request).store, query.cursor, EXPORT_MAX
    try:
        while left:
            await store.permissions.confirm(actor.principal, Verb.ADMINISTER, None)
            acts, cursor = await store.acts.page(query.filter, limit=min(PAGE, left), cursor=cursor)
            left -= len(acts)
            yield b"".join(dumps(act_object(act)) + b"\n" for act in acts)
            if cursor is None:
                return
        yield dumps({"next_cursor": cursor}) + b"\n"
    except LiveserverError as error:
        yield dumps({"error": str(error)}) + b"\n"


OPERATIONS = (
    Operation(
        method="GET",
        path="/audit",
        endpoint=read,
        tag="Keys and audit",
        summary="Who did what",
        answers={200: ("A page, the last act first; `Link` names the next", schemas.ActList)},
        problems=(401, 403, 422, 503),
        description="With `Accept: application/x-ndjson`, all acts that the parameters choose, one on a line. After "
        '100,000 acts, the last line is `{"next_cursor": …}`; if reading failed, it is `{"error": …}`.',
        verb=Verb.ADMINISTER,
        query=AuditQuery,
        lines=True,
    ),
)
