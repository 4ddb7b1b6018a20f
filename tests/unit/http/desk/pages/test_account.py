"""The account: the password, the passkeys, the sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from liveserver.access.people import sign_in
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.user import LinkKind
from liveserver.store.repositories.people.credentials import Credential, NewPasskey
from liveserver.utils.tokens import digest_of, new_token
from tests.support.desk_visitor import PASSWORD, cookie_of, invitation, leads_to, member, told, visitor
from tests.support.documents import Document
from tests.support.people_samples import a_session

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import Site

pytest_plugins = ["tests.support.api.fixtures"]

NEW = "une autre phrase à moi"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


async def signed_in_again(site: Site, name: str, password: str = PASSWORD) -> httpx2.AsyncClient:
    browser = await visitor(site)
    browser.headers["User-Agent"] = CHROME
    answer = await browser.post("/desk/signin", data={"name": name, "password": password})
    assert answer.status_code == 303, answer.text
    return browser


async def principal_of(site: Site, browser: httpx2.AsyncClient, name: str) -> Principal:
    user = await site.parts.store.users.find_by_name(name)
    return Principal(PrincipalKind.USER, user.id, user.name, digest_of(cookie_of(browser) or ""))


async def has_session(browser: httpx2.AsyncClient) -> bool:
    return (await browser.get("/desk")).status_code == 200


async def test_forms_need_a_session(site: Site) -> None:
    """Without one, they lead to the page for signing in, and from there to the account."""
    browser = await visitor(site)
    for path in ("password", "sessions", "passkeys", "identities"):
        answer = await browser.post(f"/desk/account/{path}", data={"end": "others"})
        assert leads_to(answer) == "/desk/signin?next=/desk/account&ended=1"
    ended = "Your session has ended, so nothing was changed. Sign in, and do it again."
    assert told(await browser.get(leads_to(answer))) == ended
    elsewhere = await browser.get(leads_to(answer), headers={"Sec-Fetch-Site": "cross-site"})
    assert ended not in elsewhere.text


async def test_reloading_by_the_address_after_a_form_leads_back(site: Site) -> None:
    """The address is the form's then, where no page is."""
    browser = await member(site, "Ada")
    for path in ("password", "sessions", "passkeys", "identities"):
        assert leads_to(await browser.get(f"/desk/account/{path}")) == "/desk/account"
    assert leads_to(await browser.get("/desk/signout")) == "/desk"
    assert await has_session(browser)


async def test_a_new_password(site: Site) -> None:
    """Ends the other sessions, not this one."""
    here = await member(site, "Ada")
    elsewhere = await signed_in_again(site, "Ada")
    answer = await here.post("/desk/account/password", data={"old": PASSWORD, "new": NEW})
    assert leads_to(answer) == "/desk/account?done=password"
    assert told(await here.get("/desk/account?done=password")).startswith("Your password was changed.")
    assert await has_session(here)
    assert not await has_session(elsewhere)
    assert await has_session(await signed_in_again(site, "Ada", NEW))


@pytest.mark.parametrize(
    ("old", "new", "status", "why", "field"),
    [
        ("wrong", NEW, 403, "The current password is wrong.", "old"),
        (PASSWORD, "short", 422, "The password must have 10 to 200 characters.", "new"),
        (PASSWORD, "", 422, "The password must have 10 to 200 characters.", "new"),
        ("", "", 403, "The current password is wrong.", "old"),
        (PASSWORD, PASSWORD, 422, "The new password must not be the current one.", "new"),
    ],
)
async def test_a_password_that_is_not_changed(
    site: Site, old: str, new: str, status: int, why: str, field: str
) -> None:
    browser = await member(site, "Ada")
    answer = await browser.post("/desk/account/password", data={"old": old, "new": new})
    assert (answer.status_code, told(answer)) == (status, why)
    page = Document(answer.text)
    invalid = [name for name in ("old", "new") if "aria-invalid" in page.one("input", name=name).attributes]
    assert invalid == [field]
    assert "autofocus" in page.one("input", name=field).attributes
    await signed_in_again(site, "Ada")


async def test_sessions_are_listed(site: Site) -> None:
    """By the names of browsers and systems. The one that asks can't be ended here, but by signing out."""
    await member(site, "Ada")
    here = await signed_in_again(site, "Ada")
    text = (await here.get("/desk/account")).text
    assert "Chrome on Linux – This session" in text
    assert "Unknown browser" in text
    ends = [element for element in Document(text).elements if element.attributes.get("name") == "end"]
    assert len(ends) == 2, "the other one, and all others"
    assert all(element["value"] != (cookie_of(here) or "") for element in ends)


