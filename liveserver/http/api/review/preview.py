"""The desk's preview of an entry: `/desk/api/v1/liveblogs/{slug}/preview`. Nothing of it is stored."""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING

import orjson
from anyio import to_thread

from liveserver.domain.inputs.models import EntryInput
from liveserver.domain.people.rights import Verb
from liveserver.domain.snapshot import Feed
from liveserver.http.api.openapi import work_schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import authorised
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.requesters import requester_with
from liveserver.http.route_params import SLUG
from liveserver.rendering.feeds.json_feed import json_feed
from liveserver.rendering.page_models import PageView
from liveserver.rendering.share_card_image import MEDIA_TYPE, draw
from liveserver.rendering.widget_renderer import WidgetOptions

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.rendering.share_card import Card

PLACEHOLDER = "00000000-0000-7000-8000-000000000000"
"""The id that the entry has in the preview. No entry has it."""


async def preview(request: Request) -> Response:
    """Answer with an entry as readers would see it: page, widget, share card, feed item and alert.

    The renderers are those that make the published pages.
    """
    actor = await authorised(request, Verb.WRITE)
    body = await body_of(request, EntryInput, actor)
    parts, slug = services(request), request.path_params["slug"]
    liveblog, entry = await parts.publisher.preview(slug, body, actor.principal, PLACEHOLDER)
    parts.limits.wrote(actor.ref, len(entry.body))
    card = parts.pages.cards.entry(liveblog, entry)
    draw_card = partial(to_thread.run_sync, draw, card)
    picture = await parts.card_queue.run(("preview", card), draw_card, requester_with(request.scope, actor.ref))
    view = PageView(liveblog, [entry], [entry] if entry.pinned else [])
    feed = orjson.loads(json_feed(Feed(liveblog, [entry], [], entry.updated_at), parts.pages.entries))
    content = {
        "html": parts.pages.entries.article(liveblog, entry),
        "widget": parts.widgets.page(view, WidgetOptions()),
        "card": _card(card, picture),
        "feed": feed["items"][0],
        "alert": {"title": liveblog.title, "text": parts.pages.entries.title(liveblog, entry)},
    }
    return answer(request, content, public=False)


def _card(card: Card, picture: bytes) -> dict[str, str]:
    return {
        "label": card.label,
        "kicker": card.kicker,
        "title": card.title,
        "text": card.text,
        "note": card.note,
        "image": f"data:{MEDIA_TYPE};base64,{b64encode(picture).decode()}",
    }


DESK_OPERATIONS = (
    Operation(
        method="POST",
        path=f"/liveblogs/{SLUG}/preview",
        endpoint=preview,
        tag="Entries",
        summary="See an entry as readers would see it",
        answers={200: ("Page, widget, share card, feed and alert; nothing is stored", work_schemas.PreviewObject)},
        problems=(*WRITING, 404),
        verb=Verb.WRITE,
        body=EntryInput,
        example={"heading": "La mer atteint le quai", "body": "<p>À 9 h 40.</p>"},
    ),
)
