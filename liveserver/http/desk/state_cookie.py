"""The cookie with the state of a sign-in under way, by a passkey or a provider.

Success removes the cookie. Otherwise it lasts for its lifetime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.people.cookies import cookie_in

if TYPE_CHECKING:
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response


class StateCookie:
    """A cookie with the state of a sign-in under way. No script can read the cookie, and no other host gets it."""

    def __init__(self, name: str, lifetime: timedelta, *, secure: bool) -> None:
        """`secure`: True if the site's public address begins with https."""
        # With the prefix, browsers take the cookie from no other host of the same domain.
        self._name = f"__Host-liveserver-{name}" if secure else f"liveserver-{name}"
        self._lifetime = int(lifetime.total_seconds())
        self._secure = secure

    def of(self, request: Request) -> str | None:
        """Return the state that a browser has sent; None if it has sent none."""
        return cookie_in(request.headers.get("cookie"), self._name)

    def set(self, response: Response, state: str) -> None:
        """Let a response set the cookie.

        It is `SameSite=Lax`, as the browser must send the cookie when the provider's site redirects to us.
        """
        response.set_cookie(
            self._name, state, max_age=self._lifetime, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def remove(self, response: Response) -> None:
        """Let a response remove the cookie."""
        response.delete_cookie(self._name, path="/", secure=self._secure, httponly=True, samesite="lax")
