"""The TLS contexts for connections from this process to servers. Each context is made once, when it is first needed.

To make a context for `https`, all trusted certificates are read, which takes 50 to 130 ms of processor time.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx2


def client_context(scheme: str, *, trust_env: bool = True) -> ssl.SSLContext:
    """Return the TLS context for a client. `scheme`: the scheme of the server's URL, `http` or `https`.

    The context for `http` trusts no certificate. A client with this context can't connect by TLS to any server.
    `trust_env`: True if environment variables (`SSL_CERT_FILE`, `SSL_CERT_DIR`) may name the trusted certificates.
    """
    return _trusting(trust_env) if scheme == "https" else _distrusting()


@cache
def _trusting(trust_env: bool) -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=trust_env)


@cache
def _distrusting() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
