"""Files that other sites load, over HTTP. A browser's part is tested in tests/acceptance/test_widget*.py."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import orjson
import pytest

from tests.support.api.site import BASE, LIVEBLOG, SLUG

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import Site

EMBED = f"/embed/{SLUG}"
PAGE = f"{BASE}/live/{SLUG}"
PREVIEW = f"/embed/preview/{SLUG}"
ELSEWHERE = {"Origin": "https://partner.example"}


def directives(response: httpx2.Response) -> dict[str, str]:
    """The rules of an answer's Content-Security-Policy."""
    rules = response.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (rule.partition(" ") for rule in rules)}


async def ask(site: Site, **query: str) -> httpx2.Response:
    """The oEmbed endpoint's answer."""
    return await site.reader.get(f"/oembed?{urlencode(query)}", headers=ELSEWHERE)


async def test_scripts(site: Site) -> None:
    """`v1.js` for minutes, what it loads for ever, both from anywhere; an old `v1.js` finds today's widget."""
    loader = await site.reader.get("/embed/v1.js")
    assert loader.headers["cache-control"] == "public, max-age=300, stale-while-revalidate=86400"
    widget = re.search(r"static/assets/widget-[\w-]+\.js", loader.text)
    assert widget is not None
    chunk = await site.reader.get(f"/{widget[0]}")
    assert chunk.headers["cache-control"] == "public, max-age=31536000, immutable"
    for response in (loader, chunk):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/javascript")
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    today = await site.reader.get("/embed/widget.js", follow_redirects=False)
    assert (today.status_code, today.headers["location"]) == (302, f"{BASE}/{widget[0]}")


async def test_the_pinned_script(site: Site) -> None:
    """The preview names it with the digest of what is served; another version's there isn't."""
    preview = unescape((await site.reader.get(PREVIEW)).text)
    found = re.search(r'src="([^"]+/embed/v1-\w+\.js)" integrity="sha384-([^"]+)"', preview)
    assert found is not None
    pinned = await site.reader.get(found[1])
    assert pinned.status_code == 200
    assert base64.b64encode(hashlib.sha384(pinned.content).digest()).decode() == found[2]
    assert "immutable" in pinned.headers["cache-control"]
    assert (await site.reader.get("/embed/v1-0123456789abcdef.js")).status_code == 404


async def test_the_page_for_frames(site: Site) -> None:
    """Whole without scripts, of its own policy, made once for each change; any page may show it."""
    entry = await site.publish("<p>La mer monte.</p>", heading="Marée")
    response = await site.reader.get(f"{EMBED}?theme=dark&limit=7&lang=en-GB&nonsense=1")
    assert response.status_code == 200
    rules = directives(response)
    assert "frame-ancestors" not in rules
    assert rules["default-src"] == rules["base-uri"] == "'none'"
    assert rules["connect-src"] == f"'self' {BASE} ws://live.test"
    assert rules["img-src"] == f"'self' {BASE} {BASE}"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["trusted-types"] == "'none'"
    assert "camera=()" in response.headers["permissions-policy"]
    assert "set-cookie" not in response.headers
    assert f'<live-blog src="{PAGE}" theme="dark" limit="7" lang="en">' in response.text
    assert 'data-scheme="dark"' in response.text
    assert "La mer monte." in response.text
    assert "partner=" not in (await site.reader.get(f"{EMBED}?partner=<b>")).text
    misses = site.parts.page_cache.misses
    assert (await site.reader.get(f"{EMBED}?theme=dark&limit=7&lang=en")).text == response.text
    assert site.parts.page_cache.misses == misses
    await site.delete(entry)
    assert "La mer monte." not in (await site.reader.get(f"{EMBED}?theme=dark&limit=7&lang=en")).text


