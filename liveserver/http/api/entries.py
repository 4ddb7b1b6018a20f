"""The API's entries: `/api/v1/liveblogs/{slug}/entries`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.access.actors import may, require
from liveserver.domain.entry import EntryStatus, Verification
from liveserver.domain.errors import NotFound
from liveserver.domain.ids import EntityVersion
from liveserver.domain.inputs.models import EntryInput, EntryPatch
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import schemas, work_schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer, page_headers
from liveserver.http.api.requests.authorisation import (
    actor_of,
    api_root,
    authorised,
    provisionally_authorised,
)
from liveserver.http.api.requests.preconditions import idempotency_key_of, version_of
from liveserver.http.api.requests.queries import DeleteQuery, EntriesQuery, PageQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.cached_answers import admitted_alone, cached_answer_for, headers_for, public_representation
from liveserver.http.container import services
from liveserver.http.requesters import is_at_desk, published_of, requester_with
from liveserver.http.responses.entity_tags import version_tag
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import CROWD_CACHE, respond
from liveserver.http.route_params import ID, SLUG
from liveserver.protocol import json_encoding, resources
from liveserver.rendering.cooperative import offloaded

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.access.partner_admission import Admission
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.snapshot import EntryPage
    from liveserver.domain.topic import Topic
    from liveserver.http.responses.page_cache import Variant
    from liveserver.http.responses.representation import Representation

    Statuses = tuple[EntryStatus, ...]

VISIBLE_TO_EDITORS = (EntryStatus.PUBLISHED, EntryStatus.DRAFT, EntryStatus.REVIEW, EntryStatus.SCHEDULED)


async def create(request: Request) -> Response:
    """Create an entry, and answer with it. The entry is published now, scheduled, or kept as a draft."""
    actor = await provisionally_authorised(request, Verb.WRITE)
    key = idempotency_key_of(request)
    body = await body_of(request, EntryInput, actor, confirms=True)
    parts = services(request)
    written = await parts.publisher.create_entry(
        request.path_params["slug"],
        body,
        actor.principal,
        idempotency_key=key,
    )
    headers = {"Location": f"{api_root(request)}/liveblogs/{written.liveblog.slug}/entries/{written.entry.id}"}
    parts.limits.wrote(actor.ref, len(written.entry.body))
    if written.replayed:
        headers["Idempotency-Replayed"] = "true"
    return entry_answer(request, written.liveblog, written.entry, status=201, headers=headers)


async def listing(request: Request) -> Response:
    """Answer with a page of a live blog's entries.

    The list has published entries. For those who may see drafts, it also has drafts, entries in review and scheduled
    entries. If the query names a status, the list has only entries of this status. But if the query names a partner,
    the list has only published entries, even if the query also names another status.
    """
    query = query_of(request, EntriesQuery)
    actor = await actor_of(request)
    editor = may(actor, Verb.SEE, request.path_params["slug"])
    if query.status in {"draft", "review", "scheduled"}:
        require(actor, Verb.SEE, request.path_params["slug"])
    if query.status is not None:
        statuses: Statuses = (EntryStatus(query.status),)
    else:
        statuses = VISIBLE_TO_EDITORS if editor else (EntryStatus.PUBLISHED,)
    if actor is None or query.partner is not None:
        parts, slug = services(request), request.path_params["slug"]
        admitted = await parts.partners.admit(slug, query.partner, request.scope["headers"])
        # Readers get only published entries, so the status makes no other variant of the answer.
        query = query.model_copy(update={"status": None})
        make = partial(_for_readers, request, query, admitted)
        cached = await cached_answer_for(request, admitted, ("entries", *_variant(query)), make)
        return respond(request.scope, cached.representation)
    admission = await admitted_alone(request)
    key = ("list", request.path_params["slug"], statuses, *_variant(query))
    read = partial(_for_editors, request, query, statuses)
    body, next_cursor = await services(request).store_queue.run(key, read, requester_with(request.scope, actor.ref))
    public = statuses == (EntryStatus.PUBLISHED,)
    return answer(request, body, public=public, headers={**admission, **page_headers(request, query, next_cursor)})


def _variant(query: EntriesQuery) -> Variant:
    """Return the part of a cache's key that distinguishes different lists of the same topic's entries.

    The query's partner is in this part, because the answer links to the list's next page, and the link names the
    partner.
    """
    return (query.limit, query.cursor, query.order, query.key_events, query.tag, query.verification, query.partner)


async def _for_readers(request: Request, query: EntriesQuery, admitted: Admission) -> CachedPage:
    page = await _read(request, query, (EntryStatus.PUBLISHED,), admitted.topic)
    headers = {**headers_for(admitted, CROWD_CACHE), **page_headers(request, query, page.next_cursor)}
    content = await _list(request, page)

    def encode() -> Representation:
        return public_representation(json_encoding.dumps(content), headers)

    return CachedPage.of(page.liveblog, await offloaded(encode, page.items))


async def _for_editors(request: Request, query: EntriesQuery, statuses: Statuses) -> tuple[bytes, str | None]:
    page = await _read(request, query, statuses)
    content = await _list(request, page)
    return await offloaded(partial(json_encoding.dumps, content), page.items), page.next_cursor


async def _read(request: Request, query: EntriesQuery, statuses: Statuses, topic: Topic | None = None) -> EntryPage:
    parts = services(request)
    return await parts.store.entries.page(
        request.path_params["slug"],
        limit=query.limit,
        cursor=query.cursor,
        order=query.order,
        key_events=query.key_events,
        tag=query.tag,
        verification=Verification(query.verification) if query.verification else None,
        statuses=statuses,
        tags=topic.tags if topic else (),
        moment=parts.history.moment(topic) if topic and topic.delay else None,
    )


async def _list(request: Request, page: EntryPage) -> json_encoding.JSON:
    return {
        "items": await services(request).presenter.entries(page.liveblog, page.items),
        "next_cursor": page.next_cursor,
        "epoch": page.liveblog.epoch,
        "seq": page.liveblog.seq,
    }


async def read(request: Request) -> Response:
    """Answer with one entry. An entry that isn't published is found only by those who may see drafts (`Verb.SEE`)."""
    slug, entry_id = request.path_params["slug"], request.path_params["id"]
    headers = await admitted_alone(request)
    try:
        liveblog, entry = await published_of(request.scope, slug, entry_id)
    except NotFound:
        if not may(await actor_of(request), Verb.SEE, slug):
            raise
        liveblog, entry = await services(request).store.entries.find(slug, entry_id)
    return entry_answer(request, liveblog, entry, headers=headers)


