"""The desk's notes on entries: `/desk/api/v1/liveblogs/{slug}/entries/{id}/notes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.entry import Note
from liveserver.domain.ids import new_id, now
from liveserver.domain.inputs.models import NoteInput
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import work_schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import authorised
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.route_params import ID, NOTE, SLUG
from liveserver.protocol import resources

if TYPE_CHECKING:
    from starlette.requests import Request


async def listing(request: Request) -> Response:
    """Answer with all notes on an entry, oldest first."""
    await authorised(request, Verb.SEE)
    notes = await services(request).store.notes.of_entry(request.path_params["slug"], request.path_params["id"])
    return answer(request, {"items": [resources.note_object(note) for note in notes]}, public=False)


async def create(request: Request) -> Response:
    """Add a note to an entry, and answer with the note."""
    actor = await authorised(request, Verb.WRITE)
    body = await body_of(request, NoteInput, actor)
    by = actor.principal
    note = Note(new_id(), by.ref, by.name, now(), body.text)
    slug, entry_id = request.path_params["slug"], request.path_params["id"]
    parts = services(request)
    hints = parts.publisher.hints
    await parts.after_commit(
        parts.store.notes.add(slug, entry_id, note, by),
        lambda added: hints.note_added(slug, entry_id, added.id, by),
    )
    return answer(request, resources.note_object(note), status=201, public=False)


async def delete(request: Request) -> Response:
    """Delete a note. The user needs the verb `write` for their own note, and `publish` for another user's."""
    actor = await authorised(request, Verb.WRITE)
    slug, entry_id, note_id = (request.path_params[name] for name in ("slug", "id", "note_id"))
    await services(request).store.notes.remove(slug, entry_id, note_id, actor.principal, now())
    return Response(status_code=204)


_PATH = f"/liveblogs/{SLUG}/entries/{ID}/notes"

DESK_OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        endpoint=listing,
        tag="Entries",
        summary="Read the notes on an entry",
        answers={200: ("All of them, oldest first", work_schemas.NoteList)},
        problems=(401, 403, 404, 503),
        verb=Verb.SEE,
    ),
    Operation(
        method="POST",
        path=_PATH,
        endpoint=create,
        tag="Entries",
        summary="Add a note to an entry",
        answers={201: ("For the newsroom only", work_schemas.NoteObject)},
        problems=(*WRITING, 404, 409, 410),
        verb=Verb.WRITE,
        body=NoteInput,
        example={"text": "The second source has confirmed it."},
    ),
    Operation(
        method="DELETE",
        path=f"{_PATH}/{NOTE}",
        endpoint=delete,
        tag="Entries",
        summary="Delete a note",
        answers={204: ("Gone", None)},
        problems=(401, 403, 404, 503),
        description="One’s own; another’s needs the right to publish.",
        verb=Verb.WRITE,
    ),
)
