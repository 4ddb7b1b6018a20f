"""The cookie of a session at the desk: how it is set and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.store.repositories.people.sessions import LONGEST

if TYPE_CHECKING:
    from starlette.responses import Response

    from liveserver.access.people.desk_sessions import DeskSessions


def set_cookie(response: Response, sessions: DeskSessions, token: str) -> None:
    """Let a response set the session's cookie.

    No script can read the cookie, and no other host gets it. Requests that another site causes have it only if a person
    follows a link to the desk.
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
