"""People join and sign in by passkey, with the browser's virtual authenticator, and by a provider that really runs."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from liveserver.access.people.sign_in import CONFIRMED_FOR
from liveserver.domain.ids import now
from liveserver.store import Store
from liveserver.store.tables import sessions
from tests.acceptance.browsing import pages
from tests.acceptance.serving import ForkedServer, started
from tests.acceptance.test_people import check
from tests.support.openid_server import CLIENT_ID, CLIENT_SECRET, OpenIdServer, openid_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, CDPSession, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTHENTICATOR = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@asynccontextmanager
async def desk_on(directory: Path, **settings: str) -> AsyncIterator[ForkedServer]:
    """A server whose address is one for passkeys: a name, not a number."""
    server = ForkedServer(directory, **settings)
    server.url = server.settings["public_url"] = f"http://localhost:{server.port}"
    async with started(server):
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncIterator[OpenIdServer]:
    async with openid_server() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory, provider: OpenIdServer) -> AsyncIterator[ForkedServer]:
    settings = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_name": "Acme",
    }
    async with desk_on(tmp_path_factory.mktemp("desk"), **settings) as server:
        yield server


async def link(desk: ForkedServer, name: str) -> str:
    """The link of a new user."""
    done = await desk.run("users", "invite", name, "--role", "editor")
    assert done.status == 0, done.stderr
    return done.stdout.strip()


async def authenticator(page: Page, **options: Any) -> tuple[CDPSession, str]:
    """A virtual authenticator for the page."""
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("WebAuthn.enable")
    made = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": {**AUTHENTICATOR, **options}})
    return cdp, made["authenticatorId"]


async def joined(page: Page, name: str) -> None:
    """Make a passkey instead of a password, and come to the desk's first page."""
    await page.get_by_role("button", name="Make a passkey instead").click()
    await page.wait_for_url("**/desk")
    assert await page.locator("h1").inner_text() == name


async def signed_out(page: Page) -> None:
    """Sign out, and come to the page for signing in."""
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/desk/signin")


async def test_a_passkey_from_the_first_link_to_its_removal(desk: ForkedServer, browser: Browser) -> None:
    """Join with a passkey, sign in with it, add another, confirm by it, and remove it."""
    async with pages(browser) as open_page:
        page = await open_page(await link(desk, "Ada"), outages=True)
        cdp, key = await authenticator(page)
        await joined(page, "Ada")
        await signed_out(page)
        # Virtual authenticators answer the browser's own offer at once; the button is for people.
        await page.wait_for_url("**/desk")
        await page.goto(f"{desk.url}/desk/account")
        assert await page.get_by_role("button", name="Remove Linux").count() == 1
        await check(page)

        await page.get_by_role("button", name="Add a passkey").click()
        alert = page.get_by_role("alert")
        await alert.wait_for()
        assert await alert.inner_text() == "There is a passkey for you on this device already."

        await cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})
        _, second = await authenticator(page)
        await page.get_by_role("button", name="Add a passkey").click()
        await page.wait_for_url("**/desk/account?done=passkey-made")
        assert await page.get_by_role("status").inner_text() == "The passkey was added."
        assert await page.get_by_role("button", name="Remove Linux").count() == 2

        confirmed = await page.evaluate(CONFIRM)
        assert confirmed == 200

        await page.get_by_role("button", name="Remove Linux").first.click()
        await page.wait_for_url("**/desk/account?done=passkey")
        await page.get_by_role("button", name="Remove Linux").click()
        assert "your only way to sign in" in await page.get_by_role("alert").inner_text()
        await cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": second})


CONFIRM = """async () => {
  const post = (path, body) => fetch(`/desk/signin/passkey/${path}`, { method: "POST", body: JSON.stringify(body) });
  const options = await (await post("confirm/options", {})).json();
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const answer = (await navigator.credentials.get({ publicKey })).toJSON();
  return (await post("confirm", { answer })).status;
}"""


async def test_the_button_signs_in_and_leads_to_the_page_that_was_asked_for(
    desk: ForkedServer, browser: Browser
) -> None:
    async with pages(browser) as open_page:
        page = await open_page(await link(desk, "Bob"))
        await authenticator(page)
        await joined(page, "Bob")
        # Without this the browser's own offer would be taken at once.
        await page.context.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
        await signed_out(page)
        await page.goto(f"{desk.url}/desk/account")
        await page.wait_for_url("**/desk/signin?next=/desk/account")
        await check(page)
        await page.get_by_role("button", name="Use a passkey").click()
        await page.wait_for_url("**/desk/account")


