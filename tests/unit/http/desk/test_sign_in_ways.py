"""The endpoints of passkeys and of the provider: from the desk's own pages only, by cookies that no script can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from liveserver.http.desk.passkey_routes import BODY_MAX
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.site import Site, started
from tests.support.desk_browser import ORIGIN, OWN, Browser, cookie, link
from tests.support.documents import Document
from tests.support.openid_server import CLIENT_ID, CLIENT_SECRET
from tests.support.soft_authenticator import SoftPasskey

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.support.api.site import Site
    from tests.support.openid_server import OpenIdServer

SIGN_IN, JOIN, ADD, CONFIRM = (f"/desk/signin/passkey/{name}" for name in ("sign-in", "join", "add", "confirm"))


async def test_a_passkey_s_challenge_is_in_a_cookie_for_five_minutes_that_no_script_reads(browser: Browser) -> None:
    response = await browser.post(f"{SIGN_IN}/options", {})
    assert response.headers["cache-control"] == "no-store"
    parts = cookie(response, "__Host-liveserver-passkey-sign-in").split("; ")
    assert {"HttpOnly", "Max-Age=300", "Path=/", "SameSite=lax", "Secure"} == set(parts[1:])


async def test_pages_have_the_buttons_which_the_script_shows(browser: Browser) -> None:
    page = Document((await browser.http.get("/desk/signin")).text)
    assert "hidden" in page.one("button", **{"data-passkey": "sign-in"}).attributes
    token = await link(browser.site, "Ada")
    page = Document((await browser.http.post("/desk/join", data={"link": token}, headers=OWN)).text)
    assert "hidden" in page.one("button", **{"data-passkey": "join"}).attributes
    await browser.joined("Bob")
    page = Document((await browser.http.get("/desk/account")).text)
    assert "hidden" in page.one("button", **{"data-passkey": "add"}).attributes


async def test_joining_and_signing_in_begin_sessions_below_the_site_s_path(browser: Browser) -> None:
    joined = await browser.joined("Ada")
    assert joined.json() == {"next": "/news/desk"}
    assert "HttpOnly" in cookie(joined, "__Host-liveserver")
    assert "Max-Age=0" in cookie(joined, "__Host-liveserver-passkey-join")
    assert (await browser.http.get("/desk/account")).status_code == 200
    assert (await browser.signed_in(next="/desk/account?x=1")).json() == {"next": "/news/desk/account?x=1"}


async def test_a_page_for_signing_in_in_another_tab_takes_no_challenge_away(browser: Browser) -> None:
    """Such a page asks for a new one every few minutes, with the same browser's cookies."""
    token = await link(browser.site, "Ada")
    options = await browser.post(f"{JOIN}/options", {"token": token})
    await browser.post(f"{SIGN_IN}/options", {})
    joined = await browser.post(JOIN, {"token": token, "answer": browser.passkey.made(options.json())})
    assert joined.json() == {"next": "/news/desk"}


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/desk/../evil", "/desk/signout"])
async def test_a_sign_in_leads_to_the_desk_only(browser: Browser, wanted: str) -> None:
    await browser.joined("Ada")
    assert (await browser.signed_in(next=wanted)).json() == {"next": "/news/desk"}


async def test_the_state_is_in_the_cookie_of_that_very_name(browser: Browser) -> None:
    """Not in one whose name has another space around it, which a page of another host of the domain can set."""
    await browser.joined("Ada")
    options = (await browser.post(f"{SIGN_IN}/options", {})).json()
    state = browser.http.cookies["__Host-liveserver-passkey-sign-in"]
    browser.http.cookies.clear()
    answer = {"answer": browser.passkey.signed(options)}
    statuses = []
    for before in (b"\xa0", b"a b; "):
        headers = [
            (b"Cookie", before + b"__Host-liveserver-passkey-sign-in=" + state.encode()),
            (b"Sec-Fetch-Site", b"same-origin"),
        ]
        statuses.append((await browser.http.post(SIGN_IN, json=answer, headers=headers)).status_code)
    assert statuses == [401, 200]


