"""A desk where people sign in by password, passkey and provider, and a browser on its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.api.site import Site, started
from tests.support.desk_browser import ORIGIN, Browser
from tests.support.openid_server import CLIENT_ID, CLIENT_SECRET, OpenIdServer, openid_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.settings import Settings


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdServer]:
    async with openid_server() as running:
        yield running


@pytest.fixture
async def desk(settings: Settings, provider: OpenIdServer) -> AsyncIterator[Site]:
    changed = {
        "public_url": f"{ORIGIN}/news",
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_name": "Acme & <Co>",
    }
    async with started(settings.model_copy(update=changed)) as running:
        yield running


@pytest.fixture
async def browser(desk: Site) -> AsyncIterator[Browser]:
    browser = Browser(desk)
    yield browser
    await browser.http.aclose()
