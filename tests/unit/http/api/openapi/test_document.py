"""The OpenAPI document: valid, complete, and its examples work as they are. Every API test's answers are held to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Mount, Route

from liveserver.http.api.openapi import docs
from liveserver.http.api.openapi.document import document
from liveserver.server.app import create_app
from tests.support.api.site import BASE, SLUG, started
from tests.support.role_matrix import LINES

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from liveserver.settings import Settings
    from tests.support.api.site import JSON, Site


def operations(content: JSON) -> dict[tuple[str, str], JSON]:
    """Method and path of each operation."""
    paths: JSON = content["paths"]
    return {(method.upper(), path): found for path, item in paths.items() for method, found in item.items()}


@pytest.mark.slow
async def test_the_document_is_valid(site: Site) -> None:
    """OpenAPI 3.1, by the specification's own schema."""
    response = await site.reader.get("/openapi.json")
    assert response.status_code == 200
    content = response.json()
    OpenAPIV31SpecValidator(content).validate()
    assert content["openapi"].startswith("3.1")
    tag = response.headers["etag"]
    assert (await site.reader.get("/openapi.json", headers={"If-None-Match": tag})).status_code == 304


async def test_it_is_made_once_and_gzipped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has 100 KB, and is the same for everybody."""
    await site.reader.get("/openapi.json")

    def never(*_: object) -> JSON:
        raise AssertionError("made again")

    monkeypatch.setattr(docs, "document", never)
    packed = await site.reader.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(packed.content) / 4
    assert (packed.headers["cache-control"], packed.headers["vary"]) == ("public, no-cache", "Accept-Encoding")


async def test_it_names_no_server_that_a_request_has_named(site: Site) -> None:
    """Caches keep it, for everybody."""
    response = await site.reader.get("/openapi.json")
    assert response.json()["servers"] == [{"url": BASE}]
    for headers in ({"Host": "other.test:81"}, {"X-Forwarded-Host": "other.test"}, {"Forwarded": "host=other.test"}):
        other = await site.reader.get("/openapi.json", headers=headers)
        assert other.content == response.content


async def test_without_an_address_it_is_of_wherever_it_is(settings: Settings) -> None:
    """So that it can be tried out from where it is read."""
    async with started(settings.model_copy(update={"public_url": None})) as site:
        assert (await site.reader.get("/openapi.json")).json()["servers"] == [{"url": "/"}]


def test_it_has_every_route(settings: Settings) -> None:
    """And no other; the streams are told of in words, as are the operations that the desk shares."""
    app = create_app(settings)
    shared, of_desk = _routes(app, "/api/v1"), _routes(app, "/desk/api/v1")
    assert shared < of_desk
    described = {("/api/v1", *operation) for operation in shared}
    described |= {("/desk/api/v1", *operation) for operation in of_desk - shared}
    assert {(method, root + path) for root, method, path in described} == set(operations(_document()))
    assert "every operation of `/api/v1` again" in _document()["info"]["description"]
    assert "/ws?after=" in _document()["info"]["description"]
    assert "/events?after=" in _document()["info"]["description"]


def _routes(app: Starlette, root: str) -> set[tuple[str, str]]:
    """Method and path, below `root`, of each route that is no stream."""
    mount = next(route for route in app.routes if isinstance(route, Mount) and route.path == root)
    return {
        (method, route.path_format)
        for route in mount.routes
        if isinstance(route, Route) and not route.path.endswith(("/events", "/ws", "/stream"))
        for method in (route.methods or set()) - {"HEAD"}
    }


def _document() -> JSON:
    return document(BASE)


def test_every_operation_is_described() -> None:
    """With words, ids of its own, and all that its path names."""
    found = operations(_document())
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for (method, path), operation in found.items():
        assert operation["summary"]
        assert operation["tags"]
        assert re.fullmatch(r"[a-z_]+", operation["operationId"])
        in_path = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        if path.startswith("/desk/"):
            assert operation["security"] == [{"session": []}]
            assert "401" in operation["responses"]
            assert "signed in" in operation["description"] or "whose role allows" in operation["description"]
            continue
        private = any(word in path for word in ("/revisions", "/media", "/partners", "/takedowns", "/reach", "/source"))
        assert operation["description"]
        # Said of each: to tools, an operation that is silent about it needs who knows what.
        if not (private or (method != "GET" and not path.endswith("/gone"))):
            more_with_a_key = "/entries" in path
            assert operation["security"] == ([{}, {"key": []}] if more_with_a_key else [])
        else:
            assert operation["security"] == [{"key": []}]
            assert {"401", "403"} <= set(operation["responses"])
            assert "scope" in operation["description"]
        assert "503" in operation["responses"]


def test_nobody_is_told_what_python_calls_it() -> None:
    """Schemas are named by what they are, and no default of ours is said to be theirs."""
    content = _document()
    schemas = content["components"]["schemas"]
    for name in schemas:
        assert re.fullmatch(r"[A-Z]\w+", name)
    forms = [
        media["schema"]
        for operation in operations(content).values()
        for media in operation.get("requestBody", {"content": {}})["content"].values()
    ]
    assert any("properties" in form for form in forms)
    for schema in (*schemas.values(), *forms):
        for field in schema.get("properties", {}).values():
            # In a PATCH, absent means unchanged: tools would send it. Elsewhere, generated clients for TypeScript
            # demand in requests, and promise in answers, what has a default.
            assert "default" not in field, (schema, field)
    assert schemas["EntryInput"]["properties"]["format"]["description"].endswith('`"html"` where it is absent')
    assert "where it is absent" not in str(schemas["EntryPatch"])


def test_it_says_whose_it_is_and_what_about() -> None:
    """The contact is the operator of the server, not its author; each tag that is used is told, and no other."""
    content = _document()
    assert content["info"]["contact"]["url"] == BASE
    used = {tag for operation in operations(content).values() for tag in operation["tags"]}
    assert {tag["name"] for tag in content["tags"] if tag["description"]} == used


async def test_the_examples_work(site: Site) -> None:
    """From opening a live blog to deleting its entry, with nothing but what the document says."""
    content: JSON = (await site.reader.get("/openapi.json")).json()
    values = {"slug": "grandes-marees"}
    for method, path in (
        ("POST", "/api/v1/liveblogs"),
        ("PATCH", "/api/v1/liveblogs/{slug}"),
        ("GET", "/api/v1/liveblogs/{slug}"),
        ("POST", "/api/v1/liveblogs/{slug}/entries"),
        ("PATCH", "/api/v1/liveblogs/{slug}/entries/{id}"),
        ("GET", "/api/v1/liveblogs/{slug}/entries/{id}"),
        ("GET", "/api/v1/liveblogs/{slug}/entries/{id}/revisions"),
        ("GET", "/api/v1/liveblogs/{slug}/entries"),
        ("GET", "/api/v1/liveblogs/{slug}/snapshot"),
        ("DELETE", "/api/v1/liveblogs/{slug}/entries/{id}"),
    ):
        operation = operations(content)[method, path]
        for parameter in operation["parameters"]:
            if parameter["name"] == "slug":
                assert parameter["example"] == values["slug"]
        headers = {p["name"]: p["example"] for p in operation["parameters"] if p["in"] == "header" and p["required"]}
        body = operation.get("requestBody")
        response = await site.editor.request(
            method,
            path.format_map(values),
            headers=headers,
            json=body["content"]["application/json"]["example"] if body else None,
        )
        assert str(response.status_code) in operation["responses"]
        assert response.status_code < 300, response.text
        if method == "POST":
            values |= {name: str(response.json()[name]) for name in ("slug", "id") if name in response.json()}


async def test_the_contract_is_a_contract(site: Site) -> None:
    """The contract that the other tests' answers are held to does object."""
    good = await site.reader.get(f"/api/v1/liveblogs/{SLUG}")
    site.contract.check(good.request, good)
    assert ("GET", "/api/v1/liveblogs/{slug}", 200) in site.contract.seen
    responses = site.contract.document["paths"]["/api/v1/liveblogs/{slug}"]["get"]["responses"]
    described = responses.pop("200")
    try:
        for described_as, words in (
            ({}, "not documented"),
            ({"200": _answer("application/json", "EntryObject")}, "required property"),
            ({"200": _answer("text/html", "LiveblogObject")}, "application/json is not documented"),
        ):
            responses |= described_as
            with pytest.raises(AssertionError, match=words):
                site.contract.check(good.request, good)
    finally:
        responses["200"] = described