async def test_the_pages_of_a_partner(site: Site) -> None:
    """They show what it may see, as it wants it, where it may; and a link once it is switched off."""
    given = {
        "name": "Le Phare",
        "origins": ["https://*.exemple.fr"],
        "tags": ["mer"],
        "theme": {"scheme": "dark", "accent": "#a3154a", "font": "Charter, Georgia"},
        "attribution": {"text": "Avec nous", "url": "https://direct.exemple.org/"},
    }
    partner = (await site.editor.post("/api/v1/partners", json=given)).json()["id"]
    await site.publish("<p>La mer monte.</p>", tags=["mer"])
    await site.publish("<p>La terre tremble.</p>")
    query = {"partner": partner}
    page = await site.reader.get(EMBED, params=query)
    fragment = await site.reader.get(f"{EMBED}/fragment", params=query, headers={"Origin": "https://www.exemple.fr"})
    for response in (page, fragment):
        assert response.status_code == 200
        assert f'<live-blog src="{PAGE}" theme="dark" partner="{partner}">' in response.text
        assert "La mer monte." in response.text
        assert "La terre tremble." not in response.text
        assert '<a href="https://direct.exemple.org/">Avec nous</a>' in response.text
    assert directives(page)["frame-ancestors"] == "'self' https://*.exemple.fr"
    assert 'data-scheme="dark"' in page.text
    style = ".lv{--own-accent:#a3154a;--own-font:Charter, Georgia}"
    assert f"<style>{style}</style>" in page.text
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert directives(page)["style-src"] == f"'self' {BASE} 'sha256-{digest}'"
    assert 'data-scheme="light"' in (await site.reader.get(EMBED, params={**query, "theme": "light"})).text
    elsewhere = await site.reader.get(f"{EMBED}/fragment", params=query, headers=ELSEWHERE)
    assert (elsewhere.status_code, elsewhere.headers["access-control-allow-origin"]) == (403, "*")
    rules: dict[str, Any] = {"origins": [], "tags": [], "theme": {}}
    await site.editor.patch(f"/api/v1/partners/{partner}", json=rules, headers={"If-Match": "*"})
    page = await site.reader.get(EMBED, params=query)
    assert "frame-ancestors" not in directives(page)
    assert "<style" not in page.text
    assert "sha256" not in directives(page)["style-src"]
    assert "La terre tremble." in page.text
    await site.editor.patch(f"/api/v1/partners/{partner}", json={"enabled": False}, headers={"If-Match": "*"})
    page = await site.reader.get(EMBED, params=query)
    assert (page.status_code, page.headers["cache-control"]) == (403, "no-store")
    assert "La mer monte." not in page.text
    assert f'href="{PAGE}"' in page.text
    assert (await site.reader.get(f"{EMBED}/fragment", params=query)).status_code == 403


async def restrict(site: Site, mode: str, *origins: str) -> None:
    """Say who may show the live blog without being a partner's."""
    setting = {"embedding": {"mode": mode, "origins": [*origins]}}
    assert (await site.editor.patch(LIVEBLOG, json=setting, headers={"If-Match": "*"})).status_code == 200
    await site.parts.partners.refresh()


async def test_a_live_blog_that_some_may_embed(site: Site) -> None:
    """Its own setting says who may frame it; the page to try it names them."""
    assert 'class="refused"' not in (await site.reader.get(PREVIEW)).text
    await restrict(site, "origins", "https://www.exemple.fr")
    assert directives(await site.reader.get(EMBED))["frame-ancestors"] == "'self' https://www.exemple.fr"
    assert (await site.reader.get(f"{EMBED}/fragment", headers=ELSEWHERE)).status_code == 403
    note = re.search(r'<p class="refused" role="note">(.*?)</p>', (await site.reader.get(PREVIEW)).text)
    assert note is not None
    assert "seuls ces sites" in note[1]
    assert "<code>https://www.exemple.fr</code>" in note[1]
    # A provider is not told who asks for whom: the frame's own policy is what holds.
    assert (await site.reader.get("/oembed", params={"url": PAGE})).status_code == 200


async def test_a_live_blog_that_nobody_may_embed(site: Site) -> None:
    """A link is all that there is for other sites, and nothing leads them to more; the page to try it says so."""
    entry = await site.publish()
    await restrict(site, "nobody")
    assert directives(await site.reader.get(EMBED))["frame-ancestors"] == "'self'"
    assert (await site.reader.get(f"{EMBED}/fragment", headers=ELSEWHERE)).status_code == 403
    for address in (PAGE, entry["url"]):
        response = await ask(site, url=address)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (404, "*")
        assert "not for other sites" in response.json()["detail"]
        assert "json+oembed" not in (await site.reader.get(address)).text
    preview = (await site.reader.get(PREVIEW)).text
    assert "Seuls les partenaires" in preview
    await restrict(site, "anyone")
    assert (await ask(site, url=PAGE)).status_code == 200
    assert "json+oembed" in (await site.reader.get(PAGE)).text
    assert 'class="refused"' not in (await site.reader.get(PREVIEW)).text


async def test_the_preview_for_a_partner(site: Site) -> None:
    """The lines to copy are the partner's, whatever others may; what is no id is left out."""
    await restrict(site, "nobody")
    html = (await site.reader.get(PREVIEW, params={"partner": "p_abcdefghijkl"})).text
    page = unescape(html)
    # The line has the public address, and what is tried here that by which the page was asked for.
    assert f'data-src="{PAGE}"' in page
    assert f'<live-blog src="{urlsplit(PAGE).path}" partner="p_abcdefghijkl">' in page
    loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', html)
    assert len(loaded) >= 3
    assert all(address.startswith("/") for address in loaded)
    assert f'src="{BASE}{EMBED}?partner=p_abcdefghijkl"' in page
    assert 'class="refused"' not in page
    assert "onload" not in (await site.reader.get(PREVIEW, params={"partner": '" onload="x'})).text


@pytest.mark.parametrize("query", ["theme=pink", "limit=0", "limit=1e9", "limit=99999", "limit=²", "lang=xx", "lang="])
async def test_wishes_in_vain(site: Site, query: str) -> None:
    """Nobody would read a complaint inside a frame."""
    assert (await site.reader.get(f"{EMBED}?{query}")).status_code == 200