async def test_what_goes_wrong_is_said_in_the_page_s_language(desk: ForkedServer, browser: Browser) -> None:
    async with pages(browser) as open_page:
        page = await open_page(await link(desk, "Zoé"), locale="fr-FR", outages=True)
        cdp, key = await authenticator(page)
        await cdp.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
        await page.get_by_role("button", name="Créer une clé d’accès").click()
        alert = page.get_by_role("alert")
        await alert.wait_for()
        assert "Aucune clé d’accès n’a servi" in await alert.inner_text()
        # It can be tried again at once.
        await cdp.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": True})
        await page.get_by_role("button", name="Créer une clé d’accès").click()
        await page.wait_for_url("**/desk")


async def test_a_copied_passkey_is_refused_in_words(desk: ForkedServer, browser: Browser) -> None:
    async with pages(browser) as open_page:
        page = await open_page(await link(desk, "Eve"), outages=True)
        cdp, key = await authenticator(page)
        await joined(page, "Eve")
        await page.context.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
        [credential] = (await cdp.send("WebAuthn.getCredentials", {"authenticatorId": key}))["credentials"]
        for count in (50, 3):
            await signed_out(page)
            await cdp.send("WebAuthn.clearCredentials", {"authenticatorId": key})
            copy = {**credential, "signCount": count}
            await cdp.send("WebAuthn.addCredential", {"authenticatorId": key, "credential": copy})
            await page.get_by_role("button", name="Use a passkey").click()
            if count == 50:
                await page.wait_for_url("**/desk")
        alert = page.get_by_role("alert")
        await alert.wait_for()
        assert "isn’t accepted" in await alert.inner_text()


async def test_without_scripts_there_is_no_button_that_does_nothing(desk: ForkedServer, browser: Browser) -> None:
    async with pages(browser) as open_page:
        page = await open_page(f"{desk.url}/desk/signin", javascript=False)
        assert not await page.get_by_role("button", name="Use a passkey").is_visible()
        assert await page.get_by_role("button", name="Continue with Acme").is_visible()


@pytest.mark.parametrize("javascript", [True, False], ids=["with scripts", "without scripts"])
async def test_a_person_joins_and_signs_in_by_the_provider(
    desk: ForkedServer, provider: OpenIdServer, browser: Browser, javascript: bool
) -> None:
    name = f"Grace {javascript}"
    provider.subject = name
    async with pages(browser) as open_page:
        address = await link(desk, name)
        page = await open_page(address, javascript=javascript)
        if not javascript:
            await page.get_by_label("Paste the link that you were given").fill(address)
            await page.get_by_role("button", name="Continue").click()
        await page.get_by_role("button", name="Continue with Acme").click()
        await page.wait_for_url("**/desk")
        assert await page.locator("h1").inner_text() == name
        assert not [cookie for cookie in await page.context.cookies() if "provider" in cookie["name"]]
        await signed_out(page)
        await page.goto(f"{desk.url}/desk/signin?next=/desk/account")
        await page.get_by_role("button", name="Continue with Acme").click()
        await page.wait_for_url("**/desk/account")


async def test_somebody_unknown_is_told_so_in_our_words(
    desk: ForkedServer, provider: OpenIdServer, browser: Browser
) -> None:
    provider.subject = "nobody"
    async with pages(browser) as open_page:
        page = await open_page(f"{desk.url}/desk/signin", outages=True)
        await page.get_by_role("button", name="Continue with Acme").click()
        await page.wait_for_url("**/callback?*")
        assert "Nobody here is connected" in await page.locator("main").inner_text()
        await check(page)
        provider.refuses = "access_denied"
        await page.goto(f"{desk.url}/desk/signin")
        await page.get_by_role("button", name="Continue with Acme").click()
        await page.wait_for_url("**/callback?*")
        text = await page.locator("main").inner_text()
        provider.refuses = ""
        assert "sent you back" in text
        assert "555" not in text


