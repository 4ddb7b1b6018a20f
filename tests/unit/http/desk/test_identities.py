"""Identities: how a person who has nothing but a provider confirms, and how identities are listed and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.ids import now
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.proofs import Proof
from tests.support.api.desk import DESK, stale
from tests.support.desk_browser import ORIGIN, OWN, Browser, link
from tests.support.documents import Document

if TYPE_CHECKING:
    from liveserver.domain.people.principal import Principal
    from tests.support.openid_server import OpenIdServer


async def only_the_provider(browser: Browser) -> Principal:
    """Join by the provider alone, and let so much time pass that the sign-in is no proof any more."""
    token = await link(browser.site, "Ada")
    await browser.arrived(await browser.departed(**{"for": "join", "link": f"{ORIGIN}/news/desk/join#{token}"}))
    sessions = browser.site.parts.desk_sessions
    actor = await sessions.authenticate(f"{sessions.cookie}={browser.http.cookies[sessions.cookie]}", None)
    assert actor is not None
    await stale(browser.site, actor.actor.principal)
    return actor.actor.principal


async def test_a_user_without_password_and_passkey_confirms_by_the_provider_alone(browser: Browser) -> None:
    """Every form that needs a proof is answered with the page that offers it, and it leads back."""
    ada = await only_the_provider(browser)
    [identity] = await browser.site.parts.store.credentials.identities(ada.id)
    for path, form in (
        ("/desk/account/password", {"new": "une phrase bien longue"}),
        ("/desk/account/identities", {"remove": identity.id}),
        ("/desk/account/passkeys", {"remove": "x"}),
        ("/desk/signin/provider", {"for": "add"}),
    ):
        asked = await browser.http.post(path, data=form, headers=OWN)
        assert (asked.status_code, asked.headers["cache-control"]) == (403, "no-store"), path
        page = Document(asked.text)
        assert page.one("h1").text == "Confirm that it’s you"
        assert page.one("input", name="for")["value"] == "confirm"
        assert page.one("input", name="next")["value"] == "/desk/account"
        assert "Continue with Acme &amp; &lt;Co&gt;" in asked.text
        assert "password" not in [each.attributes.get("type") for each in page.elements]
        assert "data-passkey" not in asked.text
    arrived = await browser.arrived(await browser.departed(**{"for": "confirm", "next": "/desk/account"}))
    assert arrived.headers["location"] == "/news/desk/account?done=confirmed"
    # The browser comes from another site; that the user has confirmed is known here.
    back = await browser.http.get("/desk/account?done=confirmed", headers={"Sec-Fetch-Site": "cross-site"})
    assert "Confirmed." in Document(back.text).one("p", role="status").text
    done = await browser.http.post("/desk/account/password", data={"new": "une phrase bien longue"}, headers=OWN)
    assert done.headers["location"] == "/news/desk/account?done=password"


async def test_only_what_was_confirmed_is_said_to_be(browser: Browser) -> None:
    await only_the_provider(browser)
    for done in ("confirmed", "identity", "password"):
        page = await browser.http.get(f"/desk/account?done={done}", headers={"Sec-Fetch-Site": "cross-site"})
        assert 'role="status"' not in page.text, done


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"claims": {"auth_time": None}}, "confirm in another way"),
        ({"subject": "somebody else"}, "you are somebody else"),
        ({"refuses": "access_denied"}, "sent you back"),
    ],
    ids=["not fresh", "somebody else", "denied"],
)
async def test_a_confirmation_that_fails_leads_to_the_other_ways(
    browser: Browser, provider: OpenIdServer, change: dict[str, Any], text: str
) -> None:
    """And from there back to where the person was."""
    await only_the_provider(browser)
    for name, value in change.items():
        setattr(provider, name, value)
    arrived = await browser.arrived(await browser.departed(**{"for": "confirm", "next": "/desk/x?y=1"}))
    assert text in arrived.text
    way_back = Document(arrived.text).one("a", **{"class": "button"})["href"]
    assert way_back == "/news/desk/confirm?next=/desk/x%3Fy%3D1"
    page = Document((await browser.http.get(way_back.removeprefix("/news"), headers=OWN)).text)
    assert page.one("input", name="next")["value"] == "/desk/x?y=1"
    again = await browser.http.post("/desk/account/identities", data={"remove": "x"}, headers=OWN)
    assert again.status_code == 403, "nothing was confirmed"


async def test_an_identity_is_listed_and_removed_but_not_the_last_way(browser: Browser) -> None:
    await only_the_provider(browser)
    await browser.arrived(await browser.departed(**{"for": "confirm"}))
    page = Document((await browser.http.get("/desk/account", headers=OWN)).text)
    remove = page.one("button", name="remove")
    assert remove["aria-label"] == "Remove the connection with Acme & <Co>"
    form = {"remove": remove["value"]}
    for language, why in (("en", "This is your only way to sign in."), ("fr", "C’est votre seul moyen de vous")):
        answer = await browser.http.post(
            "/desk/account/identities", data=form, headers={**OWN, "Accept-Language": language}
        )
        assert answer.status_code == 409
        assert Document(answer.text).one("p", role="alert").text.startswith(why)
    await browser.http.post("/desk/account/password", data={"new": "une phrase bien longue"}, headers=OWN)
    for done, text in (("identity", "no longer connected"), ("gone", "no longer exists")):
        answer = await browser.http.post("/desk/account/identities", data=form, headers=OWN)
        assert answer.headers["location"] == f"/news/desk/account?done={done}"
        assert text in (await browser.http.get(f"/desk/account?done={done}", headers=OWN)).text
    browser.http.cookies.clear()
    assert (await browser.arrived(await browser.departed())).status_code == 403


async def test_identities_in_the_api(browser: Browser) -> None:
    """Listed with the provider's name; removed after a proof, with an act, and never the last way."""
    ada = await only_the_provider(browser)
    store = browser.site.parts.store
    await store.credentials.change(ada, Credential(identity=("https://old.example.org/realms/x", "7")), now())
    items = (await browser.http.get(f"{DESK}/identities")).json()["items"]
    assert [(each["provider"], each["subject"]) for each in items] == [
        ("Acme & <Co>", "4711"),
        ("old.example.org", "7"),
    ]
    current, old = (f"{DESK}/identities/{each['id']}" for each in items)
    asked = await browser.http.delete(current, headers=OWN)
    assert (asked.status_code, asked.json()["type"]) == (403, "urn:liveserver:problem:not-confirmed")
    await store.sessions.confirmed(ada, Proof(identity=("https://old.example.org/realms/x", "7")), now())
    assert (await browser.http.delete(current)).json()["type"] == "urn:liveserver:problem:other-site"
    # Nobody can sign in by a provider that the site had in the past.
    assert (await browser.http.delete(current, headers=OWN)).status_code == 409
    for status in (204, 404):
        assert (await browser.http.delete(old, headers=OWN)).status_code == status
    acts, _ = await store.acts.page(ActFilter(ada.id, action="user.identity_removed"), limit=10)
    assert [act.details for act in acts] == [{"issuer": "https://old.example.org/realms/x"}]
