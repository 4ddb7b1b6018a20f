"""The API's `/liveblogs/{slug}/reach` (a live blog's reach) and `…/links` (links to the page that shows the reach)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access import signed_links
from liveserver.domain.inputs.models import ReachLinkInput
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import authorised
from liveserver.http.api.requests.queries import ReachQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.route_params import SLUG
from liveserver.protocol.json_encoding import timestamp

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.domain.reach_report import ReachReport
    from liveserver.protocol.json_encoding import JSON


async def read(request: Request) -> Response:
    """Answer with a live blog's reach, by partner: viewers now, and views, seconds and peak by day and by hour."""
    await authorised(request, Verb.FIGURES)
    query = query_of(request, ReachQuery)
    report = await services(request).reach.report(
        request.path_params["slug"], query.since, query.until, partner=query.partner
    )
    return answer(request, _object(report), public=False)


async def create_link(request: Request) -> Response:
    """Make a link to the page of a live blog's reach, for people without an API key. Answer with the link."""
    actor = await authorised(request, signed_links.VERB)
    body = await body_of(request, ReachLinkInput, actor)
    parts = services(request)
    link = await signed_links.make(parts.store, request.path_params["slug"], actor, days=body.days)
    content = {"url": parts.settings.base_url + link.path, "expires_at": timestamp(link.expires_at)}
    return answer(request, content, status=201, public=False)


def _object(report: ReachReport) -> JSON:
    return {
        "liveblog": report.liveblog.slug,
        "timezone": report.liveblog.timezone,
        "from": report.since.isoformat(),
        "to": report.until.isoformat(),
        "partners": [
            {
                "partner": reach.partner,
                "viewers": reach.viewers,
                "views": reach.views,
                "seconds": reach.seconds,
                "peak": reach.peak,
                "days": [
                    {"date": day.day.isoformat(), "views": day.views, "seconds": day.seconds, "peak": day.peak}
                    for day in reach.days
                ],
                "hours": [
                    {"hour": timestamp(hour.hour), "views": hour.views, "seconds": hour.seconds, "peak": hour.peak}
                    for hour in reach.hours
                ],
            }
            for reach in report.partners
        ],
    }


OPERATIONS = (
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/reach",
        endpoint=read,
        tag="Live blogs",
        summary="How many read it, by partner, day and hour",
        answers={200: ("Without anything of any single reader", schemas.ReachObject)},
        problems=(401, 403, 404, 422, 503),
        description="Those who have a stream open. What was counted in the last minute is missing.",
        verb=Verb.FIGURES,
        query=ReachQuery,
    ),
    Operation(
        method="POST",
        path=f"/liveblogs/{SLUG}/reach/links",
        endpoint=create_link,
        tag="Live blogs",
        summary="Make a link to the page that draws its reach",
        answers={201: ("For people without a key or session; it is shown this once", schemas.ReachLinkObject)},
        problems=(*WRITING, 404),
        description="It is void when its time is over, and once the user or key that made it may no longer manage "
        "the live blog. Of a live blog’s links the newest hundred are good.",
        verb=Verb.MANAGE,
        body=ReachLinkInput,
        example={"days": 7},
    ),
)
