"""The OpenAPI 3.1 document. It is made from the catalogue of operations, and from the models of bodies and answers.

The operations that the desk's API shares with `/api/v1` are described once, under `/api/v1`. DESCRIPTION says that the
desk's API has them, too. Copies of them under `/desk/api/v1` would double the document. If `/desk/api/v1` referred to
the descriptions under `/api/v1`, they would have to name a session's cookie, which is never valid under `/api/v1`.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic.json_schema import models_json_schema

from liveserver import __version__
from liveserver.domain.errors import TooManyRequests
from liveserver.domain.people.rights import scope_for
from liveserver.http.api.openapi.catalogue import DESK_OPERATIONS, OPERATIONS
from liveserver.http.api.openapi.operation import JSON_LINES
from liveserver.http.api.openapi.problem_schema import Problem
from liveserver.http.problems import KINDS, MEDIA_TYPE
from liveserver.http.route_params import SCHEMAS
from liveserver.protocol.json_encoding import JSON, dumps

if TYPE_CHECKING:
    from pydantic import BaseModel

    from liveserver.http.api.openapi.operation import Operation


API = "/api/v1"
DESK = "/desk/api/v1"

REFERENCE = "#/components/schemas/{model}"

DESCRIPTION = """\
Publish entries to live blogs; every open page has them at once.

Writing needs an API key (`liveserver keys create`): `Authorization: Bearer lv_…`. Reading what is published needs
nothing and is allowed from any origin, unless the live blog's `embedding` names some. Errors are
`application/problem+json` and name every bad field.

The desk's API is for people who are signed in. It has the operations below `/desk/api/v1` that are described here, and
every operation of `/api/v1` again, under the same path below `/desk/api/v1`: there, each needs a session's cookie in
place of a key, and answers are `no-store`. Requests that may change something need `Sec-Fetch-Site: same-origin`, which
browsers send, or the server's own address as `Origin`.

