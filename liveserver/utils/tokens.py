"""Tokens: random texts that give whoever has one a right, such as a session's cookie. Only their hashes are stored.

A plain hash is enough, where a password would need a slow one: nobody can guess 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple


class NewToken(NamedTuple):
    """A new token, which can be shown only now, and the hash under which it is stored."""

    token: str
    digest: str


def new_token() -> NewToken:
    """Return a new token of 256 random bits, and its hash."""
    token = secrets.token_urlsafe(32)
    return NewToken(token, digest_of(token))


def digest_of(token: str) -> str:
    """Return the hash under which a token is stored: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
