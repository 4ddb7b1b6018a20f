"""TLS contexts: as few as can be, and none for clients that speak HTTP only."""

from __future__ import annotations

import ssl
from inspect import unwrap
from typing import TYPE_CHECKING, Any

import httpcore2
import pytest

from liveserver.client import Client, tls_context
from liveserver.newsroom.syndication.ssrf_guard import SsrfGuard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ssl.SSLContext]]:
    """The contexts for which all trusted certificates were read since the test began, as in a new process."""
    contexts: list[ssl.SSLContext] = []
    for name in ("load_verify_locations", "load_default_certs", "set_default_verify_paths"):
        read: Any = getattr(ssl.SSLContext, name)

        def counting(context: ssl.SSLContext, *args: Any, read: Any = read, **kwargs: Any) -> None:
            contexts.append(context)
            read(context, *args, **kwargs)

        monkeypatch.setattr(ssl.SSLContext, name, counting)
    # `tests/conftest.py` keeps the context of all clients.
    monkeypatch.setattr(httpcore2, "default_ssl_context", unwrap(httpcore2.default_ssl_context))
    tls_context._trusting.cache_clear()
    tls_context._distrusting.cache_clear()
    yield contexts
    tls_context._trusting.cache_clear()
    tls_context._distrusting.cache_clear()


async def test_clients_of_http_read_no_certificates(loaded: list[ssl.SSLContext]) -> None:
    """Sixty readers who speak HTTP make none."""
    for _ in range(60):
        async with Client("http://localhost:8000"):
            pass
    assert loaded == []


async def test_clients_of_https_share_a_context(loaded: list[ssl.SSLContext]) -> None:
    """The first reads the certificates for all."""
    for _ in range(60):
        async with Client("https://live.example.org"):
            pass
    assert len(set(map(id, loaded))) == 1


async def test_followed_sources_share_a_context(loaded: list[ssl.SSLContext]) -> None:
    """They don't trust the authorities that the environment trusts."""
    for _ in range(20):
        async with Client("https://live.example.org", gate=SsrfGuard(private=False, most=1_000)):
            pass
    assert len(set(map(id, loaded))) == 1
    assert tls_context.client_context("https") is not tls_context.client_context("https", trust_env=False)


def test_http_trusts_nobody() -> None:
    """Nothing that is spoken over TLS after all is believed."""
    context = tls_context.client_context("http")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.get_ca_certs() == []
    assert tls_context.client_context("http") is context