async def test_a_session_is_ended(site: Site) -> None:
    elsewhere = await member(site, "Ada")
    here = await signed_in_again(site, "Ada")
    page = Document((await here.get("/desk/account")).text)
    one = next(element for element in page.elements if element.attributes.get("name") == "end")
    for done, sentence in (("session", "The session has ended."), ("gone", "This no longer exists.")):
        answer = await here.post("/desk/account/sessions", data={"end": one["value"]})
        assert leads_to(answer) == f"/desk/account?done={done}"
        assert told(await here.get(f"/desk/account?done={done}")) == sentence
    assert not await has_session(elsewhere)
    assert await has_session(here)


async def test_all_other_sessions_are_ended(site: Site) -> None:
    others = [await member(site, "Ada"), await signed_in_again(site, "Ada")]
    here = await signed_in_again(site, "Ada")
    answer = await here.post("/desk/account/sessions", data={"end": "others"})
    assert leads_to(answer) == "/desk/account?done=others"
    assert [await has_session(browser) for browser in (*others, here)] == [False, False, True]


async def test_nobody_ends_sessions_of_others(site: Site) -> None:
    ada, eve = await member(site, "Ada"), await member(site, "Eve")
    user = await site.parts.store.users.find_by_name("Ada")
    [session] = await site.parts.store.sessions.of_user(user.id)
    answer = await eve.post("/desk/account/sessions", data={"end": session.id})
    assert leads_to(answer) == "/desk/account?done=gone"
    assert await has_session(ada)


async def test_passkeys(site: Site) -> None:
    """Are listed and removed; not the one of somebody else."""
    browser, eve = await member(site, "Ada"), await member(site, "Eve")
    ada = await principal_of(site, browser, "Ada")
    credential = Credential(passkey=NewPasskey("cHJpc20", "a2V5", 0, "Téléphone <b>"))
    await site.parts.store.credentials.change(ada, credential, now())
    page = await browser.get("/desk/account")
    assert "Téléphone &lt;b&gt;" in page.text
    assert "never used" in page.text
    assert Document(page.text).one("button", name="remove")["value"] == "cHJpc20"
    form = {"remove": "cHJpc20"}
    assert leads_to(await eve.post("/desk/account/passkeys", data=form)) == "/desk/account?done=gone"
    assert len(await site.parts.store.credentials.passkeys(ada.id)) == 1
    assert leads_to(await browser.post("/desk/account/passkeys", data=form)) == "/desk/account?done=passkey"
    assert await site.parts.store.credentials.passkeys(ada.id) == []


async def test_the_last_way_to_sign_in_stays(site: Site) -> None:
    """Somebody without a password keeps the only passkey."""
    link, session = await invitation(site, "Ada"), new_token()
    _, ada = await site.parts.store.credentials.link(digest_of(link))
    credential = Credential(passkey=NewPasskey("cHJpc20", "a2V5", 0, "Téléphone"))
    await site.parts.store.credentials.join(digest_of(link), credential, session.digest, a_session(ada))
    browser = await visitor(site)
    browser.cookies.set("liveserver", session.token)
    answer = await browser.post("/desk/account/passkeys", data={"remove": "cHJpc20"})
    assert answer.status_code == 409
    assert told(answer).startswith("This is your only way to sign in.")
    assert "You have no password." in answer.text


async def test_a_first_password(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is set without an old one, within some minutes after signing in; and never in place of one that there is."""
    token = await invitation(site, "Demo", kind=LinkKind.SIGN_IN)
    browser = await visitor(site)
    assert leads_to(await browser.post("/desk/join", data={"link": token})) == "/desk"
    assert "You have no password." in (await browser.get("/desk/account")).text
    with monkeypatch.context() as patch:
        patch.setattr(sign_in, "CONFIRMED_FOR", timedelta(0))
        answer = await browser.post("/desk/account/password", data={"new": NEW})
        assert (answer.status_code, Document(answer.text).one("h1").text) == (403, "Confirm that it’s you")
    answer = await browser.post("/desk/account/password", data={"new": "short"})
    assert answer.status_code == 422
    answer = await browser.post("/desk/account/password", data={"new": NEW})
    assert leads_to(answer) == "/desk/account?done=password"
    answer = await browser.post("/desk/account/password", data={"new": PASSWORD})
    assert (answer.status_code, told(answer)) == (403, "The current password is wrong.")
    await signed_in_again(site, "Demo", NEW)


async def test_only_the_desk_says_that_something_was_done(site: Site) -> None:
    """A link from elsewhere could say it falsely, and unknown words say nothing."""
    browser = await member(site, "Ada")
    assert "told" not in (await browser.get("/desk/account?done=nothing")).text
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    assert 'class="told"' not in (await browser.get("/desk/account?done=password")).text
