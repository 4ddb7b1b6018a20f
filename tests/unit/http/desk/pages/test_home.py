"""The desk's first page, and the headers of all pages of the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.access.request_limits import BURST_SECONDS
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from liveserver.http.desk.pages import home
from liveserver.http.responses import security_headers
from liveserver.store import tables
from tests.support.api.site import SLUG, database_away, started
from tests.support.desk_visitor import leads_to, member, visitor
from tests.support.documents import Document

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.support.api.site import Site

pytest_plugins = ["tests.support.api.fixtures"]


def listed(html: str) -> list[str]:
    """The live blogs on the page."""
    return [
        element.text
        for element in Document(html).elements
        if element.tag == "a" and any(parent.tag == "h3" for parent in element.parents)
    ]


async def test_signed_out(site: Site) -> None:
    browser = await visitor(site)
    assert leads_to(await browser.get("/desk")) == "/desk/signin?next=/desk"
    assert leads_to(await browser.get("/desk/")) == "/desk"


async def test_a_role_on_the_whole_site_shows_every_live_blog(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, page by page, with their status and links to the reader's page."""
    await site.open_liveblog("vent", title="Le <vent>", status="ended")
    browser = await member(site, "Ada", Role.VIEWER, Membership(SLUG, Role.EDITOR))
    page = await browser.get("/desk")
    assert listed(page.text) == ["Le <vent>", "Les marées"]
    assert "Viewer on the whole site" in page.text
    assert "Editor</p>" in page.text, "by the membership"
    assert Document(page.text).one("a", href=f"http://live.test/live/{SLUG}").text == "Les marées"
    monkeypatch.setattr(home, "LIVEBLOGS_SHOWN", 1)
    first = await browser.get("/desk")
    assert listed(first.text) == ["Le <vent>"]
    older = Document(first.text).one("a", **{"class": "button"})["href"]
    assert listed((await browser.get(older or "")).text) == ["Les marées"]
    assert leads_to(await browser.get("/desk?cursor=nonsense")) == "/desk"


@pytest.mark.parametrize(("role", "told"), [(Role.OWNER, True), (Role.EDITOR, True), (Role.REPORTER, False)])
async def test_who_may_open_a_live_blog_reads_how(site: Site, role: Role, told: bool) -> None:
    """While there is none: with a link to the API."""
    browser = await member(site, "Ada", role)
    assert "/docs" not in (await browser.get("/desk")).text
    await site.parts.store._database.write(lambda connection: connection.execute(tables.liveblogs.delete()))
    page = Document((await browser.get("/desk")).text)
    assert len(page.all("a", href="/docs")) == told


async def test_members_see_their_live_blogs_only(site: Site) -> None:
    await site.open_liveblog("vent", title="Le vent")
    browser = await member(site, "Ada", None, Membership("vent", Role.REPORTER))
    page = await browser.get("/desk")
    assert listed(page.text) == ["Le vent"]
    assert "Reporter" in page.text
    nobody = await member(site, "Eve", None)
    assert "No role yet" in (await nobody.get("/desk")).text


async def test_headers(site: Site) -> None:
    """Nobody frames the pages, keeps them, or learns their addresses. Passkeys may be used there, and nowhere else."""
    browser, stranger = await member(site, "Ada"), await visitor(site)
    answers = [
        *[await browser.get(path) for path in ("/desk", "/desk/account", "/desk/join", "/desk/signin")],
        *[await stranger.get(path) for path in ("/desk", "/desk/signin", "/desk/join")],
        await stranger.post("/desk/signin", data={}),
        await stranger.post("/desk/signin", data={}, headers={"Sec-Fetch-Site": "cross-site"}),
    ]
    for answer in answers:
        headers = answer.headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "form-action 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "publickey-credentials-get=(self)" in headers["permissions-policy"]
        assert "publickey-credentials-create=(self)" in headers["permissions-policy"]
        assert "microphone=()" in headers["permissions-policy"]
    assert "publickey-credentials-get=()" in security_headers.PERMISSIONS_POLICY


async def test_pages_have_no_script_or_style_in_them(site: Site) -> None:
    """The policy would forbid it."""
    browser = await member(site, "Ada", Role.OWNER)
    for path in ("/desk", "/desk/account", "/desk/join"):
        for element in Document((await browser.get(path)).text).elements:
            assert element.tag != "style"
            assert element.tag != "script" or element.attributes.get("src")
            assert not [name for name in element.attributes if name == "style" or name.startswith("on")]


async def test_no_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page says that it must be tried again. A page that needs no database is shown."""
    browser = await member(site, "Ada")
    stranger = await visitor(site)
    with database_away(monkeypatch):
        assert (await browser.get("/desk")).status_code == 503
        assert (await stranger.get("/desk/signin")).status_code == 200
        assert (await stranger.post("/desk/signin", data={"name": "Ada"})).status_code == 503


async def test_pages_count_as_pages_do(settings: Settings) -> None:
    """Against the limit of the address."""
    limited = settings.model_copy(update={"limit_pages": 1, "limit_exempt": "", "forwarded_allow_ips": ""})
    async with started(limited) as site:
        browser = await visitor(site)
        statuses = [(await browser.get("/desk/signin")).status_code for _ in range(BURST_SECONDS + 1)]
        assert statuses == [200] * BURST_SECONDS + [429]
