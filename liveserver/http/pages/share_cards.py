"""The share cards of live blogs and entries: `/live/{slug}/card-….png`, `/live/{slug}/entries/{id}/card-….png`.

A page names the address of its card in its HTML. Social networks show the card beside a link to the page.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.responses import RedirectResponse
from starlette.routing import Route

from liveserver.domain.topic import Topic
from liveserver.http.container import services
from liveserver.http.requesters import liveblog_of, published_of, requester_of
from liveserver.http.responses.prebuilt import readable_by, respond
from liveserver.http.responses.representation import Representation
from liveserver.http.route_params import HASH, ID, SLUG
from liveserver.rendering.share_card_image import MEDIA_TYPE, draw

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.partner_admission import Readers
    from liveserver.rendering.share_card import Card

HEADERS = {"Cache-Control": "public, max-age=3600"}
"""Caches may keep a card for an hour. A card's address changes with the card, so caches could keep a card for ever. But
the card of a deleted entry has to disappear."""

KEPT = 128
"""At most this many cards are kept in memory, of some 20 KB each. After somebody has shared a link, many clients ask
for the same card within seconds."""


async def liveblog_card(request: Request) -> Response:
    """Answer with the current share card of a live blog. If the path has another hash or none, redirect to it.

    Raises NotFound if the live blog doesn't exist.
    """
    cards = services(request).pages.cards
    liveblog = await liveblog_of(request.scope, request.path_params["slug"])
    return await _answer(request, cards.liveblog(liveblog), cards.liveblog_url(liveblog))


async def entry_card(request: Request) -> Response:
    """Answer with the current share card of an entry. If the path has another hash or none, redirect to it.

    Raises NotFound if the live blog or the published entry doesn't exist, and Gone if the entry was deleted.
    """
    cards = services(request).pages.cards
    liveblog, entry = await published_of(request.scope, request.path_params["slug"], request.path_params["id"])
    return await _answer(request, cards.entry(liveblog, entry), cards.entry_url(liveblog, entry))


async def _answer(request: Request, card: Card, url: str) -> Response:
    if request.path_params.get("hash") != card.hash:
        # The address is `card.png`, or that of an older card. Only the current card may be shown.
        return RedirectResponse(url, 302, {"Cache-Control": "public, no-cache"})
    parts, slug = services(request), request.path_params["slug"]
    readers = await parts.partners.readers(slug, request.scope["headers"])
    make = partial(to_thread.run_sync, _picture, card, readers)
    picture = await parts.card_queue.run((card, readers), make, requester_of(request.scope, Topic(slug)))
    return respond(request.scope, picture)


@lru_cache(maxsize=KEPT)
def _picture(card: Card, readers: Readers) -> Representation:
    return Representation(draw(card), MEDIA_TYPE, {**HEADERS, **readable_by(readers)})


CARD_ROUTES = [
    Route(f"/live/{SLUG}/card.png", liveblog_card),
    Route(f"/live/{SLUG}/card-{HASH}.png", liveblog_card),
    Route(f"/live/{SLUG}/entries/{ID}/card.png", entry_card),
    Route(f"/live/{SLUG}/entries/{ID}/card-{HASH}.png", entry_card),
]
