"""People come to the desk: from an empty folder to a signed-in page, in a browser, with scripts and without."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx2
import pytest
import pytest_asyncio

from tests.acceptance.browsing import pages
from tests.acceptance.serving import LiveServer, eventually, run, started
from tests.acceptance.surroundings import environment
from tests.acceptance.test_accessibility import SMALL_TARGETS, _violations
from tests.support.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "la mer monte à minuit"
LOOKS = [(width, scheme) for width in (320, 375, 1280) for scheme in ("light", "dark")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """A server without users."""
    server = LiveServer(tmp_path_factory.mktemp("desk"))
    async with started(server):
        yield server


async def invite(server: LiveServer, name: str) -> str:
    """The link by which somebody joins, as the command prints it."""
    command = ("users", "invite", name, "--role", "owner", "--port", str(server.port))
    invited = await run(*command, cwd=server.directory, database_url=f"sqlite:///{server.directory}/live.db")
    assert invited.status == 0, invited.stderr
    return invited.stdout.strip().replace("localhost", "127.0.0.1")


async def check(page: Page) -> None:
    """Check a page in all sizes and schemes: by axe, for scrolling sideways, and for targets that are too small."""
    for width, scheme in LOOKS:
        await page.set_viewport_size({"width": width, "height": 700})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await _violations(page) == [], (page.url, width, scheme)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, (page.url, width)
    small: list[str] = await page.evaluate(SMALL_TARGETS)
    assert [target for target in small if not target.startswith("<label")] == [], page.url


async def test_from_the_link_to_the_desk(server: LiveServer, browser: Browser) -> None:
    """The token leaves the address at once. Nothing on the pages is hard to use, in either scheme."""
    link = await invite(server, "Ada Lovelace")
    async with pages(browser) as open_page:
        page = await open_page(link, locale="fr-FR", outages=True)
        await page.get_by_role("heading", name="Bienvenue, Ada Lovelace").wait_for()
        assert page.url == link.partition("#")[0]
        assert await page.evaluate("document.activeElement.id") == "password"
        await check(page)
        await page.get_by_label("Mot de passe", exact=True).fill("aaaaaaaaaaaa")
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").wait_for()
        await check(page)
        await page.get_by_role("button", name="Afficher").click()
        await page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Vos directs").wait_for()
        await check(page)
        await page.get_by_role("link", name="Ada Lovelace").click()
        await page.get_by_role("heading", name="Sessions").wait_for()
        assert "UTC" not in await page.locator("small").inner_text(), "times are told by the clock here"
        await check(page)
        await page.get_by_role("button", name="Se déconnecter").click()
        await page.get_by_role("heading", name="Connexion à la rédaction").wait_for()
        await check(page)
        await page.get_by_label("Nom").fill("ada lovelace")
        await page.get_by_label("Mot de passe", exact=True).fill("autre chose")
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").wait_for()
        assert await page.evaluate("document.activeElement.id") == "password"
        await check(page)
        await page.goto(link)
        await page.get_by_text("Ce lien est inconnu, périmé ou déjà utilisé").wait_for()
        await check(page)


async def test_without_javascript(server: LiveServer, browser: Browser) -> None:
    """The link is pasted; everything else is the same."""
    link = await invite(server, "Grace")
    async with pages(browser) as open_page:
        page = await open_page(link, javascript=False, locale="en-GB")
        await page.get_by_label("Paste the link").fill(link)
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Enter").click()
        await page.get_by_role("link", name="Grace").click()
        await page.get_by_label("Current password").fill(PASSWORD)
        await page.get_by_label("New password").fill(f"{PASSWORD} !")
        await page.get_by_role("button", name="Change the password").click()
        await page.get_by_text("Your password was changed.").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Name").fill("Grace")
        await page.get_by_label("Password", exact=True).fill(f"{PASSWORD} !")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="Your live blogs").wait_for()


async def test_serve_tells_of_the_first_owner_at_a_terminal(tmp_path: Path) -> None:
    """As long as there are no users, with the options that the server was started with."""
    port = free_port()
    async with at_terminal(tmp_path, "serve", "--port", str(port)) as seen:
        await eventually(lambda: "NAME" in seen(), seconds=40, what="the hint")
        command = re.search(r"liveserver (users invite NAME --role owner .*?)\r?\n", seen())
        assert command is not None, seen()
        result = await run(*command[1].replace("NAME", "Ada").split(), cwd=tmp_path)
        assert re.fullmatch(rf"http://localhost:{port}/desk/join#[\w-]{{43}}\n", result.stdout), result
    async with at_terminal(tmp_path, "serve", "--port", str(port)) as seen:
        await eventually(lambda: "server.started" in seen(), seconds=40, what="the start")
        # The server asked for users before it served this page, for which it asks its database, too.
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"http://localhost:{port}/")).status_code == 200
        assert "NAME" not in seen()


@asynccontextmanager
async def at_terminal(folder: Path, *arguments: str) -> AsyncIterator[Callable[[], str]]:
    """Run a command at a terminal, until the context ends; yield a function that returns the output so far."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "liveserver", *arguments),
        cwd=folder,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    output = bytearray()

    def seen() -> str:
        with suppress(OSError):
            output.extend(os.read(ours, 65_536))
        return output.decode(errors="replace")

    try:
        yield seen
    finally:
        process.terminate()
        async with asyncio.timeout(20):
            await process.wait()
        os.close(ours)
