"""What operators ask: is it alive, can it publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.site import LIVEBLOG, problem

if TYPE_CHECKING:
    from tests.api.site import Site

pytest_plugins = ["tests.api.fixtures"]


async def test_alive_and_ready(site: Site) -> None:
    """200, and nobody keeps the answer."""
    for path, content in {"/healthz": {"status": "ok"}, "/readyz": {"status": "ready", "bus": "up"}}.items():
        response = await site.reader.get(path)
        assert (response.status_code, response.json()) == (200, content)
        assert response.headers["cache-control"] == "no-store"


async def test_not_ready_but_alive_when_it_is_about_to_end(site: Site) -> None:
    """A balancer is to send nobody any more; what comes all the same is served, but for new viewers."""
    site.parts.hub.draining = True
    answer = await site.reader.get("/readyz")
    assert problem(answer, 503)["type"] == "urn:liveserver:problem:draining"
    assert answer.headers["retry-after"] == "2"
    assert (await site.reader.get("/healthz")).status_code == 200
    await site.publish()
    assert (await site.reader.get(LIVEBLOG)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
async def test_they_are_only_read(site: Site, path: str) -> None:
    """GET and HEAD."""
    assert (await site.reader.head(path)).status_code == 200
    response = await site.reader.post(path)
    problem(response, 405)
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_no_browser_guesses_what_it_got(site: Site) -> None:
    """Whatever is answered."""
    for path in ("/healthz", "/docs", "/api/v1/liveblogs", "/api/v1/rien", "/live/marees", "/live/rien", "/rien"):
        assert (await site.reader.get(path)).headers["x-content-type-options"] == "nosniff"
