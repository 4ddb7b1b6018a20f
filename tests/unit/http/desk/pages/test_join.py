"""Joining by a link: from the link to a session; links for new passwords, and links that sign in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind, UserState
from tests.support.api.site import started
from tests.support.desk_visitor import PASSWORD, cookie_of, invitation, leads_to, member, told, visitor
from tests.support.documents import Document

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.support.api.site import Site

pytest_plugins = ["tests.support.api.fixtures"]

BAD = "This link is unknown, has expired, or was used already. Ask for a new one."


async def test_from_the_link_to_the_desk(site: Site) -> None:
    """Without a script: the link is pasted, the password chosen."""
    token = await invitation(site, "Ada", Role.EDITOR)
    browser = await visitor(site)
    assert Document((await browser.get("/desk/join")).text).one("input", name="link")["autocomplete"] == "off"
    page = await browser.post("/desk/join", data={"link": f" http://live.test/desk/join#{token}\n"})
    assert page.status_code == 200
    assert "Welcome, Ada" in page.text
    form = Document(page.text)
    assert form.one("input", name="link")["value"] == token
    assert form.one("input", name="name")["value"] == "Ada"
    assert form.one("input", name="password")["autocomplete"] == "new-password"
    assert cookie_of(browser) is None, "looking isn't joining"
    assert leads_to(await browser.post("/desk/join", data={"link": token, "password": PASSWORD})) == "/desk"
    assert "Editor on the whole site" in (await browser.get("/desk")).text
    assert (await site.parts.store.users.find_by_name("Ada")).state is UserState.ACTIVE


async def test_a_link_is_good_once(site: Site) -> None:
    token = await invitation(site, "Ada")
    one, other = await visitor(site), await visitor(site)
    form = {"link": token, "password": PASSWORD}
    answers = await asyncio.gather(one.post("/desk/join", data=form), other.post("/desk/join", data=form))
    assert sorted(answer.status_code for answer in answers) == [303, 401]
    for again in ({"link": token}, form):
        answer = await other.post("/desk/join", data=again)
        assert (answer.status_code, told(answer)) == (401, BAD)


async def test_the_link_page_is_no_dead_end(site: Site) -> None:
    """It leads to the page for signing in; a person who is signed in already, to the desk."""
    link = {"link": "A" * 43}
    signed_in = await member(site, "Ada")
    for browser, way in ((await visitor(site), "/desk/signin"), (signed_in, "/desk")):
        for answer in (await browser.get("/desk/join"), await browser.post("/desk/join", data=link)):
            ways = {anchor["href"] for anchor in Document(answer.text).all("a")}
            assert way in ways
            assert ("/desk/signin" in ways) is (way == "/desk/signin")


LINKS = ("", "x", "A" * 43, "http://live.test/desk/join#", "é" * 43, "A" * 43 + "\x00", "#" * 900)


async def test_what_is_no_link(site: Site) -> None:
    """Is told on the page, where another one can be pasted."""
    browser = await visitor(site)
    for link in LINKS:
        for form in ({"link": link}, {"link": link, "password": PASSWORD}, {"other": link}):
            answer = await browser.post("/desk/join", data=form)
            assert (answer.status_code, told(answer)) == (401, BAD), form
            assert "value" not in Document(answer.text).one("input", name="link").attributes


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "The password must have 10 to 200 characters."),
        ("", "The password must have 10 to 200 characters."),
        ("aaaaaaaaaaaaaaa", "This password is too easy to guess."),
        ("Ada Lovelace", "The password must not be your name."),
    ],
)
async def test_a_bad_password(site: Site, password: str, why: str) -> None:
    """Uses the link not up."""
    token = await invitation(site, "Ada Lovelace")
    browser = await visitor(site)
    answer = await browser.post("/desk/join", data={"link": token, "password": password})
    assert (answer.status_code, told(answer)) == (422, why)
    field = Document(answer.text).one("input", name="password")
    assert (field["aria-invalid"], field["aria-describedby"]) == ("true", "error password-rule")
    assert leads_to(await browser.post("/desk/join", data={"link": token, "password": PASSWORD})) == "/desk"


async def test_a_link_for_a_new_password(site: Site) -> None:
    token = await invitation(site, "Ada", kind=LinkKind.RESET)
    answer = await (await visitor(site)).post("/desk/join", data={"link": token})
    assert "Hello, Ada" in answer.text
    assert "Choose a new password." in answer.text


async def test_a_link_that_signs_in(site: Site) -> None:
    """At once, and once. Only `liveserver demo` makes such links."""
    token = await invitation(site, "Demo", Role.OWNER, kind=LinkKind.SIGN_IN)
    browser = await visitor(site)
    assert leads_to(await browser.post("/desk/join", data={"link": token})) == "/desk"
    assert "Owner on the whole site" in (await browser.get("/desk")).text
    assert (await browser.post("/desk/join", data={"link": token})).status_code == 401


async def test_joining_ends_the_session_that_was_before(site: Site) -> None:
    browser = await member(site, "Ada")
    old = cookie_of(browser)
    token = await invitation(site, "Grace")
    assert leads_to(await browser.post("/desk/join", data={"link": token, "password": PASSWORD})) == "/desk"
    assert "Grace" in (await browser.get("/desk")).text
    thief = await visitor(site)
    thief.cookies.set("liveserver", old or "")
    assert leads_to(await thief.get("/desk")) == "/desk/signin?next=/desk"


async def test_tries_are_counted(settings: Settings) -> None:
    """Guesses of links, by address; good passwords, too."""
    limited = settings.model_copy(update={"limit_sign_in": 3, "limit_exempt": "", "forwarded_allow_ips": ""})
    async with started(limited) as site:
        browser = await visitor(site)
        form = {"link": "A" * 43}
        assert [(await browser.post("/desk/join", data=form)).status_code for _ in range(4)] == [401, 401, 401, 429]
        for path, sent in (("join", form), ("join", {**form, "password": PASSWORD}), ("signin", {"name": "Ada"})):
            answer = await browser.post(f"/desk/{path}", data=sent)
            if path == "signin":
                assert answer.status_code == 429
                assert told(answer) == "Too many tries. Try again in 1 min."
                assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_too_many_tries_with_a_good_link(settings: Settings) -> None:
    """Keep the page of the link, so that it needn't be pasted again."""
    limited = settings.model_copy(update={"limit_sign_in": 1, "limit_exempt": "", "forwarded_allow_ips": ""})
    async with started(limited) as site:
        token, browser = await invitation(site, "Ada"), await visitor(site)
        assert (await browser.post("/desk/join", data={"link": token})).status_code == 200
        answer = await browser.post("/desk/join", data={"link": token, "password": PASSWORD})
        assert answer.status_code == 429
        assert Document(answer.text).one("input", name="link")["value"] == token
