"""Answers that are made once for all requests alike, with those that a partner's readers get."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from liveserver.access.partner_admission import Readers
from liveserver.domain.errors import Draining
from liveserver.domain.topic import Topic
from liveserver.http.container import services
from liveserver.http.requesters import requester_of
from liveserver.http.responses.prebuilt import POLL_CACHE, readable_by
from liveserver.http.responses.representation import Representation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from liveserver.access.partner_admission import Admission
    from liveserver.http.responses.page_cache import CachedPage, Make, Variant


EXPOSED_HEADERS = ("ETag", "Link", "Retry-After")
"""The headers of an answer that scripts of other origins may read."""


def public_representation(body: bytes, headers: Mapping[str, str]) -> Representation:
    """Return JSON as a representation that scripts of other origins may read."""
    exposed = {"Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS)}
    return Representation(body, "application/json", {**exposed, **headers})


async def cached_answer(request: Request, variant: Variant, make: Make) -> CachedPage:
    """Return an answer about the path's live blog, made once for all requests. Raises what `PageCache.get` raises."""
    topic = Topic(request.path_params["slug"])
    return await services(request).page_cache.get(topic, variant, make, requester_of(request.scope, topic))


async def cached_answer_for(request: Request, admitted: Admission, variant: Variant, make: Make) -> CachedPage:
    """Return the answer to a request that was let in, made once for all alike. Raises what `PageCache.get` raises."""
    topic = admitted.topic
    if admitted.readers is not Readers.ANY:
        variant = (*variant, admitted.readers.name)
    if admitted.partner is None:
        return await cached_answer(request, variant, make)
    if not topic.delay:
        return await cached_answer(request, (*variant, "for", topic), make)
    parts, whole = services(request), Topic(topic.slug)
    requester = requester_of(request.scope, whole)
    # The answer is good until the late topic or the live blog changes: the live blog may have lost an entry.
    with suppress(Draining):
        await parts.hub.enter(whole)
    reached = parts.hub.reached(whole)
    if reached is None:
        return await parts.store_queue.run((topic, variant), make, requester)
    return await parts.page_cache.get(topic, (*variant, str(reached)), make, requester)


def headers_for(admitted: Admission, cache: str) -> dict[str, str]:
    """Return the headers that say who may read an answer, and for how long it may be cached.

    `cache`: the Cache-Control of an answer that isn't for a partner; one for a partner is kept for a second, by origin.
    """
    if admitted.partner is None:
        return {"Cache-Control": cache, **readable_by(admitted.readers)}
    return {"Cache-Control": POLL_CACHE, **readable_by(admitted.readers), "Vary": "Origin"}


async def admitted_alone(request: Request) -> dict[str, str]:
    """Return the headers of an answer that is made for this request alone.

    Raises EmbedRefused if the request's origin isn't let in. The middleware says whether a script may read the answer.
    As the answer has `no-cache`, no cache gives it to another request without asking here.
    """
    slug, partners = request.path_params["slug"], services(request).partners
    admitted = await partners.admit(slug, None, request.scope["headers"])
    return {} if admitted.readers is Readers.ANY else {"Vary": "Origin"}
