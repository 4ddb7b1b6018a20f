"""The page to which a sign-in leads. It is named in an address that anybody can make up."""

from __future__ import annotations

import re

DESTINATION_MAX = 300
"""The greatest length of a destination, in characters. The desk's own addresses have fewer."""

HOME = "/desk"
_PATH = re.compile(
    r"/desk(?!/(?:api|join|signin|signout)(?:[/?]|\Z))(?:/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*(?:\?[A-Za-z0-9._~=&%-]*)?",
    re.ASCII,
)
"""The paths of the desk's pages, with a query. Signs with a meaning of their own, such as `//`, `..`, `\\` and `@`, are
in none of them."""


def destination(text: str | None) -> str:
    """Return the path of the page to which a sign-in leads: `text`, or `/desk` if `text` names no page of the desk.

    No other host can be named: an attacker's link to the real sign-in page must not lead to the attacker's copy of it
    (open redirect).
    """
    return text if text is not None and len(text) <= DESTINATION_MAX and _PATH.fullmatch(text) else HOME
