"""Every error below `/api` is told as a problem document."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from liveserver.newsroom.publisher import Publisher
from liveserver.store import Store
from tests.support.api.site import ENTRIES, LIVEBLOG, bad_fields, database_away, problem, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.settings import Settings
    from tests.support.api.site import Site

LIMIT = 256 * 1024


async def chunks(total: int) -> AsyncIterator[bytes]:
    """A body without a Content-Length."""
    for _ in range(total // 1024):
        yield b" " * 1024


@pytest.mark.parametrize(
    "path", ["/api/v1/", "/api/v1/x", "/api/v1/liveblogs/marees/entrees", "/api/v2/liveblogs", "/api/", "/api/v1/%00"]
)
async def test_unknown_paths(site: Site, path: str) -> None:
    """404."""
    for method in ("GET", "POST", "DELETE"):
        content = problem(await site.reader.request(method, path), 404)
        assert content["type"] == "urn:liveserver:problem:not-found"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/liveblogs", {"GET", "HEAD", "POST"}),
        (LIVEBLOG, {"GET", "HEAD", "PATCH"}),
        (ENTRIES, {"GET", "HEAD", "POST"}),
        (f"{ENTRIES}/0192f0c1-2345-7abc-8def-0123456789ab", {"GET", "HEAD", "PATCH", "DELETE"}),
        (f"{LIVEBLOG}/snapshot", {"GET", "HEAD"}),
        (f"{LIVEBLOG}/changes", {"GET", "HEAD"}),
        (f"{LIVEBLOG}/events", {"GET", "HEAD"}),
    ],
)
async def test_wrong_methods(site: Site, path: str, allowed: set[str]) -> None:
    """405, and all that would be right."""
    for method in ("PUT", "OPTIONS", "TRACE", *({"POST", "DELETE"} - allowed)):
        response = await site.editor.request(method, path)
        problem(response, 405)
        assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{'body': 'x'}", b'{"body": "\xff"}', b'{"body": NaN}', b'{"body": "\\ud800"}', b"[" * 5000, b"x=y"],
)
async def test_broken_json(site: Site, content: bytes) -> None:
    """422 that says so, and no trace of it in the database."""
    response = await site.editor.post(ENTRIES, content=content)
    assert "JSON" in bad_fields(response)[""]


@pytest.mark.parametrize("content", [b"[]", b'"x"', b"null", b"7", b'[{"body": "x"}]'])
async def test_json_that_is_no_object(site: Site, content: bytes) -> None:
    """422 that says so."""
    response = await site.editor.post(ENTRIES, content=content)
    assert bad_fields(response) == {"": "the body must be a JSON object"}


async def test_content_types(site: Site) -> None:
    """JSON, or what curl says of `--data` when one forgets to say JSON."""
    for kind in (
        "application/json",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "a/b+json",
    ):
        response = await site.editor.post(ENTRIES, content=b'{"body": "x"}', headers={"Content-Type": kind})
        assert response.status_code == 201
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/xml"):
        response = await site.editor.post(ENTRIES, content=b'{"body": "x"}', headers={"Content-Type": kind})
        assert "application/json" in problem(response, 415)["detail"]


async def test_bodies_that_are_too_large(site: Site) -> None:
    """413, by what is declared or by what comes; the limit itself is allowed."""
    exact = b'{"body": "x"}'.ljust(LIMIT)
    assert (await site.editor.post(ENTRIES, content=exact)).status_code == 201
    for url, method in ((ENTRIES, "POST"), ("/api/v1/liveblogs", "POST"), (LIVEBLOG, "PATCH")):
        headers = {"If-Match": "*"}
        assert (
            str(LIMIT)
            in problem(await site.editor.request(method, url, content=exact + b" ", headers=headers), 413)["detail"]
        )
        problem(await site.editor.request(method, url, content=chunks(LIMIT + 1024), headers=headers), 413)


async def test_a_body_that_is_declared_too_large_is_not_read(site: Site) -> None:
    """The answer comes before it."""

    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("was read")
        yield b""

    response = await site.editor.post(ENTRIES, content=unread(), headers={"Content-Length": str(10**12)})
    problem(response, 413)


async def test_the_database_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After to everything; afterwards all is as it was."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    headers = {"If-Match": "*", "Idempotency-Key": "une-fois"}
    requests = [
        ("GET", "/api/v1/liveblogs", None),
        ("POST", "/api/v1/liveblogs", {"title": "x", "language": "fr", "timezone": "UTC"}),
        ("GET", LIVEBLOG, None),
        ("PATCH", LIVEBLOG, {"title": "x"}),
        ("GET", ENTRIES, None),
        ("POST", ENTRIES, {"body": "x"}),
        ("GET", url, None),
        ("PATCH", url, {"body": "x"}),
        ("DELETE", url, None),
        ("GET", f"{url}/revisions", None),
        ("GET", f"{LIVEBLOG}/snapshot", None),
        ("GET", f"{LIVEBLOG}/changes?after=x", None),
        ("GET", f"{LIVEBLOG}/events", None),
        ("HEAD", f"{LIVEBLOG}/events", None),
        ("GET", "/readyz", None),
    ]
    with database_away(monkeypatch):
        for method, path, content in requests:
            response = await site.editor.request(method, path, json=content, headers=headers)
            assert response.headers["retry-after"] == "2", path
            assert response.status_code == 503
            if method != "HEAD":
                assert "Idempotency-Key" in problem(response, 503)["detail"]
        assert (await site.reader.get("/healthz")).status_code == 200
    assert (await site.reader.get(ENTRIES)).json()["items"] == [entry]
    # The retry that the answer asked for publishes it, once.
    for _ in range(2):
        assert (await site.editor.post(ENTRIES, json={"body": "x"}, headers=headers)).status_code == 201
    assert len((await site.reader.get(ENTRIES)).json()["items"]) == 2
    assert (await site.reader.get("/readyz")).json() == {"status": "ready", "bus": "up"}


async def test_another_process_holds_the_sqlite_file(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing is 503, and leaves nothing; reading goes on."""
    monkeypatch.setattr("liveserver.server.lifespan.Store.open", partial(Store.open, patience=0.2))
    async with started(settings) as site:
        entry = await site.publish()
        connection = sqlite3.connect(settings.database_url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        headers = {"Idempotency-Key": "une-fois"}
        response = await site.editor.post(ENTRIES, json={"body": "x"}, headers=headers)
        problem(response, 503)
        assert response.headers["retry-after"] == "2"
        problem(await site.reader.get("/readyz"), 503)
        assert (await site.reader.get(ENTRIES)).json()["items"] == [entry]
        assert (await site.reader.get("/live/marees")).status_code == 200
        connection.execute("ROLLBACK")
        connection.close()
        response = await site.editor.post(ENTRIES, json={"body": "x"}, headers=headers)
        assert (response.status_code, response.json()["seq"]) == (201, 2)
        assert "idempotency-replayed" not in response.headers


async def test_a_conflict_while_the_database_goes_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no 412 without the current state (found by the fault harness): 503, and the 412 when asked again."""
    entry = await site.publish()
    await site.edit(entry, heading="x")
    liveblogs = site.parts.store.liveblogs
    real = liveblogs.find

    async def unavailable(slug: str) -> object:
        with database_away(monkeypatch):
            return await real(slug)

    with monkeypatch.context() as patch:
        patch.setattr(liveblogs, "find", unavailable)
        response = await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={}, headers={"If-Match": '"1"'})
        problem(response, 503)
        assert response.headers["retry-after"]
    response = await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={}, headers={"If-Match": '"1"'})
    assert problem(response, 412)["current"]["heading"] == "x"


async def test_a_defect_of_ours(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 that tells nothing of it."""

    async def broken(*_args: object, **_fields: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Publisher, "create_entry", broken)
    response = await site.editor.post(ENTRIES, json={"body": "x"})
    assert "secret" not in response.text
    assert problem(response, 500)["type"] == "urn:liveserver:problem:internal"


async def test_types_name_the_kind_of_problem(site: Site) -> None:
    """By a name that never changes."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    patch = site.editor.patch
    answers = {
        "invalid": await site.editor.post(ENTRIES, json={}),
        "not-found": await site.reader.get(f"{ENTRIES}/x"),
        "conflict": await patch(url, json={"status": "draft"}, headers={"If-Match": "*"}),
        "version-conflict": await patch(url, json={}, headers={"If-Match": '"7"'}),
        "precondition-required": await patch(url, json={}),
        "too-large": await site.editor.post(ENTRIES, content=b" " * (LIMIT + 1)),
        "unauthorized": await site.reader.delete(url),
        "method-not-allowed": await site.reader.put(url),
    }
    for name, response in answers.items():
        assert response.json()["type"] == f"urn:liveserver:problem:{name}"
