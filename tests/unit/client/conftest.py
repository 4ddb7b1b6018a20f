"""Clients of an API that follows a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from liveserver.client import Client, requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.scripted_api import Api


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Api], Client]:
    """A client of an `Api`, without pauses."""
    monkeypatch.setattr(requests, "BACKOFF_FIRST", 0)
    real = httpx2.AsyncClient

    def connect(api: Api) -> Client:
        monkeypatch.setattr(
            httpx2, "AsyncClient", lambda **options: real(transport=httpx2.MockTransport(api), **options)
        )
        return Client("http://live.example/", "lv_id_secret")

    return connect