async def test_a_sign_in_ends_the_session_that_the_browser_had(browser: Browser) -> None:
    before = cookie(await browser.joined("Ada"), "__Host-liveserver").partition(";")[0]
    after = cookie(await browser.signed_in(), "__Host-liveserver").partition(";")[0]
    assert before != after
    sessions = browser.site.parts.desk_sessions
    assert await sessions.authenticate(before, None) is None
    assert await sessions.authenticate(after, None) is not None


@pytest.mark.parametrize("path", [f"{path}{end}" for path in (SIGN_IN, JOIN, ADD, CONFIRM) for end in ("/options", "")])
async def test_other_sites_pages_can_use_no_passkey(browser: Browser, path: str) -> None:
    await browser.joined("Ada")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {},
    ):
        response = await browser.http.post(path, json={"token": "x", "answer": {}}, headers=headers)
        assert response.status_code == 403
        assert "set-cookie" not in response.headers


async def test_a_passkey_is_added_and_confirms_in_a_session_only(browser: Browser) -> None:
    for path in (ADD, CONFIRM):
        assert (await browser.post(f"{path}/options", {})).status_code == 401
        assert (await browser.post(path, {"answer": {}})).status_code == 401
    await browser.joined("Ada")
    options = await browser.post(f"{CONFIRM}/options", {})
    confirmed = await browser.post(CONFIRM, {"answer": browser.passkey.signed(options.json())})
    assert confirmed.json() == {"next": "/news/desk"}
    for wanted, path in (("/desk/account", "/desk/account?done=confirmed"), ("https://evil.example/desk", "/desk")):
        options = await browser.post(f"{CONFIRM}/options", {})
        content = {"answer": browser.passkey.signed(options.json()), "next": wanted}
        assert (await browser.post(CONFIRM, content)).json() == {"next": f"/news{path}"}
    options = await browser.post(f"{ADD}/options", {})
    added = await browser.post(ADD, {"answer": SoftPasskey(ORIGIN, "live.test").made(options.json())})
    assert added.json() == {"next": "/news/desk/account?done=passkey-made"}
    assert (
        "The passkey was added."
        in (await browser.http.get(added.json()["next"].removeprefix("/news"), headers=OWN)).text
    )


async def test_bad_bodies_are_refused(browser: Browser) -> None:
    assert (await browser.post(SIGN_IN, {"answer": {}, "x": 1})).status_code == 422
    assert (await browser.post(SIGN_IN, {})).status_code == 422
    assert (await browser.post(SIGN_IN, {"answer": {"x": "x" * BODY_MAX}})).status_code == 413
    assert (await browser.post(f"{JOIN}/options", {"token": "x"})).status_code == 401
    assert (await browser.http.get(f"{SIGN_IN}/options")).status_code == 405


async def test_a_site_whose_address_is_none_for_passkeys_offers_none(site: Site) -> None:
    browser = Browser(site)
    assert (await browser.post(f"{SIGN_IN}/options", {})).status_code == 404
    assert (await browser.departed()).status_code == 404
    assert "data-passkey" not in (await browser.http.get("/desk/signin")).text
    await browser.http.aclose()


async def test_a_user_joins_and_signs_in_by_the_provider(browser: Browser) -> None:
    page = await browser.departed(
        **{"for": "join", "link": f"{ORIGIN}/news/desk/join#{await link(browser.site, 'Ada')}"}
    )
    assert page.status_code == 200
    assert "Acme &amp; &lt;Co&gt;" in page.text
    parts = cookie(page, "__Host-liveserver-provider").split("; ")
    assert {"HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax", "Secure"} == set(parts[1:])
    arrived = await browser.arrived(page)
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/news/desk")
    assert "Max-Age=0" in cookie(arrived, "__Host-liveserver-provider")
    browser.http.cookies.clear()
    for wanted, path in (("/desk/account", "/news/desk/account"), ("https://evil.example", "/news/desk")):
        arrived = await browser.arrived(await browser.departed(next=wanted))
        assert arrived.headers["location"] == path


