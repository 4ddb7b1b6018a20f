"""The page on which people prove once more who they are, and the way to it and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.access.people.sign_in_tries import TRIES
from liveserver.domain.ids import now
from liveserver.domain.people.user import LinkKind
from liveserver.store.repositories.people.credentials import Credential, NewPasskey
from tests.support.api.desk import stale
from tests.support.desk_visitor import PASSWORD, invitation, leads_to, member, told, visitor
from tests.support.documents import Document
from tests.unit.http.desk.pages.test_account import principal_of

if TYPE_CHECKING:
    from tests.support.api.site import Site

pytest_plugins = ["tests.support.api.fixtures"]


async def test_the_password_confirms_and_leads_back(site: Site) -> None:
    """A passkey can be removed then, which it couldn't before."""
    browser = await member(site, "Ada")
    ada = await principal_of(site, browser, "Ada")
    await site.parts.store.credentials.change(ada, Credential(passkey=NewPasskey("a2V5", "a2V5", 0, "Mac")), now())
    await stale(site, ada)
    asked = await browser.post("/desk/account/passkeys", data={"remove": "a2V5"})
    assert asked.status_code == 403
    form = {"next": Document(asked.text).one("input", name="next")["value"], "password": PASSWORD}
    assert leads_to(await browser.post("/desk/confirm", data=form)) == "/desk/account?done=confirmed"
    assert told(await browser.get("/desk/account?done=confirmed")).startswith("Confirmed.")
    done = await browser.post("/desk/account/passkeys", data={"remove": "a2V5"})
    assert leads_to(done) == "/desk/account?done=passkey"


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/desk/account", "/desk/account?done=confirmed"),
        ("/desk/liveblogs/a?entry=1", "/desk/liveblogs/a?entry=1"),
        ("https://evil.example/desk", "/desk"),
        ("//evil.example/desk", "/desk"),
        ("/desk/confirm", "/desk"),
        ("/desk/signout", "/desk"),
    ],
)
async def test_the_way_back_stays_at_the_desk(site: Site, wanted: str, path: str) -> None:
    browser = await member(site, "Ada")
    page = Document((await browser.get("/desk/confirm", params={"next": wanted})).text)
    field = page.one("input", name="next")["value"]
    assert field == path.partition("?done")[0]
    for sent in (wanted, field):
        answer = await browser.post("/desk/confirm", data={"next": sent, "password": PASSWORD})
        assert leads_to(answer) == path


async def test_a_wrong_password_confirms_nothing(site: Site) -> None:
    """It is said beside the field, and tries have a bound, the one of signing in."""
    browser = await member(site, "Ada")
    await stale(site, await principal_of(site, browser, "Ada"))
    form = {"next": "/desk/x", "password": "wrong"}
    answer = await browser.post("/desk/confirm", data=form)
    assert (answer.status_code, told(answer)) == (403, "The password is wrong.")
    page = Document(answer.text)
    assert page.one("input", name="next")["value"] == "/desk/x"
    assert "aria-invalid" in page.one("input", name="password").attributes
    assert (await browser.post("/desk/account/passkeys", data={"remove": "x"})).status_code == 403
    for _ in range(TRIES):
        answer = await browser.post("/desk/confirm", data=form)
    assert answer.status_code == 429
    assert answer.headers["retry-after"]
    assert told(answer).startswith("Too many tries.")


async def test_nobody_confirms_without_a_session(site: Site) -> None:
    """Signing in is a proof, and leads on to the page that was asked for."""
    browser = await visitor(site)
    answer = await browser.get("/desk/confirm?next=/desk/x%3Fy%3D1")
    assert leads_to(answer) == "/desk/signin?next=/desk/x%3Fy%3D1"
    assert (
        leads_to(await browser.post("/desk/confirm", data={"password": "x"}))
        == "/desk/signin?next=/desk/account&ended=1"
    )
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    assert (await browser.post("/desk/confirm", data={"password": "x"})).status_code == 403


async def test_without_any_way_one_signs_out_and_in_again(site: Site) -> None:
    """The sign-in leads back to the page on which the proof was asked for."""
    token = await invitation(site, "Demo", kind=LinkKind.SIGN_IN)
    browser = await visitor(site)
    await browser.post("/desk/join", data={"link": token})
    page = Document((await browser.get("/desk/confirm?next=/desk/x%3Fy%3D1")).text)
    assert [each for each in page.elements if each.attributes.get("name") == "password"] == []
    [action] = [each["action"] or "" for each in page.elements if each.attributes.get("class") == "trouble"]
    assert leads_to(await browser.post(action)) == "/desk/signin?next=/desk/x%3Fy%3D1"
    assert (await browser.get("/desk")).status_code == 303
    assert leads_to(await browser.post("/desk/signout?next=//evil.example")) == "/desk/signin"
