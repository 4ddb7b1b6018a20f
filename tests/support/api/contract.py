"""Holds every answer of the API to what the OpenAPI document says of its operation."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from liveserver.http.api.openapi.document import document

if TYPE_CHECKING:
    import httpx2

JSON = dict[str, Any]

API = "/api/v1/"
DESK = "/desk/api/v1/"
LINES = "application/x-ndjson"
PROBLEM = "application/problem+json"
STREAMS = re.compile(r"/api/v1/liveblogs/[^/]+/(ws|events)")


class Found(NamedTuple):
    """The operation that a request is for."""

    path: str
    operation: JSON | None
    """None: the path hasn't this method."""


class Contract:
    """The document, as something that answers can break."""

    def __init__(self, base_url: str) -> None:
        self.document = document(base_url)
        self.seen: set[tuple[str, str, int]] = set()
        """Method, path and status of every answer that was checked."""

    def check(self, request: httpx2.Request, response: httpx2.Response) -> None:
        """Raises AssertionError for an answer below `/api/v1/` or the desk's that the document doesn't describe."""
        path = request.url.path
        if not path.startswith((API, DESK)) or STREAMS.fullmatch(path) or request.method == "OPTIONS":
            return
        if response.status_code in {304, 307} or request.method == "HEAD" or response.status_code == 204:
            assert response.content == b""
        found = self.find(request.method, path)
        if found is None or found.operation is None:
            assert response.status_code in ({307, 404} if found is None else {405}), response.text
            if response.content:
                self.check_problem(response)
            return
        where = (request.method, found.path, response.status_code)
        self.seen.add(where)
        if response.status_code == 500:
            self.check_problem(response)
            return
        described = found.operation["responses"].get(str(response.status_code))
        if path.startswith(DESK) and found.path.startswith(API) and response.status_code in {401, 403}:
            # The document describes the operations that the desk shares only as keys may use them.
            self.check_problem(response)
            return
        assert described is not None, f"{where} is not documented"
        if request.method == "HEAD" or "content" not in described:
            return
        media_type = response.headers["content-type"]
        assert media_type in described["content"], f"{where}: {media_type} is not documented"
        if media_type == LINES:
            return
        self._validate(described["content"][media_type]["schema"], response.json())
        if response.status_code >= 400:
            self.check_problem(response)
        elif "requestBody" in found.operation:
            accepted = found.operation["requestBody"]["content"]
            if "application/json" in accepted:
                self._validate(accepted["application/json"]["schema"], orjson.loads(request.content))

    def check_problem(self, response: httpx2.Response) -> JSON:
        """The problem that an answer is (RFC 9457); raises AssertionError if it is none."""
        assert response.headers["content-type"] == PROBLEM
        problem: JSON = response.json()
        self._validate({"$ref": "#/components/schemas/Problem"}, problem)
        assert problem["status"] == response.status_code
        assert problem["instance"] == response.request.url.path
        assert problem["title"]
        assert problem["detail"]
        assert response.headers["cache-control"] == "no-store"
        return problem

    def find(self, method: str, path: str) -> Found | None:
        """The operation of a request; None if the document has no such path.

        The desk's own operations come first, then those that it shares.
        """
        for asked in dict.fromkeys((path, path.replace(DESK, API, 1))):
            for template, pattern in _patterns():
                if pattern.fullmatch(asked):
                    operations: JSON = self.document["paths"][template]
                    return Found(template, operations.get("get" if method == "HEAD" else method.lower()))
        return None

    def _validate(self, schema: JSON, value: Any) -> None:
        name = str(schema)
        if name not in _validators:
            whole = {**schema, "components": self.document["components"]}
            _validators[name] = OAS31Validator(whole, format_checker=oas31_format_checker)
        errors = [f"{error.json_path}: {error.message}" for error in _validators[name].iter_errors(value)]
        assert not errors, errors


_validators: dict[str, Any] = {}
"""By their schemas. These, and the paths, are the same for every address that a document may name."""


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    paths: JSON = document("/")["paths"]
    return [(path, _pattern(path, operations)) for path, operations in paths.items()]


def _pattern(template: str, operations: JSON) -> re.Pattern[str]:
    """A path with whatever its parameters may be."""
    schemas: dict[str, JSON] = {
        parameter["name"]: parameter["schema"]
        for operation in operations.values()
        for parameter in operation["parameters"]
        if parameter["in"] == "path"
    }

    def part(match: re.Match[str]) -> str:
        schema = schemas[match[1]]
        return rf"(?=[^/]{{1,{schema.get('maxLength', '')}}}(?:/|\Z)){schema['pattern'].strip('^$')}"

    return re.compile(re.sub(r"\{(\w+)\}", part, template))
