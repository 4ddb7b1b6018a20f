"""Origins of pages, as browsers name them, and patterns of the origins whose pages may show a live blog.

A pattern is an origin (RFC 6454), such as `https://www.example.org`, or has a star in place of the host's first part,
such as `https://*.example.org`. The pattern with a star matches every host below `example.org`, but not `example.org`
itself, as in a Content-Security-Policy (CSP 3, 6.7.2.8). The pattern `null` matches pages without an origin, such as
sandboxed frames and files.
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
    """Return a pattern in the form in which browsers write origins: in lower case, without a default port.

    Raises ValueError if `text` isn't a pattern.
    """
    if text == NULL:
        return text
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        split, port = urlsplit(""), None
    host = split.hostname or ""
    if not host.isascii():
        host = _ascii(host)
    has_more = split.path not in {"", "/"} or split.query or split.fragment or "@" in split.netloc
    if split.scheme not in _PORTS or not _HOST.fullmatch(host) or has_more:
        raise ValueError("must be an origin, for example https://www.example.org or https://*.example.org")
    return f"{split.scheme}://{host}" + ("" if port in {None, _PORTS[split.scheme]} else f":{port}")


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ""


def allows(patterns: Iterable[str], origin: str) -> bool:
    """Return True if a pattern matches an origin. `origin`: the value of the header `Origin`, as a browser sends it."""
    origin = origin.lower()
    return any(_matches(each, origin) for each in patterns)


def _matches(each: str, origin: str) -> bool:
    scheme, star, rest = each.partition("*")
    if not star:
        return each == origin
    return origin.startswith(scheme) and origin.endswith(rest) and len(origin) > len(scheme) + len(rest)


def frame_ancestors(patterns: Collection[str]) -> str:
    """Return the value of `frame-ancestors` in a Content-Security-Policy: our own origin, and these patterns.

    The pattern `null` is left out, as `frame-ancestors` can't name pages without an origin.
    """
    return " ".join(["'self'", *(each for each in patterns if each != NULL)])
