"""People at the desk of a running application: signed in, with clients that send what a page of the desk sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.people.sign_in import CONFIRMED_FOR
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.store.repositories.people.credentials import Credential
from liveserver.utils.tokens import digest_of
from tests.support.people_samples import a_session, a_user, invited

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import Site

DESK = "/desk/api/v1/liveblogs/marees"
DESK_ENTRIES = f"{DESK}/entries"


async def at_desk(site: Site, name: str, role: Role = Role.EDITOR, *, confirmed: bool = True) -> httpx2.AsyncClient:
    """A client of a new user, who is signed in. `confirmed`: False if the user signed in long ago."""
    token = f"{name}{'x' * 43}"[:43]
    user = a_user(name, role)
    await invited(site.parts.store, user, f"link {user.id}")
    session = a_session(user, now() if confirmed else now() - CONFIRMED_FOR)
    await site.parts.store.credentials.join(
        digest_of(f"link {user.id}"), Credential(password="hash"), digest_of(token), session
    )
    client = await site.client()
    client.cookies.set(site.parts.desk_sessions.cookie, token)
    client.headers["Sec-Fetch-Site"] = "same-origin"
    return client
