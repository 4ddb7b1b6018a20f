"""Clients that are signed in at the desk of a site, as the desk's pages are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import update

from liveserver.access.people.sign_in import CONFIRMED_FOR, Client
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.store import tables
from tests.support.people_samples import at_desk

if TYPE_CHECKING:
    import httpx2

    from liveserver.domain.people.principal import Principal
    from liveserver.domain.people.user import Membership
    from tests.support.api.site import Site

DESK = "/desk/api/v1"
PASSWORD = "correct horse battery staple"
HERE = Client(("192.0.2.7", 50_000), "Firefox")


class Seat(NamedTuple):
    """A user at the desk, and the client of the user's browser."""

    user: Principal
    client: httpx2.AsyncClient


async def seat(site: Site, name: str, role: Role | None = Role.OWNER, *memberships: Membership) -> Seat:
    """Sign a new user in. The user has just proved who they are."""
    user, token = await at_desk(site.parts.store, name, role, *memberships)
    return Seat(user, await browser(site, token))


async def browser(site: Site, token: str) -> httpx2.AsyncClient:
    """A client with a session's cookie, whose requests come from the desk's own pages."""
    client = await site.client()
    client.headers["Cookie"] = f"{site.parts.desk_sessions.cookie}={token}"
    client.headers["Sec-Fetch-Site"] = "same-origin"
    return client


async def stale(site: Site, user: Principal) -> None:
    """Let so much time pass since the user proved who they are that the proof counts no more."""
    at = now() - CONFIRMED_FOR - timedelta(seconds=1)
    query = update(tables.sessions).where(tables.sessions.c.digest == user.session).values(confirmed_at=at)
    await site.parts.store.users._database.write(lambda connection: connection.execute(query))
