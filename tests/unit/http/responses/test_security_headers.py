"""The headers that forbid browsers things. Their effect is tested in `tests/acceptance/test_policies.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.content.embed_providers import EmbedProviders
from liveserver.http.responses import security_headers
from liveserver.rendering.urls import Urls
from tests.support.api.site import LIVEBLOG, SLUG, started

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.support.api.site import Site

TRANSPORT = "strict-transport-security"


def directives(headers: dict[str, str]) -> dict[str, str]:
    """The rules of a Content-Security-Policy."""
    rules = headers["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (rule.partition(" ") for rule in rules)}


def test_pictures_come_from_where_they_are_kept() -> None:
    """And from nowhere else; a CDN's path is no matter of the policy's."""
    urls = Urls("https://live.example", media_url="https://cdn.example/live/media")
    assert directives(security_headers.reader(urls, EmbedProviders()))["img-src"] == "'self' https://cdn.example"
    assert directives(security_headers.frame(urls))["img-src"] == "'self' https://live.example https://cdn.example"
    assert directives(security_headers.frame(urls))["connect-src"] == "'self' https://live.example wss://live.example"


def test_nothing_is_allowed_by_default() -> None:
    """On no page; and only where there can't be a key may a style stand in it."""
    urls, embed_providers = Urls("https://live.example"), EmbedProviders(["social.example"])
    for headers in (
        security_headers.reader(urls, embed_providers),
        security_headers.frame(urls),
        security_headers.REACH,
        security_headers.DOCS,
        security_headers.DESK,
    ):
        assert directives(headers)["default-src"] == "'none'"
        assert directives(headers)["base-uri"] == "'none'"
        assert "unsafe" not in directives(headers).get("script-src", "")
        assert "https:" not in directives(headers).get("img-src", "").split()
    assert "https://social.example" in directives(security_headers.reader(urls, embed_providers))["frame-src"].split()


async def test_documents_are_kept_apart(site: Site) -> None:
    """All kinds of pages use no feature that they don't need; and nobody's window has a hold of one with a secret."""
    await site.publish()
    opener = "cross-origin-opener-policy"
    for path, expected in {
        "/": security_headers.OPENED_BY_NONE,
        f"/live/{SLUG}": security_headers.OPENED_BY_NONE,
        "/live/rien": security_headers.OPENED_BY_NONE,
        f"/embed/preview/{SLUG}": security_headers.OPENED_BY_NONE,
        f"/embed/{SLUG}": None,
        f"/reach/{SLUG}": security_headers.KEPT_APART,
        "/docs": security_headers.KEPT_APART,
        "/desk/signin": security_headers.KEPT_APART,
    }.items():
        response = await site.reader.get(path)
        assert response.headers.get(opener) == expected, path
        assert "microphone=()" in response.headers["permissions-policy"], path
        assert "autoplay" not in response.headers["permissions-policy"], path
        assert response.headers["content-security-policy"].startswith("default-src 'none'; "), path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"public_url": "https://live.test"}, "max-age=31536000"),
        ({"public_url": "https://live.test", "hsts": 300}, "max-age=300"),
        ({"public_url": "https://live.test", "hsts": 0}, None),
        ({"public_url": "http://live.test"}, None),
        ({"public_url": None}, None),
        ({"public_url": None, "tls_certificate": "cert.pem", "tls_key": "key.pem"}, None),
    ],
)
async def test_there_is_no_way_back_to_http(settings: Settings, given: dict[str, object], expected: str | None) -> None:
    """From HTTPS; for this host alone, and where the operator wants it. Whatever is answered."""
    async with started(settings.model_copy(update=given)) as site:
        for path in ("/", f"/live/{SLUG}", "/live/rien", LIVEBLOG, "/healthz", "/static/icon.svg", "/rien"):
            assert (await site.reader.get(path)).headers.get(TRANSPORT) == expected, path