async def edit(request: Request) -> Response:
    """Change an entry, and answer with its new state."""
    actor = await authorised(request, Verb.WRITE)
    version = version_of(request, required=True)
    key = idempotency_key_of(request)
    patch = await body_of(request, EntryPatch, actor)
    parts = services(request)
    written = await parts.publisher.edit_entry(
        request.path_params["slug"],
        request.path_params["id"],
        patch,
        actor.principal,
        version=version,
        idempotency_key=key,
    )
    parts.limits.wrote(actor.ref, len(written.entry.body))
    headers = {"Idempotency-Replayed": "true"} if written.replayed else None
    return entry_answer(request, written.liveblog, written.entry, headers=headers)


async def delete(request: Request) -> Response:
    """Delete an entry, or propose that if the live blog asks for two persons. Open pages remove a deleted entry.

    With `confirm` in the query, viewers are asked to confirm the removal.
    """
    actor = await authorised(request, Verb.WRITE)
    confirm = query_of(request, DeleteQuery).confirm
    parts = services(request)
    written, takedown = await parts.publisher.delete_entry(
        request.path_params["slug"],
        request.path_params["id"],
        actor.principal,
        version=version_of(request, required=False),
        confirm=confirm,
    )
    if written.proposed:
        return proposal_answer(request, written.entry)
    if not confirm:
        return Response(status_code=204)
    if takedown is not None:
        parts.limits.asked_viewers(actor.ref)
    content = {"takedown": None if takedown is None else resources.takedown_object(takedown)}
    return answer(request, content, public=False)


async def revisions(request: Request) -> Response:
    """Answer with a page of an entry's revisions.

    The revisions of a deleted entry are kept, too, for the newsroom's record.
    """
    query = query_of(request, PageQuery)
    actor = await authorised(request, Verb.SEE)
    key = ("revisions", request.path_params["slug"], request.path_params["id"], query.limit, query.cursor)
    read = partial(_revisions, request, query)
    body, next_cursor = await services(request).store_queue.run(key, read, requester_with(request.scope, actor.ref))
    return answer(request, body, public=False, headers=page_headers(request, query, next_cursor))


async def _revisions(request: Request, query: PageQuery) -> tuple[bytes, str | None]:
    slug, parts = request.path_params["slug"], services(request)
    page, next_cursor = await parts.store.entries.revisions(
        slug, request.path_params["id"], limit=query.limit, cursor=query.cursor
    )
    liveblog = await parts.store.liveblogs.find(slug)
    states = [revision.entry for revision in page]
    encoded = await parts.presenter.entries(liveblog, states)
    items = [
        {
            "version": revision.version,
            "at": json_encoding.timestamp(revision.at),
            "actor": revision.actor,
            "action": revision.action,
            "entry": entry,
        }
        for revision, entry in zip(page, encoded, strict=True)
    ]
    content: json_encoding.JSON = {"items": items, "next_cursor": next_cursor}
    return await offloaded(partial(json_encoding.dumps, content), states), next_cursor