async def test_pages_that_are_not_there(site: Site) -> None:
    """Told inside the frame; everything else may not be framed."""
    missing = await site.reader.get("/embed/rien")
    assert missing.status_code == 404
    assert "frame-ancestors" not in directives(missing)
    for path in ("/live/rien", f"/live/{SLUG}", "/", PREVIEW, f"{EMBED}/fragment"):
        response = await site.reader.get(path, headers={"Accept": "text/html"})
        assert directives(response)["frame-ancestors"] == "'none'", path
    for path in ("/embed/rien/shell.json", "/embed/rien/fragment"):
        response = await site.reader.get(path, headers=ELSEWHERE)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (404, "*")


async def test_the_shell(site: Site) -> None:
    """The widget's frame in the live blog's language, or in one that is asked for and that we have."""
    french = (await site.reader.get(f"{EMBED}/shell.json", headers=ELSEWHERE)).json()
    assert french["locale"] == "fr"
    assert french["status"]["live"] == "En direct"
    assert "Publications plus anciennes" in french["html"]
    english = (await site.reader.get(f"{EMBED}/shell.json?lang=en")).json()
    assert english["locale"] == "en"
    assert re.search(r'<button class="older"[^>]* lang="en" dir="ltr">Older entries<', english["html"])


async def test_a_live_blog_in_a_language_that_we_have_not(site: Site) -> None:
    """It is written from right to left; our own words say that they are English."""
    changed = await site.editor.patch(
        LIVEBLOG, json={"language": "ar"}, headers={"If-Match": (await site.editor.get(LIVEBLOG)).headers["etag"]}
    )
    assert changed.status_code == 200
    shell = (await site.reader.get(f"{EMBED}/shell.json")).json()
    assert 'lang="ar" dir="rtl"' in shell["html"]
    assert 'lang="en" dir="ltr">Live<' in shell["html"]
    assert shell["days"] == {"lang": "en", "dir": "ltr"}


async def test_the_fragment(site: Site) -> None:
    """Entries, JSON-LD, and the element that makes them live."""
    await site.publish("<p>La mer</p>", heading="Marée </script>")
    response = await site.reader.get(f"{EMBED}/fragment", headers=ELSEWHERE)
    assert response.headers["access-control-allow-origin"] == "*"
    assert "<html" not in response.text
    block = re.search(r'<script type="application/ld\+json">(.*?)</script>', response.text, re.DOTALL)
    assert block is not None
    posting: dict[str, Any] = orjson.loads(block[1])
    assert (posting["@type"], posting["url"]) == ("LiveBlogPosting", PAGE)
    assert [update["headline"] for update in posting["liveBlogUpdate"]] == ["Marée </script>"]
    tag = response.headers["etag"]
    unchanged = await site.reader.get(f"{EMBED}/fragment", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304


async def test_oembed(site: Site) -> None:
    """Of a live blog's page, and of an entry's; discovered from both."""
    entry = await site.publish()
    for address in (PAGE, f"{PAGE}/", f"{PAGE}?order=oldest#x", entry["url"]):
        response = await ask(site, url=address)
        assert response.status_code == 200, response.text
        assert response.headers["access-control-allow-origin"] == "*"
        answer = response.json()
        assert (answer["version"], answer["type"], answer["width"], answer["height"]) == ("1.0", "rich", 600, 600)
        assert f'<iframe src="{BASE}{EMBED}"' in answer["html"]
    for address in (PAGE, entry["url"]):
        link = re.search(r'type="application/json\+oembed"[^>]* href="([^"]+)"', (await site.reader.get(address)).text)
        assert link is not None
        assert (await site.reader.get(unescape(link[1]))).json() == answer


async def test_oembed_honours_the_most(site: Site) -> None:
    """Never larger than it may be, unless that were too small to read."""
    for most, expected in ((("400", "300"), (400, 300)), (("9999", "9999"), (600, 600)), (("1", "1"), (220, 200))):
        answer = (await ask(site, url=PAGE, maxwidth=most[0], maxheight=most[1])).json()
        assert (answer["width"], answer["height"]) == expected
        # A number would make a phone's page wider than the phone; `width` has it, for pages that make room by it.
        assert f'width="100%" height="{expected[1]}"' in answer["html"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"url": f"{BASE}/live/rien"}, 404),
        ({"url": f"https://elsewhere.example/live/{SLUG}"}, 404),
        ({"url": f"{BASE}/live/"}, 404),
        ({"url": f"javascript://live.test/live/{SLUG}"}, 404),
        ({"url": "http://[bad/live/x"}, 404),
        ({"url": PAGE, "format": "xml"}, 501),
        ({"url": PAGE, "maxwidth": "wide"}, 422),
        ({}, 422),
    ],
)
async def test_oembed_refuses(site: Site, query: dict[str, str], status: int) -> None:
    """Addresses that aren't ours are refused, and so are formats that it can't do."""
    response = await ask(site, **query)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
