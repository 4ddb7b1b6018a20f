"""What the resources have in common: reading a request, and answering it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from liveserver.access.api_keys import Actor, require
from liveserver.access.partner_admission import Readers
from liveserver.domain import audit
from liveserver.domain.entry import TAG_MAX
from liveserver.domain.errors import Draining, FieldError, Forbidden, InvalidInput
from liveserver.domain.inputs.fields import Day, clean
from liveserver.domain.inputs.parsing import parse
from liveserver.domain.topic import Topic
from liveserver.http.container import services
from liveserver.http.problems import PreconditionRequired, TooLarge, UnsupportedMediaType
from liveserver.http.requesters import requester_of
from liveserver.http.responses.entity_tags import edition_of, still_holds, tag_of
from liveserver.http.responses.prebuilt import POLL_CACHE, Steady, readable_by
from liveserver.http.responses.representation import Representation
from liveserver.protocol import encoding
from liveserver.store.cursors import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from liveserver.access.partner_admission import Admission
    from liveserver.domain.ids import Edition
    from liveserver.domain.inputs.parsing import InputType
    from liveserver.http.responses.page_cache import CachedPage, Make, Variant

PUBLIC_CACHE = "public, no-cache"
"""Anyone may keep it, and asks whether it still holds before using it."""
PRIVATE_CACHE = "private, no-store"

EXPOSED_HEADERS = ("ETag", "Link", "Retry-After")
"""What scripts of other origins may read of an answer."""

_DIGITS = 18
"""Of a `Content-Length` that is a length at all."""

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class Query(BaseModel):
    """Base of query parameters. Unknown ones are ignored: proxies and cache busters add their own."""

    model_config = ConfigDict(extra="ignore")


def _cursor(value: str) -> str:
    """A cursor as this server writes it, so that there is one for each place."""
    try:
        return Place.parse(value).cursor()
    except InvalidInput as error:
        raise ValueError(error.errors[0].detail) from None


class PageQuery(Query):
    """Which page of a list."""

    limit: int = Field(20, ge=1, le=100, description="Items on a page at most; fewer where they are long")
    cursor: Annotated[str, Field(max_length=500), AfterValidator(_cursor)] | None = Field(
        None, description="`next_cursor` of the page before"
    )


class PartnerQuery(Query):
    """With whom."""

    partner: str | None = Field(None, max_length=100, description="The id of the partner on whose pages it is shown")


class EntriesQuery(PageQuery, PartnerQuery):
    """Which entries."""

    order: Literal["newest", "oldest"] = Field("newest", description="By time of publication, then id")
    key_events: bool = Field(False, description="Key events only")
    tag: str | None = Field(None, max_length=TAG_MAX, description="Only those with this tag")
    verification: Literal["confirmed", "claimed", "unverified", "denied"] | None = Field(
        None, description="Only those of this verification"
    )
    status: Literal["draft", "scheduled", "published"] | None = Field(
        None, description="Only those of this status; others than `published` need a key with the scope `publish`"
    )


class DeleteQuery(Query):
    """How to delete."""

    confirm: bool = Field(False, description="Ask every viewer to confirm that the entry is gone")


class ReachQuery(Query):
    """Of which days, and of whom."""

    since: Day | None = Field(
        None, alias="from", description="The first day, in the live blog’s time zone; without it, 30 days in all"
    )
    until: Day | None = Field(None, alias="to", description="The last day; without it, today")
    partner: Annotated[str, Field(max_length=64), AfterValidator(clean)] | None = Field(
        None, description="Of this partner only; empty: of no partner"
    )


class SnapshotQuery(PartnerQuery):
    """How much of a snapshot."""

    limit: int = Field(20, ge=1, le=100, description="The newest entries to include; fewer where they are long")


class UploadQuery(Query):
    """What is said of a picture that is the body itself."""

    alt: str | None = Field(None, description="As in the form; needed where the body is the picture")
    credit: str | None = Field(None, description="As in the form")


class ChangesQuery(PartnerQuery):
    """From where on."""

    after: str = Field(description="A position, for example `k3f9x2ab-42`", max_length=100)
    limit: int = Field(100, ge=1, le=200, description="Events to return at most; fewer where they are long")


def query_of(request: Request, kind: type[InputType]) -> InputType:
    """The query parameters; raises Invalid naming every bad one."""
    return parse(kind, dict(request.query_params), prefix="?")


async def body_of(request: Request, kind: type[InputType], actor: Actor, *, confirms: bool = False) -> InputType:
    """The JSON body that the actor sends, and may send still when it has come.

    `confirms`: what is done with it confirms the key itself, as a part of it.
    Raises TooLarge, TooManyRequests or Busy where they send too much at once, Unauthorized or Forbidden if the key is
    no longer what it was, and Invalid naming every bad field.
    """
    parts = services(request)
    most = parts.settings.max_body_size
    with parts.bodies.room(actor.key_id, min(expected_size(request, most), most)):
        raw = await _read(request, most)
    if not confirms:
        await confirm(request, actor)
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type not in {"application/json", "application/x-www-form-urlencoded"} and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"Content-Type must be application/json, not {media_type}")
    return _parsed(raw, kind)


async def simple_body_of(request: Request, kind: type[InputType], *, most: int) -> InputType:
    """The same of a small body of any type: a page of another origin sends `text/plain` without asking first."""
    return _parsed(await _read(request, most), kind)


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
    """The bytes that the body has, as far as its head tells: without a length, as many as may come.

    More than the limit if it is too large.
    """
    declared = request.headers.get("content-length", "")
    # Of some digits that a header can have, `int` makes no number; and of thousands of digits neither.
    if not declared.isdecimal():
        return limit
    return int(declared) if len(declared) <= _DIGITS else limit + 1


async def _read(request: Request, limit: int) -> bytearray:
    if expected_size(request, limit) > limit:
        raise TooLarge(f"at most {limit} bytes")
    # Not a list of what came: of small pieces each would take many times its bytes.
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise TooLarge(f"at most {limit} bytes")
        body += chunk
    return body


async def actor_of(request: Request) -> Actor | None:
    """Who asks; None for an anonymous reader."""
    return await services(request).api_keys.authenticate(request.headers.get("authorization"))


async def authorised(request: Request, scope: str, *, shared: bool = False) -> Actor:
    """Who asks, if they may, and that for the live blog that the path names; raises Unauthorized or Forbidden.

    A path that names none is for keys that aren't limited to live blogs; unless what is there is `shared` by all.
    """
    actor = require(await actor_of(request), scope, request.path_params.get("slug"), shared=shared)
    peer = request.client
    audit.by(key=actor.key_id, address=peer.host if peer else None, route=f"{request.method} {request.url.path}")
    return actor


async def confirm(request: Request, actor: Actor) -> None:
    """See that the actor's key is what it was when the request began: a body takes as long as its sender likes.

    Raises Unauthorized or Forbidden.
    """
    if await actor_of(request) != actor:
        raise Forbidden(f"the key “{actor.name}” was changed while this came in: send it again")


async def provisionally_authorised(request: Request, scope: str) -> Actor:
    """The same for what confirms the key itself when it writes: without a look at the store for one seen before."""
    seen = services(request).api_keys.recall(request.headers.get("authorization"))
    return require(seen or await actor_of(request), scope, request.path_params.get("slug"))


def count(request: Request, *, needs_key: bool) -> None:
    """Count a request by the key that it shows, if that was seen before, else by the address. Raises TooManyRequests.

    For an operation that needs a key, one that wasn't seen before counts for nothing yet: a good one shall work for who
    shares an address with others, and one that isn't good is counted then (`http/rejections.py`).
    """
    parts, authorization = services(request), request.headers.get("authorization")
    actor = parts.api_keys.recall(authorization)
    if actor is not None:
        parts.limits.with_key(actor.key_id)
    elif authorization is None or not needs_key:
        parts.limits.read(request.scope.get("client"))


def version_of(request: Request, *, required: bool) -> Edition | None:
    """The version that `If-Match` names; None for `*` or, unless it is required, for none."""
    header = request.headers.get("if-match")
    if header is None:
        if required:
            raise PreconditionRequired("send If-Match with the ETag you read, or * to overwrite whatever is there")
        return None
    if header.strip() == "*":
        return None
    edition = edition_of(header.strip())
    if edition is None:
        raise InvalidInput([FieldError("If-Match", 'must be one ETag, for example "k3f9x2ab-3", or *')])
    return edition


def idempotency_key_of(request: Request) -> str | None:
    """The `Idempotency-Key`, if one was sent."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidInput([FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")])
    return key


