"""A server without the packages for passkeys and providers works, and says so where one is asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import SettingsError
from tests.support.api.site import started

if TYPE_CHECKING:
    from liveserver.settings import Settings


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if neither extra was installed."""
    for name in ("webauthn", "joserfc", "joserfc.errors", "joserfc.jwk"):
        monkeypatch.setitem(sys.modules, name, None)
    for module in ("passkeys", "openid_provider"):
        monkeypatch.delitem(sys.modules, f"liveserver.access.people.{module}", raising=False)


@pytest.mark.usefixtures("without_packages")
async def test_without_the_package_there_are_no_passkeys(settings: Settings) -> None:
    async with started(settings.model_copy(update={"public_url": "https://live.test"})) as site:
        assert site.parts.passkeys is None
        page = await site.reader.get("https://live.test/desk/signin")
        assert page.status_code == 200
        assert "data-passkey" not in page.text


@pytest.mark.usefixtures("without_packages")
async def test_without_the_package_a_provider_is_refused(settings: Settings) -> None:
    named = settings.model_copy(update={"oidc_issuer": "https://id.example.org", "oidc_client_id": "x"})
    with pytest.raises(SettingsError, match=r"liveserver\[oidc\]"):
        async with started(named):
            raise AssertionError
