"""Signing in by name and password, and signing out; and what attackers try there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.access.people.passwords import THREADS, WAITING_MAX
from liveserver.access.people.sign_in import TRIES
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.http.desk.pages.form import FIELDS_MAX, FORM_MAX
from liveserver.store.repositories.people.users import UserChange
from tests.support.api.site import BASE
from tests.support.desk_visitor import OWN, PASSWORD, cookie_of, leads_to, member, told, visitor
from tests.support.documents import Document
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import Site

pytest_plugins = ["tests.support.api.fixtures"]

WRONG = "The name or the password is wrong."


async def sign_in(client: httpx2.AsyncClient, name: str, password: str = PASSWORD, **more: str) -> httpx2.Response:
    return await client.post("/desk/signin", data={"name": name, "password": password, **more})


async def test_the_page(site: Site) -> None:
    """A form that password managers and passkeys understand, and that works without the script."""
    answer = await (await visitor(site)).get("/desk/signin?next=/desk/account")
    assert answer.status_code == 200
    page = Document(answer.text)
    assert page.one("form")["action"] == "/desk/signin"
    assert page.one("input", name="next")["value"] == "/desk/account"
    assert page.one("input", name="name")["autocomplete"] == "username webauthn"
    assert page.one("input", name="password")["autocomplete"] == "current-password"
    assert "set-cookie" not in answer.headers


async def test_signing_in(site: Site) -> None:
    """Leads to the page that was asked for. Upper and lower case of the name are the same."""
    await member(site, "Ada Lovelace")
    browser = await visitor(site)
    assert leads_to(await browser.get("/desk/account")) == "/desk/signin?next=/desk/account"
    answer = await sign_in(browser, "ada lovelace", next="/desk/account")
    assert leads_to(answer) == "/desk/account"
    cookie = answer.headers["set-cookie"]
    assert {part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]} == {
        *("httponly", "max-age", "path", "samesite")
    }
    assert (await browser.get("/desk/account")).status_code == 200
    assert leads_to(await browser.get("/desk/signin?next=/desk/account")) == "/desk/account", "already"


async def test_a_redirect_never_leaves_the_desk(site: Site) -> None:
    """Neither after signing in, nor for somebody who is signed in. `test_destination.py` has all disguises."""
    browser = await member(site, "Ada")
    for evil in ("//evil.example", "/\\evil.example", "https://evil.example/desk", "/desk@evil.example"):
        assert leads_to(await browser.get("/desk/signin", params={"next": evil})) == "/desk"
        assert leads_to(await sign_in(browser, "Ada", next=evil)) == "/desk"
        other = await visitor(site)
        page = Document((await other.get("/desk/signin", params={"next": evil})).text)
        assert page.one("input", name="next")["value"] == "/desk"


async def test_a_wrong_password(site: Site) -> None:
    """Is told in the page, which keeps the name, escaped, and puts the focus into the password's field."""
    await member(site, "Ada")
    browser = await visitor(site)
    for name in ("Ada", '"><script>alert(1)</script>', ""):
        answer = await sign_in(browser, name, "something else")
        assert answer.status_code == 401
        assert told(answer) == WRONG
        page = Document(answer.text)
        assert page.one("input", name="name")["value"] == name
        password = page.one("input", name="password")
        assert (password["aria-invalid"], password["aria-describedby"]) == ("true", "error")
        assert ("autofocus" in password.attributes) == bool(name)
        assert "value" not in password.attributes
        assert "set-cookie" not in answer.headers
    assert cookie_of(browser) is None


async def test_a_disabled_user(site: Site) -> None:
    """Learns it with the right password only."""
    await member(site, "Ada")
    user = await site.parts.store.users.find_by_name("Ada")
    await site.parts.store.users.edit(user.id, UserChange(disabled=True), NEWSROOM, now())
    browser = await visitor(site)
    assert told(await sign_in(browser, "Ada", "something else")) == WRONG
    answer = await sign_in(browser, "Ada")
    assert answer.status_code == 401
    assert told(answer).startswith("This account isn’t active")


async def test_too_many_tries(site: Site) -> None:
    """Are told with the time after which to try again, and the name is kept."""
    browser = await visitor(site)
    for _ in range(TRIES):
        assert (await sign_in(browser, "Ada", "something else")).status_code == 401
    answer = await sign_in(browser, "Ada", "something else")
    assert answer.status_code == 429
    assert told(answer) == "Too many tries. Try again in 1 min."
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert Document(answer.text).one("input", name="name")["value"] == "Ada"


async def test_too_many_people_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.parts.sign_in.passwords, "_inside", THREADS + WAITING_MAX)
    answer = await sign_in(await visitor(site), "Ada")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert told(answer).startswith("Many people are signing in")


