"""Answers about a live blog. Each answer is made once, and sent to all requests that ask for the same answer.

Requests that name a partner get other answers than requests without a partner.
"""

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
"""The names of the answers' headers that scripts of other origins may read."""


def public_representation(body: bytes, headers: Mapping[str, str]) -> Representation:
    """Return JSON as a representation, with the header that lets scripts of other origins read `EXPOSED_HEADERS`."""
    exposed = {"Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS)}
    return Representation(body, "application/json", {**exposed, **headers})


async def cached_answer(request: Request, variant: Variant, make: Make) -> CachedPage:
    """Return an answer about the live blog that the request's path names. The page cache keeps the answer.

    `variant`: the part of the cache's key that distinguishes this answer from other answers about the live blog.
    `make`: a function that makes the answer. It is called only if no current answer is kept. Raises the errors of
    `PageCache.get`.
    """
    topic = Topic(request.path_params["slug"])
    return await services(request).page_cache.get(topic, variant, make, requester_of(request.scope, topic))


async def cached_answer_for(request: Request, admitted: Admission, variant: Variant, make: Make) -> CachedPage:
    """Return an answer that depends on the topic of an admission, and on the sites that may read the answer.

    All requests with the same admission and variant share one answer, which the page cache keeps. But the cache doesn't
    keep the answer about a topic with a delay while the live blog isn't in memory. Then only requests that wait at the
    same time share the answer.

    `admitted`: the request's admission. `variant`, `make`: as for `cached_answer`. Raises the errors of
    `PageCache.get`.
    """
    topic = admitted.topic
    if admitted.readers is not Readers.ANY:
        variant = (*variant, admitted.readers.name)
    if admitted.partner is None:
        return await cached_answer(request, variant, make)
    if not topic.delay:
        return await cached_answer(request, (*variant, "for", topic), make)
    parts, whole = services(request), Topic(topic.slug)
    requester = requester_of(request.scope, whole)
    # The answer is good until the late topic or the live blog itself changes. The live blog counts too, as an entry may
    # have been deleted there, and the late topic must not show it any longer.
    with suppress(Draining):
        await parts.hub.enter(whole)
    reached = parts.hub.reached(whole)
    if reached is None:
        return await parts.store_queue.run((topic, variant), make, requester)
    return await parts.page_cache.get(topic, (*variant, str(reached)), make, requester)


def headers_for(admitted: Admission, cache: str) -> dict[str, str]:
    """Return the headers that say which sites may read an answer, and for how long caches may keep it.

    `cache`: the Cache-Control of an answer to a request without a partner. An answer to a request with a partner may be
    kept for one second, and sent only to requests with the same Origin header.
    """
    if admitted.partner is None:
        return {"Cache-Control": cache, **readable_by(admitted.readers)}
    return {"Cache-Control": POLL_CACHE, **readable_by(admitted.readers), "Vary": "Origin"}


async def admitted_alone(request: Request) -> dict[str, str]:
    """Check that a request without a partner is admitted. Return headers for an answer to this request alone.

    Raises EmbedRefused if the live blog's embed policy doesn't admit the request's origin. A middleware adds the header
    that lets scripts read the answer, so this header isn't returned. Callers must send the answer with `no-cache` or
    `no-store`. With either value, no cache sends the answer to another request without asking this server.
    """
    slug, partners = request.path_params["slug"], services(request).partners
    admitted = await partners.admit(slug, None, request.scope["headers"])
    return {} if admitted.readers is Readers.ANY else {"Vary": "Origin"}