Beside these there are two streams of the same messages: `GET /api/v1/liveblogs/{slug}/ws?after=POSITION` (WebSocket)
and `GET /api/v1/liveblogs/{slug}/events?after=POSITION` (server-sent events)."""

HEADERS: dict[str, JSON] = {
    "If-Match": {
        "description": "The `ETag` of the version that was edited, or `*` to overwrite whatever is there",
        "schema": {"type": "string"},
        "example": "*",
    },
    "If-None-Match": {"description": "An `ETag`: 304 if it still holds", "schema": {"type": "string"}},
    "Idempotency-Key": {
        "description": "Any word of your own, new for each entry; a retry with the same word publishes nothing twice",
        "schema": {"type": "string", "maxLength": 255},
    },
}

TAGS = {
    "Live blogs": "What a coverage is: its title, language, status, and who reads it",
    "Syndication": "A live blog of another server that is followed",
    "Entries": "What is published, edited, corrected and deleted",
    "Reading": "What the reader’s page asks for",
    "Pictures": "What entries show beside their words",
    "Partners": "Other sites, and what they may show",
    "Session": "Who is signed in at the desk, where, and what they may do",
    "People": "Who works at the desk, and in which role",
    "Keys and audit": "What programs may do, and who did what",
}
"""The tags of operations, each with its description."""

OF_ALL = (414, 421, KINDS[TooManyRequests].status)
"""The statuses of problems with which any operation may answer. These problems arise before the operation's endpoint is
called."""

PATH_PARAMETERS = {
    "slug": {"description": "The live blog’s name", "example": "grandes-marees"},
    "id": {"description": "The id (a UUID) of the entry or picture"},
    "partner": {"description": "The id of the partner", "example": "p_0a1b2c3d4e5f"},
    "user": {"description": "The id of the user", "example": "u_0a1b2c3d4e5f"},
    "session": {"description": "The id of the session, which is no secret", "example": "0a1b2c3d4e5f6789"},
    "identity": {"description": "The id of the identity, which is no secret", "example": "0a1b2c3d4e5f6789"},
    "key": {"description": "The id of the API key, which stands in it after `lv_`", "example": "0a1b2c3d4e5f"},
}


def document(base_url: str) -> JSON:
    """Return the OpenAPI document of a server.

    `base_url`: the server's address; or `/`, which means the host from which the client got the document.
    """
    common = _document()
    contact = {"name": "The newsroom that runs this server", "url": base_url}
    return {**common, "info": {**common["info"], "contact": contact}, "servers": [{"url": base_url}]}


@cache
def _document() -> JSON:
    models = sorted(_models(), key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
    for name, schema in definitions["$defs"].items():
        # Defaults aren't described for patches: a field that is absent from a PATCH stays as it is.
        _move_defaults(schema, described=name.endswith("Input"))
    paths: dict[str, JSON] = {}
    for root, operations in ((API, OPERATIONS), (DESK, DESK_OPERATIONS)):
        for operation in operations:
            path = paths.setdefault(root + operation.template, {})
            path[operation.method.lower()] = _operation(operation, at_desk=root is DESK)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "liveserver",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "`lv_<id>_<secret>`"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-liveserver",
                    "description": "Set by signing in at `/desk/signin`. On plain HTTP its name is `liveserver`",
                },
            },
        },
    }


def _move_defaults(schema: JSON, *, described: bool) -> None:
    """Remove the defaults from a schema's fields. If `described`, add them to the fields' descriptions instead.

    Defaults that are None, False or empty are only removed. Programs that generate client code assume that a field with
    a default is always present. Generators of TypeScript then make the field mandatory in every request and answer.
    """
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if isinstance(default, dict):
            default = {name: value for name, value in default.items() if value}
        if described and default:
            sentence = f"`{dumps(default).decode()}` where it is absent"
            field["description"] = "; ".join(filter(None, [field.get("description"), sentence]))


def _models() -> set[type[BaseModel]]:
    models: set[type[BaseModel]] = {Problem}
    for operation in (*OPERATIONS, *DESK_OPERATIONS):
        models |= {operation.body} if operation.body else set()
        for _, shape in operation.answers.values():
            models |= set(_shapes(shape))
    return models


def _shapes(shape: type[BaseModel] | tuple[type[BaseModel], ...] | None) -> tuple[type[BaseModel], ...]:
    if shape is None:
        return ()
    return shape if isinstance(shape, tuple) else (shape,)


def _reference(model: type[BaseModel]) -> JSON:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _operation(operation: Operation, *, at_desk: bool) -> JSON:
    described: JSON = {
        "operationId": f"{operation.method.lower()}_{operation.template.strip('/').replace('/', '_')}".translate(
            str.maketrans("", "", "{}")
        ),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_headers(operation)],
        "responses": {**_answers(operation), **_problems(operation)},
    }
    described["security"] = [{"session": []}] if at_desk else _security(operation)
    if needs := _needs(operation, at_desk=at_desk):
        described["description"] = f"{operation.description}\n\n{needs}".strip()
    elif operation.description:
        described["description"] = operation.description
    if operation.body:
        content = {"schema": _reference(operation.body), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    if operation.content:
        content = {media_type: {"schema": deepcopy(schema)} for media_type, schema in operation.content.items()}
        for media in content.values():
            _move_defaults(media["schema"], described=True)
        described["requestBody"] = {"required": True, "content": content}
    return described


def _needs(operation: Operation, *, at_desk: bool) -> str:
    """Return a sentence on the scope, role or session that a request needs; an empty text if it needs none of them."""
    proof = ", who has proved in the last ten minutes who they are" if operation.confirmed else ""
    if operation.verb is None:
        return f"Anybody who is signed in{proof and proof + ','} may use it." if at_desk else ""
    if not at_desk:
        return f"Needs a key with the scope `{scope_for(operation.verb)}`."
    return f"Needs a user whose role allows `{operation.verb}`{proof}."


def _security(operation: Operation) -> list[JSON]:
    """Return an operation's security schemes: an API key, no key, or a choice between both if the key is optional."""
    if operation.verb:
        return [{"key": []}]
    return [{}, {"key": []}] if 401 in operation.problems else []


def _path_parameters(operation: Operation) -> list[JSON]:
    return [
        {"name": name, "in": "path", "required": True, "schema": SCHEMAS[form], **PATH_PARAMETERS[form]}
        for name, form in operation.parameters.items()
    ]


def _query_parameters(operation: Operation) -> list[JSON]:
    if operation.query is None:
        return []
    schema = operation.query.model_json_schema()
    required = set(schema.get("required", ()))
    parameters = []
    for name, field in schema["properties"].items():
        described = {key: value for key, value in field.items() if key not in {"title", "description"}}
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": field.get("description", ""),
                "schema": described,
            }
        )
    return parameters


def _headers(operation: Operation) -> list[JSON]:
    needed = 428 in operation.problems
    return [
        {"name": name, "in": "header", "required": needed and name == "If-Match", **HEADERS[name]}
        for name in operation.headers
    ]


def _answers(operation: Operation) -> JSON:
    answers: JSON = {}
    for status, (description, shape) in operation.answers.items():
        answers[str(status)] = {"description": description}
        shapes = [_reference(model) for model in _shapes(shape)]
        if shapes:
            schema = shapes[0] if len(shapes) == 1 else {"oneOf": shapes}
            answers[str(status)]["content"] = {operation.media_type: {"schema": schema}}
            if operation.lines:
                answers[str(status)]["content"][JSON_LINES] = {"schema": {"type": "string"}}
    if "If-None-Match" in operation.headers:
        answers["304"] = {"description": "What you have still holds"}
    return answers


def _problems(operation: Operation) -> JSON:
    titles = {kind.status: kind.title for kind in KINDS.values()}
    content = {MEDIA_TYPE: {"schema": _reference(Problem)}}
    return {
        str(status): {"description": titles.get(status, HTTPStatus(status).phrase), "content": content}
        for status in sorted({*operation.problems, *OF_ALL})
    }