async def test_with_the_provider_away_the_password_still_works(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> None:
    away = {"oidc_issuer": "http://localhost:9", "oidc_client_id": "x", "oidc_name": "Acme"}
    async with desk_on(tmp_path_factory.mktemp("away"), **away) as desk, pages(browser) as open_page:
        page = await open_page(await link(desk, "Ada"), outages=True)
        await page.get_by_label(re.compile("^Password")).first.fill("une phrase bien longue")
        await page.get_by_role("button", name="Enter").click()
        await page.wait_for_url("**/desk")
        await signed_out(page)
        await page.get_by_role("button", name="Continue with Acme").click()
        await page.get_by_text("can’t be reached").wait_for()
        await page.get_by_role("link", name="Choose another way").click()
        await page.get_by_label("Name").fill("Ada")
        await page.get_by_label(re.compile("^Password")).first.fill("une phrase bien longue")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.wait_for_url("**/desk")


async def without_proof(desk: ForkedServer) -> None:
    """Let so much time pass that nobody's sign-in is a proof any more."""
    store = await Store.open(desk.settings["database_url"])
    try:
        at = now() - CONFIRMED_FOR
        await store.users._database.write(
            lambda connection: connection.execute(update(sessions).values(confirmed_at=at))
        )
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("javascript", "locale"), [(True, "fr-FR"), (False, "en-GB")], ids=["with scripts", "without scripts"]
)
async def test_a_person_who_has_only_the_provider_confirms_there(
    desk: ForkedServer, provider: OpenIdServer, browser: Browser, javascript: bool, locale: str
) -> None:
    """They set a password, and remove the provider, which was the last way to sign in before; back to the account."""
    words = WORDS[locale]
    name = f"Rosa {javascript}"
    provider.subject = name
    async with pages(browser) as open_page:
        address = await link(desk, name)
        page = await open_page(address, javascript=javascript, locale=locale, outages=True)
        if not javascript:
            await page.get_by_label(words["paste"]).fill(address)
            await page.get_by_role("button", name=words["next"], exact=True).click()
        await page.get_by_role("button", name=words["provider"]).click()
        await page.wait_for_url("**/desk")
        await without_proof(desk)
        await page.goto(f"{desk.url}/desk/account")
        if javascript:
            await check(page)
        await page.get_by_role("button", name=words["remove"]).click()
        await page.get_by_role("heading", name=words["confirm"]).wait_for()
        if javascript:
            await check(page)
        provider.claims = {"auth_time": None}
        await page.get_by_role("button", name=words["provider"]).click()
        await page.get_by_text(words["not fresh"]).wait_for()
        provider.claims = {}
        await page.locator("main a").click()
        await page.get_by_role("button", name=words["provider"]).click()
        await page.wait_for_url("**/desk/account?done=confirmed")
        assert words["confirmed"] in await page.get_by_role("status").inner_text()
        await page.get_by_role("button", name=words["remove"]).click()
        assert words["last"] in await page.get_by_role("alert").inner_text()
        if javascript:
            await check(page)
        await page.locator("input[name=new]").fill("une phrase bien longue")
        await page.locator("form[action$='/account/password'] button[type=submit]").click()
        await page.wait_for_url("**/desk/account?done=password")
        await page.get_by_role("button", name=words["remove"]).click()
        await page.wait_for_url("**/desk/account?done=identity")
        await without_proof(desk)
        # Now the password confirms, and a wrong one doesn't.
        await page.get_by_role("button", name=words["connect"]).click()
        await page.locator("input[name=password]").fill("une autre phrase")
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").wait_for()
        if javascript:
            await check(page)
        await page.locator("input[name=password]").fill("une phrase bien longue")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/desk/account?done=confirmed")
        await page.get_by_role("button", name=words["connect"]).click()
        await page.wait_for_url("**/desk/account?done=provider")
        assert await page.get_by_role("status").count() == 1


WORDS = {
    "en-GB": {
        "paste": "Paste the link that you were given",
        "next": "Continue",
        "provider": "Continue with Acme",
        "remove": "Remove the connection with Acme",
        "confirm": "Confirm that it’s you",
        "not fresh": "confirm in another way",
        "confirmed": "Confirmed.",
        "last": "your only way to sign in",
        "connect": "Connect with Acme",
    },
    "fr-FR": {
        "provider": "Continuer avec Acme",
        "remove": "Supprimer le lien avec Acme",
        "confirm": "Confirmez que c’est vous",
        "not fresh": "confirmez par un autre moyen",
        "confirmed": "C’est confirmé.",
        "last": "votre seul moyen de vous connecter",
        "connect": "Relier à Acme",
    },
}


async def test_a_passkey_confirms_on_the_page_for_confirming(desk: ForkedServer, browser: Browser) -> None:
    async with pages(browser) as open_page:
        page = await open_page(await link(desk, "Lise"), outages=True)
        await authenticator(page)
        await joined(page, "Lise")
        await without_proof(desk)
        await page.goto(f"{desk.url}/desk/confirm?next=/desk/account")
        await check(page)
        await page.get_by_role("button", name="Use a passkey").click()
        await page.wait_for_url("**/desk/account?done=confirmed")
        assert "Confirmed." in await page.get_by_role("status").inner_text()
