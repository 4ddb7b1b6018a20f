"""Signing in by name and password, and signing out; and what attackers try there."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from liveserver.access.people.passwords import ADDRESSES_MAX, LENGTH_MAX
from liveserver.access.people.sign_in import WrongPassword
from liveserver.access.people.sign_in_tries import TRIES
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.http.desk.pages.form import FIELDS_MAX, FORM_MAX
from liveserver.store.repositories.people.users import UserChange
from liveserver.utils.limits.refusals import LogInterval
from tests.support.api.desk import HERE
from tests.support.api.site import BASE, started
from tests.support.desk_visitor import OWN, PASSWORD, cookie_of, invitation, leads_to, member, told, visitor
from tests.support.documents import Document
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    import httpx2

    from liveserver.settings import Settings
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


async def test_too_many_people_at_once(site: Site) -> None:
    """Cost nobody a try. Those who are signed in may change their password meanwhile."""
    browser, visiting = await member(site, "Ada"), await visitor(site)
    with ExitStack() as stack:
        for address in range(ADDRESSES_MAX):
            stack.enter_context(site.parts.sign_in.passwords.place_of_address(address, crowd=False))
        for _ in range(2 * TRIES):
            answer = await sign_in(visiting, "Ada")
            assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert told(answer).startswith("Many people are signing in")
        changed = await browser.post("/desk/account/password", data={"old": PASSWORD, "new": PASSWORD[::-1]})
        assert leads_to(changed) == "/desk/account?done=password"
    assert (await sign_in(visiting, "Ada", PASSWORD[::-1])).status_code == 303


async def test_too_many_people_at_once_cost_an_address_no_try(settings: Settings) -> None:
    """Neither to sign in nor to join: the address has one try, and then uses it."""
    limited = settings.model_copy(update={"limit_sign_in": 1, "limit_exempt": "", "forwarded_allow_ips": ""})
    async with started(limited) as site:
        token, browser = await invitation(site, "Ada"), await visitor(site)
        link = {"link": token, "password": PASSWORD}
        with ExitStack() as stack:
            for address in range(ADDRESSES_MAX):
                stack.enter_context(site.parts.sign_in.passwords.place_of_address(address, crowd=False))
            for _ in range(3):
                assert (await sign_in(browser, "Ada")).status_code == 503
                assert (await browser.post("/desk/join", data=link)).status_code == 503
        assert (await browser.post("/desk/join", data=link)).status_code == 303
        assert (await sign_in(browser, "Ada")).status_code == 429


async def test_strangers_cannot_keep_somebody_who_is_signed_in_from_proving_it(site: Site) -> None:
    """Wrong tries of the name don't count for the session, nor the other way round."""
    browser, stranger = await member(site, "Ada"), await visitor(site)
    for _ in range(TRIES + 1):
        answer = await sign_in(stranger, "Ada", "something else")
    assert answer.status_code == 429
    confirm = "/desk/api/v1/session/confirm"
    for _ in range(2 * TRIES):
        assert (await browser.post(confirm, json={"password": PASSWORD})).status_code == 200
    for wrong in ("something else", "a" * (LENGTH_MAX + 1)):
        assert (await browser.post(confirm, json={"password": wrong})).status_code == 422
    for _ in range(TRIES - 2):
        await browser.post("/desk/account/password", data={"old": "something else", "new": PASSWORD[::-1]})
    assert (await browser.post(confirm, json={"password": PASSWORD})).status_code == 429


async def test_an_address_that_has_used_up_its_tries_keeps_nobody_from_proving_who_they_are(settings: Settings) -> None:
    limited = settings.model_copy(update={"limit_sign_in": 1, "limit_exempt": "", "forwarded_allow_ips": ""})
    async with started(limited) as site:
        browser = await member(site, "Ada")
        assert (await sign_in(await visitor(site), "Ada")).status_code == 429
        assert (await browser.post("/desk/api/v1/session/confirm", json={"password": PASSWORD})).status_code == 200


async def test_a_name_that_was_taken_over_confirms_nobody_else(site: Site) -> None:
    """The password of whoever has the name now isn't that of the session's user."""
    browser = await member(site, "Ada")
    assert (await browser.post("/desk/account/password", data={"old": PASSWORD, "new": PASSWORD[::-1]})).is_redirect
    actor = await site.parts.desk_sessions.authenticate(f"liveserver={cookie_of(browser)}", None)
    assert actor is not None
    principal = actor.actor.principal
    await site.parts.store.users.edit(principal.id, UserChange(name="Augusta"), NEWSROOM, now())
    await member(site, "Ada")
    with pytest.raises(WrongPassword):
        await site.parts.sign_in.confirm_with_password(actor, PASSWORD, HERE)


async def test_what_is_logged_of_wrong_tries(site: Site) -> None:
    """One line in a while. What is nobody's name may be a password, and isn't in it."""
    await member(site, "Ada")
    browser = await visitor(site)
    for names in (["Ada", "x"], [PASSWORD, "Ada"]):
        site.parts.sign_in._refused_lines = LogInterval()
        with capture_logs() as lines:
            for name in names:
                await sign_in(browser, name, "something else")
        [line] = [line for line in lines if line["event"] == "user.refused"]
        assert (line["name"], line["count"]) == ("Ada" if names[0] == "Ada" else None, 1)
        assert PASSWORD not in str(lines)


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


async def test_cookies_of_other_applications_on_the_host_are_no_hindrance(site: Site) -> None:
    """`test_cookies.py` has all sorts of them."""
    token = cookie_of(await member(site, "Ada")) or ""
    browser = await visitor(site)
    for other in (b"x=a b c", b'a="unclosed', b"\xe9=1", b"path=/x", b"\xa0liveserver=planted"):
        headers = [(b"Cookie", b"%b; liveserver=%b; %b" % (other, token.encode(), other))]
        assert (await browser.get("/desk/account", headers=headers)).status_code == 200, other


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
