"""The TLS contexts of the connections that we make, made once each.

A context reads all trusted certificates, which takes 50 to 130 ms of processor time. So it isn't made before the first
`https` address.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx2


def client_context(scheme: str, *, trust_env: bool = True) -> ssl.SSLContext:
    """Return the context for addresses of a scheme, `http` or `https`.

    For `http` it trusts nobody: if such a connection ever turns to TLS, it fails. `trust_env`: True if the environment
    (`SSL_CERT_FILE`, `SSL_CERT_DIR`) may name the trusted certificates.
    """
    return _trusting(trust_env) if scheme == "https" else _distrusting()


@cache
def _trusting(trust_env: bool) -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=trust_env)


@cache
def _distrusting() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