async def test_a_session_is_new_at_each_sign_in(site: Site) -> None:
    """The one that a browser had before ends: somebody else may know it (session fixation)."""
    first = await member(site, "Ada")
    old = cookie_of(first)
    assert leads_to(await sign_in(first, "Ada")) == "/desk"
    assert cookie_of(first) != old
    thief = await visitor(site)
    thief.cookies.set("liveserver", old or "")
    assert leads_to(await thief.get("/desk")) == "/desk/signin?next=/desk"
    user = await site.parts.store.users.find_by_name("Ada")
    assert len(await site.parts.store.sessions.of_user(user.id)) == 1


async def test_a_token_that_came_before_is_never_kept(site: Site) -> None:
    """An attacker who has set somebody's cookie doesn't share the session that then begins."""
    await member(site, "Ada")
    browser = await visitor(site)
    planted = "A" * 43
    browser.cookies.set("liveserver", planted)
    answer = await sign_in(browser, "Ada")
    assert f"liveserver={planted}" not in answer.headers["set-cookie"]
    thief = await visitor(site)
    thief.cookies.set("liveserver", planted)
    assert leads_to(await thief.get("/desk")) == "/desk/signin?next=/desk"


FOREIGN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {},
)
FORMS = ("signin", "signout", "join", "account/password", "account/sessions", "account/passkeys")


async def test_forms_of_other_sites_are_refused(site: Site) -> None:
    """Also the one that would sign somebody in as the attacker (login CSRF)."""
    browser = await member(site, "Ada")
    before = cookie_of(browser)
    del browser.headers["sec-fetch-site"]
    for headers in FOREIGN:
        for path in FORMS:
            answer = await browser.post(f"/desk/{path}", data={"name": "Ada", "password": PASSWORD}, headers=headers)
            assert answer.status_code == 403, (path, headers)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "set-cookie" not in answer.headers
    assert cookie_of(browser) == before
    assert (await browser.get("/desk")).status_code == 200


async def test_a_browser_without_fetch_metadata_names_its_origin(site: Site) -> None:
    await member(site, "Ada")
    browser = await visitor(site)
    del browser.headers["sec-fetch-site"]
    browser.headers["Origin"] = BASE
    assert leads_to(await sign_in(browser, "Ada")) == "/desk"


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"name=" + b"a" * FORM_MAX, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a%d=b" % number for number in range(FIELDS_MAX + 1)), "application/x-www-form-urlencoded", 422),
        (b"name=%FF", "application/x-www-form-urlencoded", 422),
        (b"name=\xff", "application/x-www-form-urlencoded", 422),
        (b'{"name": "Ada"}', "application/json", 415),
        (b"name=Ada", "text/plain", 415),
        (b"name=Ada", "", 415),
    ],
)
async def test_what_is_no_form(site: Site, content: bytes, media_type: str, status: int) -> None:
    """Is refused with a page, before anything is looked up."""
    browser = await visitor(site)
    answer = await browser.post("/desk/signin", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


async def test_odd_values_are_wrong_names(site: Site) -> None:
    """Zero bytes, names and passwords that are too long, fields twice or not at all."""
    browser = await visitor(site)
    for form in (
        b"name=%00&password=%00",
        b"name=a&name=b",
        b"",
        b"password=" + b"a" * 300,
        b"name=" + b"%C3%9F" * 300,
    ):
        answer = await browser.post(
            "/desk/signin", content=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 401, form


async def test_bad_cookies_are_no_error(site: Site) -> None:
    browser = await visitor(site)
    unknown = b"liveserver=" + b"A" * 43
    for cookies in (b"liveserver=", b"liveserver=a", b'liveserver="', unknown, b";;=;", b"a" * 9_000, b"\xff"):
        answer = await browser.get("/desk/signin", headers=[(b"Cookie", cookies)])
        assert answer.status_code == 200, cookies


async def test_signing_out(site: Site) -> None:
    """Ends the session itself, not only the cookie. Once more, it does nothing."""
    browser = await member(site, "Ada", Role.OWNER)
    token = cookie_of(browser)
    assert leads_to(await browser.post("/desk/signout")) == "/desk/signin"
    assert cookie_of(browser) is None
    browser.cookies.set("liveserver", token or "")
    assert leads_to(await browser.get("/desk")) == "/desk/signin?next=/desk"
    assert leads_to(await browser.post("/desk/signout")) == "/desk/signin"
    assert leads_to(await browser.get("/desk/signout")) == "/desk"


async def test_french(site: Site) -> None:
    answer = await (await visitor(site)).get("/desk/signin", headers={**OWN, "Accept-Language": "fr-CA,en;q=0.5"})
    assert "Connexion à la rédaction" in answer.text
    assert 'lang="fr"' in answer.text


async def test_methods(site: Site) -> None:
    """A 405 names all that are allowed."""
    answer = await (await visitor(site)).put("/desk/signin")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