def entry_answer(
    request: Request, liveblog: Liveblog, entry: Entry, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return an answer with an entry: in the desk's API as `work_answer` does, otherwise without the entry's review."""
    if is_at_desk(request):
        return work_answer(request, liveblog, entry, status=status, headers=headers)
    content = services(request).presenter.entry(liveblog, entry)
    public = entry.status is EntryStatus.PUBLISHED and request.method in {"GET", "HEAD"}
    body = json_encoding.dumps(content)
    # The tag of the version alone isn't enough: the HTML in the answer also changes with the live blog's time zone and
    # language.
    etag = version_tag(EntityVersion(entry.version, liveblog.epoch), body)
    return answer(request, body, status=status, etag=etag, public=public, headers=headers)


def work_answer(
    request: Request, liveblog: Liveblog, entry: Entry, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return an answer with an entry and its review, for those who work on it. Its ETag names the entry's version."""
    body = json_encoding.dumps(services(request).presenter.work(liveblog, entry))
    etag = version_tag(EntityVersion(entry.version, liveblog.epoch), body)
    return answer(request, body, status=status, etag=etag, public=False, headers=headers)


def proposal_answer(request: Request, entry: Entry) -> Response:
    """Return the answer 202 with the proposal for a takedown, which another person has to confirm."""
    assert entry.review is not None
    return answer(request, {"proposal": resources.review_object(entry.review)}, status=202, public=False)


_ENTRY = (schemas.EntryObject, work_schemas.WorkObject)
"""An entry. At the desk, it comes with its review, and with who created it."""

OPERATIONS = (
    Operation(
        method="POST",
        path=f"/liveblogs/{SLUG}/entries",
        endpoint=create,
        tag="Entries",
        summary="Publish an entry",
        answers={201: ("In the database and on its way to every viewer; `Location` names it", _ENTRY)},
        problems=(*WRITING, 404, 409, 410),
        description="Send an `Idempotency-Key` and repeat the request after a lost answer: it is published once. "
        "A repeated request is answered with the entry as it is now and `Idempotency-Replayed: true`.",
        verb=Verb.WRITE,
        body=EntryInput,
        example={
            "heading": "La mer atteint le quai",
            "body": "<p>À 9 h 40, l’eau a passé la première marche.</p>",
            "authors": ["La rédaction"],
            "key_event": True,
        },
        headers=("Idempotency-Key",),
    ),
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/entries",
        endpoint=listing,
        tag="Entries",
        summary="List entries",
        answers={200: ("A page; `Link` names the next", schemas.EntryList)},
        problems=(401, 403, 404, 422, 503),
        description="Published ones. For a key with the scope `publish`, and at the desk for any role here, "
        "also drafts, those in review and scheduled ones.",
        query=EntriesQuery,
        headers=("If-None-Match",),
    ),
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/entries/{ID}",
        endpoint=read,
        tag="Entries",
        summary="Read an entry",
        answers={200: ("The entry; `ETag` is its version", _ENTRY)},
        problems=(401, 403, 404, 410, 503),
        description="A published one. For a key with the scope `publish`, and at the desk for any role here, "
        "also a draft, one in review or a scheduled one.",
        headers=("If-None-Match",),
    ),
    Operation(
        method="PATCH",
        path=f"/liveblogs/{SLUG}/entries/{ID}",
        endpoint=edit,
        tag="Entries",
        summary="Edit an entry",
        answers={200: ("As it is now", _ENTRY)},
        problems=(*WRITING, 404, 409, 410, 412, 428),
        description="`If-Match` names the version that was edited; if somebody else was faster, the answer is 412 "
        "with the current entry. `correction` adds a public note.",
        verb=Verb.WRITE,
        body=EntryPatch,
        example={"body": "<p>À 9 h 50, l’eau a passé la deuxième marche.</p>", "correction": "L’heure était fausse."},
        headers=("If-Match", "Idempotency-Key"),
    ),
    Operation(
        method="DELETE",
        path=f"/liveblogs/{SLUG}/entries/{ID}",
        endpoint=delete,
        tag="Entries",
        summary="Delete an entry",
        answers={
            200: ("With `confirm`: gone, and viewers have been asked", schemas.Deletion),
            202: ("Proposed only: another person has to ask for the same (`two_persons`)", work_schemas.Proposal),
            204: ("Gone, everywhere and for good", None),
        },
        problems=(401, 403, 404, 410, 412, 422, 503),
        verb=Verb.WRITE,
        query=DeleteQuery,
        headers=("If-Match",),
    ),
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/entries/{ID}/revisions",
        endpoint=revisions,
        tag="Entries",
        summary="Who changed what, when",
        answers={200: ("A page of its states, oldest first; `Link` names the next", schemas.RevisionList)},
        problems=(401, 403, 404, 422, 503),
        verb=Verb.SEE,
        query=PageQuery,
    ),
)
