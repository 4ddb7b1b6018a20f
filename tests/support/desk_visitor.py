"""People at the desk's pages, in tests: invited, joined, and with a browser of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind
from liveserver.store.repositories.people.users import NewUser
from liveserver.utils.tokens import new_token
from tests.support.documents import Document
from tests.support.people_samples import a_link, a_user
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    import httpx2

    from liveserver.domain.people.user import Membership
    from tests.support.api.site import Site

PASSWORD = "la mer monte à minuit"
OWN = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en", "Accept": "text/html"}
"""The headers of a form that a page of the desk sends."""


async def invitation(
    site: Site, name: str, role: Role | None = Role.REPORTER, *memberships: Membership, kind: LinkKind = LinkKind.JOIN
) -> str:
    """Invite somebody; the token of the link."""
    user, token = a_user(name, role, *memberships), new_token()
    await site.parts.store.users.invite(NewUser(user, token.digest, a_link(user, kind)), NEWSROOM)
    return token.token


async def visitor(site: Site) -> httpx2.AsyncClient:
    """A browser without a session. It follows no redirects, and keeps cookies."""
    client = await site.client()
    client.headers.update(OWN)
    return client


async def member(
    site: Site, name: str, role: Role | None = Role.REPORTER, *memberships: Membership
) -> httpx2.AsyncClient:
    """The browser of somebody who has joined with PASSWORD, and is signed in."""
    token = await invitation(site, name, role, *memberships)
    client = await visitor(site)
    answer = await client.post("/desk/join", data={"link": token, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


def cookie_of(client: httpx2.AsyncClient) -> str | None:
    """The session's token in a browser."""
    return client.cookies.get("liveserver")


def told(answer: httpx2.Response) -> str:
    """The sentence that a page tells: an error, or something that was done."""
    return Document(answer.text).one("p", **{"class": "told"}).text


def leads_to(answer: httpx2.Response) -> str:
    """The page to which an answer leads."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.headers["location"]