def answer(
    request: Request,
    content: encoding.JSON | bytes,
    *,
    status: int = 200,
    etag: str | None = None,
    public: bool = True,
    headers: dict[str, str] | None = None,
) -> Response:
    """A JSON answer with an ETag (made from the content where none is given), or 304 if the reader has it."""
    body = content if isinstance(content, bytes) else encoding.dumps(content)
    tag = etag or tag_of(body)
    head = {"ETag": tag, "Cache-Control": PUBLIC_CACHE if public else PRIVATE_CACHE, **(headers or {})}
    if status == 200 and request.method in {"GET", "HEAD"} and still_holds(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=head)
    return Steady(body, status, head, media_type="application/json")


def public_representation(body: bytes, headers: Mapping[str, str]) -> Representation:
    """The JSON that is the answer to all who ask the same."""
    exposed = {"Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS)}
    return Representation(body, "application/json", {**exposed, **headers})


async def rendition_of(request: Request, variant: Variant, make: Make) -> CachedPage:
    """The same for all: something of the live blog that the path names. Raises what `Renditions.get` raises."""
    topic = Topic(request.path_params["slug"])
    return await services(request).page_cache.get(topic, variant, make, requester_of(request.scope, topic))


async def rendition_for(request: Request, admitted: Admission, variant: Variant, make: Make) -> CachedPage:
    """The answer to a request that was let in, made once for all alike. Raises what `Renditions.get` raises."""
    topic = admitted.topic
    if admitted.readers is not Readers.ANY:
        variant = (*variant, admitted.readers.name)
    if admitted.partner is None:
        return await rendition_of(request, variant, make)
    if not topic.delay:
        return await rendition_of(request, (*variant, "for", topic), make)
    parts, whole = services(request), Topic(topic.slug)
    requester = requester_of(request.scope, whole)
    # It is good while neither the topic gets on nor the live blog does, which may have lost an entry.
    with suppress(Draining):
        await parts.hub.enter(whole)
    reached = parts.hub.reached(whole)
    if reached is None:
        return await parts.turns.made((topic, variant), make, requester)
    return await parts.page_cache.get(topic, (*variant, str(reached)), make, requester)


def headers_for(admitted: Admission, cache: str) -> dict[str, str]:
    """Headers by which an answer may be read and kept: one to a partner's page not for long, nor for other sites'."""
    if admitted.partner is None:
        return {"Cache-Control": cache, **readable_by(admitted.readers)}
    return {"Cache-Control": POLL_CACHE, **readable_by(admitted.readers), "Vary": "Origin"}


async def admitted_alone(request: Request) -> dict[str, str]:
    """The headers of an answer that is made for this request, if its origin is let in; raises NotAdmitted if not.

    Whether a script may read it the middleware says: with `no-cache`, no other request is answered with it unasked.
    """
    slug, partners = request.path_params["slug"], services(request).partners
    admitted = await partners.admit(slug, None, request.scope["headers"])
    return {} if admitted.readers is Readers.ANY else {"Vary": "Origin"}


def page_headers(request: Request, query: PageQuery, next_cursor: str | None) -> dict[str, str]:
    """`Link: rel="next"` for a list that goes on (RFC 8288), with what of the query we know, and nothing else."""
    if next_cursor is None:
        return {}
    said = query.model_dump(exclude={"cursor"}, exclude_defaults=True)
    words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in said.items()}
    base = services(request).settings.base_url
    return {"Link": f'<{base}{request.url.path}?{urlencode({**words, "cursor": next_cursor})}>; rel="next"'}