def _answer(media_type: str, schema: str) -> JSON:
    return {"content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


async def test_the_api_s_own_address_leads_to_its_description(site: Site) -> None:
    """The demo prints it, and somebody opens it; also where a proxy serves everything below a path of its own."""
    answer = await site.reader.get("/api/v1")
    assert answer.status_code == 307
    assert urljoin("https://example.org/direct/api/v1", answer.headers["location"]) == "https://example.org/direct/docs"


async def test_the_docs_page(site: Site) -> None:
    """Everything on it comes from this server, and nothing is written into the page."""
    page = await site.reader.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert "persistAuthorization: false" in (await site.reader.get("/static/docs/docs-init.js")).text
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"openapi.json", "static/docs/swagger-ui-bundle.js"} <= set(links), "of a site below a path, too"
    assert not re.search(r"<script(?![^>]* src=)", page.text)
    for link in links:
        asset = await site.reader.get(link)
        assert asset.status_code == 200, f"{link} is not built: make web"
        assert len(asset.content) > 100
    kinds = {link.rpartition(".")[2]: (await site.reader.get(link)).headers["content-type"] for link in links}
    assert kinds["css"].startswith("text/css")
    assert kinds["js"].startswith("text/javascript")
    assert kinds["json"] == "application/json"


def test_operations_that_need_a_proof_say_so() -> None:
    """The same as docs/roles.md calls confirmed."""
    paths = document("https://live.example.org")["paths"]
    said = {
        (method.upper(), path.removeprefix("/desk/api/v1"))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if isinstance(operation, dict) and "in the last ten minutes" in operation.get("description", "")
    }
    assert said == {(line.method, line.path) for line in LINES if line.note.startswith("confirmed")}
