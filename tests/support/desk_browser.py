"""A browser on the pages of a desk where people sign in by password, passkey and provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from liveserver.domain.people.rights import Role
from liveserver.utils.tokens import new_token
from tests.support.people_samples import a_user, invited
from tests.support.soft_authenticator import SoftPasskey

if TYPE_CHECKING:
    from tests.support.api.site import Site

ORIGIN = "https://live.test"
OWN = {"Sec-Fetch-Site": "same-origin"}


class Browser:
    """A browser on the desk's pages."""

    def __init__(self, site: Site) -> None:
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(site._asgi), base_url=ORIGIN, headers={"Accept-Language": "en"}
        )
        self.site = site
        self.passkey = SoftPasskey(ORIGIN, "live.test")

    async def post(self, path: str, content: Any, **headers: str) -> httpx2.Response:
        return await self.http.post(path, json=content, headers={**OWN, **headers})

    async def joined(self, name: str) -> httpx2.Response:
        """The answer to a new user, who has joined with a passkey."""
        token = await link(self.site, name)
        options = await self.post("/desk/signin/passkey/join/options", {"token": token})
        return await self.post(
            "/desk/signin/passkey/join", {"token": token, "answer": self.passkey.made(options.json())}
        )

    async def signed_in(self, **content: str) -> httpx2.Response:
        """The answer to signing in."""
        options = await self.post("/desk/signin/passkey/sign-in/options", {})
        return await self.post(
            "/desk/signin/passkey/sign-in", {"answer": self.passkey.signed(options.json()), **content}
        )

    async def departed(self, **form: str) -> httpx2.Response:
        """The page that leads to the provider."""
        return await self.http.post("/desk/signin/provider", data={"for": "sign-in", **form}, headers=OWN)

    async def arrived(self, page: httpx2.Response) -> httpx2.Response:
        """The answer to what the provider has sent the browser back with."""
        address = page.text.partition('content="0;url=')[2].partition('"')[0].replace("&amp;", "&")
        async with httpx2.AsyncClient() as http:
            back = urlsplit((await http.get(address)).headers["location"])
        assert f"{back.scheme}://{back.netloc}{back.path}" == f"{ORIGIN}/news/desk/signin/provider/callback"
        return await self.http.get(
            f"/desk/signin/provider/callback?{back.query}", headers={"Sec-Fetch-Site": "cross-site"}
        )


async def link(site: Site, name: str) -> str:
    """The token of a new user's link."""
    token = new_token().token
    await invited(site.parts.store, a_user(name, Role.EDITOR), token)
    return token


def cookie(response: httpx2.Response, name: str) -> str:
    """The cookie that an answer sets."""
    [found] = [each for each in response.headers.get_list("set-cookie") if each.startswith(f"{name}=")]
    return found
