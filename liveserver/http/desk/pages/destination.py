"""The page to which a sign-in leads. It is named in an address that anybody can make up."""

from __future__ import annotations

import re

DESTINATION_MAX = 300
"""The greatest length of a destination, in characters. The desk's own addresses have fewer."""

HOME = "/desk"
ACCOUNT = "/desk/account"
CONFIRMED = "?done=confirmed"
"""The query with which the account's page says that a proof of identity was given."""
_PATH = re.compile(
    r"/desk(?!/(?:api|confirm|join|signin|signout)(?:[/?]|\Z))(?:/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*(?:\?[A-Za-z0-9._~=&%-]*)?",
    re.ASCII,
)
"""The paths, with or without a query, to which a sign-in may lead: `/desk` and all paths below, except the API and the
pages for joining, for confirming, and for signing in and out. None contains `//`, `/.`, `\\` or `@`, which could lead
elsewhere."""


def destination(text: str | None) -> str:
    """Return the path of the page to which a sign-in leads: `text`, or `/desk` if `text` isn't such a path (`_PATH`).

    No other host can be named: an attacker's link to the real sign-in page must not lead to the attacker's copy of it
    (open redirect).
    """
    return text if text is not None and len(text) <= DESTINATION_MAX and _PATH.fullmatch(text) else HOME


def when_confirmed(path: str) -> str:
    """Return the path of the page that follows after a proof of identity. The account's page says that it was given.

    `path`: a path that `destination` has returned.
    """
    return ACCOUNT + CONFIRMED if path == ACCOUNT else path
