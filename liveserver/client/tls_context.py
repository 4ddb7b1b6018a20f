"""The TLS contexts of the connections that we make: one for all, as each reads all certificates that are trusted.

That takes 50 to 130 ms of processor time, and isn't done before the first address that is `https`.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx2


def client_context(scheme: str, *, trust_env: bool = True) -> ssl.SSLContext:
    """The context for addresses of a scheme, `http` or `https`.

    For `http` it trusts nobody: should such a connection ever turn to TLS, it fails. `trust_env`: whether the
    environment (`SSL_CERT_FILE`, `SSL_CERT_DIR`) says whom to trust.
    """
    return _trusting(trust_env) if scheme == "https" else _distrusting()


@cache
def _trusting(trust_env: bool) -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=trust_env)


@cache
def _distrusting() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
