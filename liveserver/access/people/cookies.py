"""The cookies in a request's Cookie header, read so that no cookie of somebody else hides ours.

Other applications on the same host set cookies of any form, and browsers send them with ours in one header. Parsers
that expect the grammar of RFC 6265 stop at the first cookie that breaks it. Others remove more than spaces around a
name, so that a cookie with another name counts as ours. Here, only `;` separates cookies, as in browsers.
"""

from __future__ import annotations

COOKIES_MAX = 8_192
"""The greatest length of a Cookie header that is read, in characters. A longer header counts as none."""

_SPACE = " \t"


def cookie_in(header: str | None, name: str) -> str | None:
    """Return the value of the cookie with exactly this name; None if the header has none.

    `header`: the Cookie header; None if the request has none. If several cookies have the name, the result is the last
    one's value: browsers send cookies of longer paths first, and ours are for the path `/`.
    """
    if header is None or len(header) > COOKIES_MAX:
        return None
    for cookie in reversed(header.split(";")):
        found, equals, value = cookie.partition("=")
        if equals and found.strip(_SPACE) == name:
            return value.strip(_SPACE)
    return None