async def test_a_user_connects_the_provider_and_confirms_by_it(browser: Browser) -> None:
    await browser.joined("Ada")
    for purpose, wanted, path in (
        ("add", "", "/desk/account?done=provider"),
        ("confirm", "/desk/account", "/desk/account?done=confirmed"),
        ("confirm", "/desk/x?y=1", "/desk/x?y=1"),
        ("confirm", "https://evil.example/desk", "/desk"),
    ):
        arrived = await browser.arrived(await browser.departed(**{"for": purpose, "next": wanted}))
        assert arrived.headers["location"] == f"/news{path}"
        assert not [each for each in arrived.headers.get_list("set-cookie") if each.startswith("__Host-liveserver=")]


async def test_a_flow_begins_in_the_desk_s_own_pages_only(browser: Browser) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        response = await browser.http.post("/desk/signin/provider", data={"for": "sign-in"}, headers=headers)
        assert response.status_code == 403
        assert "set-cookie" not in response.headers
    assert (await browser.http.get("/desk/signin/provider")).headers["location"] == "/news/desk/signin"
    assert (await browser.departed(**{"for": "anything"})).status_code == 422


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({}, 403, "Nobody here is connected"),
        ({"refuses": "<b>"}, 401, "sent you back"),
        ({"claims": {"nonce": "x"}}, 401, "wasn’t right"),
    ],
    ids=["unknown", "denied", "bad token"],
)
async def test_what_went_wrong_is_told_in_our_words(
    browser: Browser, provider: OpenIdServer, change: dict[str, Any], status: int, text: str
) -> None:
    for name, value in change.items():
        setattr(provider, name, value)
    arrived = await browser.arrived(await browser.departed())
    assert arrived.status_code == status
    assert text in arrived.text
    assert "555" not in arrived.text
    assert "<b>" not in arrived.text
    assert "frame-ancestors 'none'" in arrived.headers["content-security-policy"]


async def test_a_link_to_the_way_back_alone_does_nothing(browser: Browser) -> None:
    response = await browser.http.get("/desk/signin/provider/callback?code=x&state=y")
    assert response.status_code == 401
    assert "Begin again" in response.text


async def test_a_refusal_on_the_way_back_is_counted_once(settings: Settings, provider: OpenIdServer) -> None:
    """Too many tries, and those that went wrong otherwise."""
    limited = {"limit_sign_in": 1, "limit_exempt": "", "forwarded_allow_ips": "", "public_url": ORIGIN}
    oidc = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
    async with started(settings.model_copy(update={**limited, **oidc})) as site:
        browser = Browser(site)
        for status, reason in ((401, Reason.SESSION), (429, Reason.RATE)):
            before = refusals.counts
            response = await browser.http.get("/desk/signin/provider/callback?code=x&state=y")
            assert response.status_code == status
            new = {each: count - before[each] for each, count in refusals.counts.items()}
            assert {each: count for each, count in new.items() if count} == {reason: 1}
        await browser.http.aclose()


async def test_a_provider_that_is_away_is_told_and_passwords_are_offered(
    browser: Browser, provider: OpenIdServer
) -> None:
    provider.status = 500
    response = await browser.departed()
    assert response.status_code == 503
    assert "can’t be reached" in response.text
    assert 'href="/news/desk/signin"' in response.text


async def test_nothing_of_the_flow_is_in_the_address_but_what_has_to_be(browser: Browser) -> None:
    page = await browser.departed()
    address = page.text.partition('content="0;url=')[2].partition('"')[0].replace("&amp;", "&")
    query = dict(parse_qsl(urlsplit(address).query))
    assert query["code_challenge_method"] == "S256"
    assert set(query) == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert CLIENT_SECRET not in page.text
