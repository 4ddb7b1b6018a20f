"""Origins of pages, as browsers name them, and the patterns that allow them to show something.

A pattern is an origin (RFC 6454), `https://www.example.org`, or one with a star for its first labels,
`https://*.example.org`, which stands for every host below `example.org` and not for that itself, as in a
Content-Security-Policy (CSP 3, 6.7.2.8). `null` stands for pages without an origin: sandboxed frames, files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

NULL = "null"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}", re.ASCII)
_PORTS = {"http": 80, "https": 443}


def pattern(text: str) -> str:
    """A pattern as browsers would write it: lower case, without a default port. Raises ValueError for anything else."""
    if text == NULL:
        return text
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if not host.isascii():
        host = _ascii(host)
    beyond = parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or beyond:
        raise ValueError("must be an origin, for example https://www.example.org or https://*.example.org")
    return f"{parts.scheme}://{host}" + ("" if port in {None, _PORTS[parts.scheme]} else f":{port}")


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ""


def allows(patterns: Iterable[str], origin: str) -> bool:
    """Whether one of the patterns stands for an origin as a browser names it."""
    origin = origin.lower()
    return any(_matches(each, origin) for each in patterns)


def _matches(each: str, origin: str) -> bool:
    scheme, star, rest = each.partition("*")
    if not star:
        return each == origin
    return origin.startswith(scheme) and origin.endswith(rest) and len(origin) > len(scheme) + len(rest)


def frame_ancestors(patterns: Collection[str]) -> str:
    """The sources of a Content-Security-Policy's frame-ancestors that says the same, this server's own pages included.

    No policy can name pages without an origin.
    """
    return " ".join(["'self'", *(each for each in patterns if each != NULL)])
