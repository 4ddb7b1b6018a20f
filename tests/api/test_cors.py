"""Reading is allowed from any origin; that is what a partner's page needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.site import ENTRIES, LIVEBLOG

if TYPE_CHECKING:
    from tests.api.site import Site

pytest_plugins = ["tests.api.fixtures"]


@pytest.mark.parametrize("origin", ["https://partner.example", "http://localhost:3000", "null"])
async def test_any_origin_reads(site: Site, origin: str) -> None:
    """Also a sandboxed frame, whose origin is `null`; no cookie is ever asked for."""
    entry = await site.publish()
    for path in ("/api/v1/liveblogs", LIVEBLOG, ENTRIES, f"{ENTRIES}/{entry['id']}", f"{LIVEBLOG}/snapshot"):
        response = await site.reader.get(path, headers={"Origin": origin})
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
        exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
        assert exposed == {"ETag", "Link", "Retry-After"}


async def test_errors_can_be_read_too(site: Site) -> None:
    """Otherwise a widget couldn't tell a live blog that is gone from a network that is down."""
    entry = await site.publish()
    await site.delete(entry)
    for path, status in {
        "/api/v1/liveblogs/rien/snapshot": 404,
        f"{ENTRIES}/{entry['id']}": 410,
        f"{LIVEBLOG}/changes": 422,
        "/api/v1/liveblogs/rien/events": 404,
    }.items():
        response = await site.reader.get(path, headers={"Origin": "https://partner.example"})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == "*"


async def test_not_modified_too(site: Site) -> None:
    """The browser needs it on a 304 as well."""
    origin = {"Origin": "null"}
    tag = (await site.reader.get(LIVEBLOG, headers=origin)).headers["etag"]
    response = await site.reader.get(LIVEBLOG, headers={**origin, "If-None-Match": tag})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (304, "*")


async def test_preflight(site: Site) -> None:
    """A conditional read may be sent; writing with a key from another site's page may not."""
    asked = {"Origin": "https://partner.example", "Access-Control-Request-Method": "GET"}
    response = await site.reader.options(LIVEBLOG, headers={**asked, "Access-Control-Request-Headers": "if-none-match"})
    assert response.status_code == 200
    assert "If-None-Match" in response.headers["access-control-allow-headers"]
    for refused in (
        {"Access-Control-Request-Method": "POST"},
        {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"},
    ):
        response = await site.reader.options(ENTRIES, headers={**asked, **refused})
        assert response.status_code == 400


async def test_nothing_else_is_open(site: Site) -> None:
    """Pages, metrics and the rest belong to this site."""
    for path in ("/", "/live/marees", "/healthz", "/metrics", "/docs", "/openapi.json"):
        response = await site.reader.get(path, headers={"Origin": "https://partner.example"})
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers
