"""The API's steps of a review, and takedowns: the operations `submit`, `approve`, `return`, `withdraw` and `erase`.

Their paths are `/api/v1/liveblogs/{slug}/entries/{id}/submit` and so on; `erase` is at `/desk/api/v1` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.access.people.sign_in import check_confirmed
from liveserver.domain.entry import EntryStatus
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.inputs.models import EraseInput, ReturnInput, SubmitInput
from liveserver.domain.people.rights import Verb
from liveserver.http.api.entries import proposal_answer, work_answer
from liveserver.http.api.openapi import schemas, work_schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import authorised, desk_actor_of
from liveserver.http.api.requests.preconditions import idempotency_key_of, version_of
from liveserver.http.api.requests.queries import DeleteQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.route_params import ID, SLUG
from liveserver.newsroom.review.reviewer import EntryRef
from liveserver.protocol import resources

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.access.actors import Actor
    from liveserver.domain.ids import EntityVersion
    from liveserver.store import Written


async def submit(request: Request) -> Response:
    """Hand a draft in for review, and answer with the entry.

    `If-Match` names the version that is handed in. Raises InvalidInput if `If-Match` is `*`.
    """
    actor = await authorised(request, Verb.WRITE)
    version = _version_read(request, "hand in")
    body = await body_of(request, SubmitInput, actor)
    entry = _entry(request, version)
    written = await services(request).reviewer.submit(entry, actor.principal, publish_at=body.publish_at)
    return _answer(request, actor, written)


async def approve(request: Request) -> Response:
    """Publish an entry that waits for review, or schedule it if it was handed in for a later time.

    `If-Match` names the version that was read. The answer is the entry. Raises InvalidInput if `If-Match` is `*`.
    """
    actor = await authorised(request, Verb.PUBLISH)
    version = _version_read(request, "approve")
    written = await services(request).reviewer.approve(_entry(request, version), actor.principal)
    return _answer(request, actor, written)


async def give_back(request: Request) -> Response:
    """Make an entry that waits for review a draft again, with a reason for its author. The answer is the entry."""
    actor = await authorised(request, Verb.PUBLISH)
    body = await body_of(request, ReturnInput, actor)
    entry = _entry(request, version_of(request, required=False))
    return _answer(request, actor, await services(request).reviewer.give_back(entry, actor.principal, body.reason))


async def withdraw(request: Request) -> Response:
    """Turn an entry back into a draft, and answer with the draft. If it was published, readers see a deletion.

    If two persons are needed, the first one's request only makes a proposal, and is answered with a 202.
    """
    actor = await authorised(request, Verb.WRITE)
    confirm = query_of(request, DeleteQuery).confirm
    entry = _entry(request, version_of(request, required=False))
    written, takedown = await services(request).reviewer.withdraw(entry, actor.principal, confirm=confirm)
    review = written.entry.review
    # A repeated request is answered like the first one: nothing but a proposal came of it.
    repeated = written.replayed and written.entry.status is EntryStatus.PUBLISHED and review is not None
    if written.proposed or repeated:
        return proposal_answer(request, written.entry)
    if takedown is not None:
        services(request).limits.asked_viewers(actor.ref)
    return _answer(request, actor, written)


async def erase(request: Request) -> Response:
    """Delete an entry, and empty all that the database has of its content.

    If two persons are needed, the first one's request only makes a proposal, and is answered with a 202. Raises
    NotConfirmed if the user's last proof of identity is older than `CONFIRMED_FOR`.
    """
    actor = await authorised(request, Verb.PUBLISH)
    check_confirmed(desk_actor_of(request))
    await body_of(request, EraseInput, actor)
    confirm = query_of(request, DeleteQuery).confirm
    entry = _entry(request, version_of(request, required=False))
    written, takedown = await services(request).reviewer.erase(entry, actor.principal, confirm=confirm)
    if written.proposed:
        return proposal_answer(request, written.entry)
    if not confirm:
        return Response(status_code=204)
    if takedown is not None:
        services(request).limits.asked_viewers(actor.ref)
    content = {"takedown": None if takedown is None else resources.takedown_object(takedown)}
    return answer(request, content, public=False)


def _version_read(request: Request, doing: str) -> EntityVersion:
    """Return the version in `If-Match`. Raises PreconditionRequired without one, and InvalidInput if it is `*`."""
    version = version_of(request, required=True, or_any=False)
    if version is None:
        raise InvalidInput([FieldError("If-Match", f"must name the version that you {doing}: * is any")])
    return version


def _entry(request: Request, version: EntityVersion | None) -> EntryRef:
    return EntryRef(request.path_params["slug"], request.path_params["id"], version, idempotency_key_of(request))


def _answer(request: Request, actor: Actor, written: Written) -> Response:
    services(request).limits.wrote(actor.ref, len(written.entry.body))
    headers = {"Idempotency-Replayed": "true"} if written.replayed else None
    return work_answer(request, written.liveblog, written.entry, headers=headers)


_PATH = f"/liveblogs/{SLUG}/entries/{ID}"
_PROBLEMS = (*WRITING, 404, 409, 410, 412)
_HEADERS = ("If-Match", "Idempotency-Key")

OPERATIONS = (
    Operation(
        method="POST",
        path=f"{_PATH}/submit",
        endpoint=submit,
        tag="Entries",
        summary="Hand a draft in for review",
        answers={200: ("It waits for somebody who may publish it", work_schemas.WorkObject)},
        problems=(*_PROBLEMS, 428),
        description="`If-Match` names the version that you have read: that one is handed in.",
        verb=Verb.WRITE,
        body=SubmitInput,
        example={"publish_at": "2030-01-01T09:00:00+01:00"},
        headers=_HEADERS,
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/approve",
        endpoint=approve,
        tag="Entries",
        summary="Publish what was handed in",
        answers={200: ("Published, or scheduled if that was asked for", work_schemas.WorkObject)},
        problems=(401, 403, 404, 409, 410, 412, 422, 428, 503),
        description="`If-Match` names the version that you have read: that one is published. If somebody has edited it "
        "since, the answer is 412 with the current entry.",
        verb=Verb.PUBLISH,
        headers=_HEADERS,
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/return",
        endpoint=give_back,
        tag="Entries",
        summary="Return what was handed in to its author",
        answers={200: ("A draft again, with the reason", work_schemas.WorkObject)},
        problems=_PROBLEMS,
        verb=Verb.PUBLISH,
        body=ReturnInput,
        example={"reason": "Who says so? Name the source."},
        headers=_HEADERS,
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/withdraw",
        endpoint=withdraw,
        tag="Entries",
        summary="Make a draft of an entry again",
        answers={
            200: ("A draft: readers don’t see it any more, the newsroom has its text", work_schemas.WorkObject),
            202: ("Proposed only: another person has to ask for the same (`two_persons`)", work_schemas.Proposal),
        },
        problems=(401, 403, 404, 409, 410, 412, 422, 503),
        description="Of a published entry, of a scheduled one, or of one that was handed in. To be published again, it "
        "appears as a new entry, at the top.",
        verb=Verb.WRITE,
        query=DeleteQuery,
        headers=_HEADERS,
    ),
)

DESK_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{_PATH}/erase",
        endpoint=erase,
        tag="Entries",
        summary="Delete an entry, and its text in the database, too",
        answers={
            200: ("With `?confirm=true`: gone, and viewers have been asked", schemas.Deletion),
            202: ("Proposed only: another person has to ask for the same (`two_persons`)", work_schemas.Proposal),
            204: ("Gone, and its revisions and notes are empty", None),
        },
        problems=(*WRITING, 404, 412),
        verb=Verb.PUBLISH,
        confirmed=True,
        query=DeleteQuery,
        body=EraseInput,
        example={"confirm": True},
        headers=("If-Match",),
    ),
)
