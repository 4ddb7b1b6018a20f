"""The cookie of a session at the desk: how it is set and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.store.repositories.people.sessions import LONGEST

if TYPE_CHECKING:
    from starlette.responses import Response

    from liveserver.access.people.desk_sessions import DeskSessions


def set_cookie(response: Response, sessions: DeskSessions, token: str) -> None:
    """Let a response set the session's cookie.

    No script can read the cookie, and no other host gets it. If a page of another site makes the browser send a
    request, the browser adds the cookie only if the request opens a page of the desk, for example by a link.
    """
    response.set_cookie(
        sessions.cookie,
        token,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=sessions.secure,
        httponly=True,
        samesite="lax",
    )


def remove_cookie(response: Response, sessions: DeskSessions) -> None:
    """Let a response remove the session's cookie."""
    response.delete_cookie(sessions.cookie, path="/", secure=sessions.secure, httponly=True, samesite="lax")
