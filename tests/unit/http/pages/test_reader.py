"""The reader's pages over HTTP: statuses, headers, what is on them. `test_page_renderer.py` has the HTML."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.support.api.site import BASE, ENTRIES, LIVEBLOG, SLUG, TYPOGRAPHY, database_away

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import JSON, Site

PAGE = f"/live/{SLUG}"
UNKNOWN = "0192c0de-0000-7000-8000-000000000000"


class Page(HTMLParser):
    """The parts of a page that a test asks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.entries: list[str] = []
        self.inline: list[str] = []
        """Every script or style that a browser would run or apply from within the page."""
        self.data: dict[str, JSON] = {}
        """Blocks of JSON, by type."""
        self.links: dict[str, str] = {}
        self.sources: list[str] = []
        self._block: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "article":
            self.entries.append(str(given["data-id"]))
        if tag == "script" and given.get("src"):
            self.sources.append(str(given["src"]))
        elif tag == "script" and given.get("type") in {"application/json", "application/ld+json"}:
            self._block = given["type"]
        elif tag in {"script", "style"}:
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += [
            str(value) for value in given.values() if (value or "").strip().lower().startswith("javascript")
        ]
        if tag == "link":
            self.links[str(given["rel"])] = str(given["href"])

    def handle_data(self, data: str) -> None:
        if self._block is not None:
            self.data[self._block] = orjson.loads(data)
            self._block = None


def page(response: httpx2.Response, status: int = 200) -> Page:
    """The page that an answer is; every page keeps these rules."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["script-src"] == directives["style-src"] == directives["connect-src"] == "'self'"
    assert directives["img-src"] == "'self' http://live.test"
    assert directives["require-trusted-types-for"] == "'script'"
    assert directives["trusted-types"] == "liveserver liveserver-worker"
    assert "https://www.youtube-nocookie.com" in directives["frame-src"].split()
    assert directives["frame-ancestors"] == directives["default-src"] == directives["base-uri"] == "'none'"
    assert "unsafe" not in policy
    assert response.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert "camera=()" in response.headers["permissions-policy"]
    found = Page(response.text)
    assert found.inline == []
    assert len(found.ids) == len(set(found.ids)), "an id stands twice"
    return found


async def test_a_live_blogs_page(site: Site) -> None:
    """The newest entries, and where the stream goes on from."""
    entries = [await site.publish(f"<p>{number}</p>", key_event=number == 1) for number in range(3)]
    response = await site.reader.get(PAGE)
    found = page(response)
    assert found.entries == [entry["id"] for entry in reversed(entries)]
    for entry in entries:
        assert entry["html"] in response.text
    assert f'data-position="{await site.position()}"' in response.text
    assert found.links["canonical"] == f"{BASE}{PAGE}"
    assert response.headers["cache-control"] == "public, max-age=1, stale-while-revalidate=5"


async def test_typography_reaches_the_page(site: Site) -> None:
    """Byte for byte in the body, escaped as HTML demands elsewhere."""
    await site.publish(f"<p>{TYPOGRAPHY}</p>")
    response = await site.reader.get(PAGE)
    assert f"<p>{TYPOGRAPHY}</p>".encode() in response.content


async def test_everything_on_it_is_there(site: Site) -> None:
    """The script and the styles are served by this server, and kept for ever, as their names change with them."""
    found = page(await site.reader.get(PAGE))
    for path in [*found.sources, found.links["stylesheet"]]:
        asset = await site.reader.get(path)
        assert asset.status_code == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    icon = await site.reader.get(found.links["icon"])
    assert (icon.status_code, icon.headers["cache-control"]) == (200, "public, max-age=300")


async def test_the_service_worker(site: Site) -> None:
    """Where it governs the reader's pages; browsers must see at once when there is another."""
    response = await site.reader.get("/live/sw.js")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cache-control"] == "no-cache"
    assert "import" not in response.text, "it has to stand alone"


async def test_not_modified(site: Site) -> None:
    """304, with the headers of the 200, until anything on the page changes."""
    entry = await site.publish()
    for path in (PAGE, f"{PAGE}/entries/{entry['id']}", "/"):
        before = await site.reader.get(path)
        unchanged = await site.reader.get(path, headers={"If-None-Match": f'W/"x", W/{before.headers["etag"]}'})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == before.headers["etag"]
        assert unchanged.headers["cache-control"] == "public, max-age=1, stale-while-revalidate=5"
        await site.editor.patch(LIVEBLOG, json={"title": f"Titre de {path}"}, headers={"If-Match": "*"})
        changed = await site.reader.get(path, headers={"If-None-Match": before.headers["etag"]})
        assert changed.status_code == 200
        assert f"Titre de {path}" in changed.text


async def test_head(site: Site) -> None:
    """The same headers."""
    get, head = await site.reader.get(PAGE), await site.reader.head(PAGE)
    assert (head.status_code, head.content, head.headers) == (200, b"", get.headers)


async def test_older_pages(site: Site) -> None:
    """By ordinary links, each entry once, from the first to the last."""
    entries = [await site.publish(str(number)) for number in range(45)]
    seen: list[str] = []
    url: str | None = PAGE
    pages = 0
    while url:
        response = await site.reader.get(url)
        found = page(response)
        seen += found.entries
        pages += 1
        following = re.search(r'class="older"><a [^>]*href="([^"]+)"', response.text)
        url = following[1] if following else None
        # Older pages aren't what a search engine should lead to.
        assert ('content="noindex' in response.text) == (pages > 1)
    assert pages == 3
    assert seen == [entry["id"] for entry in reversed(entries)]


async def test_the_way_on_from_a_permalink(site: Site) -> None:
    """By ordinary links, each entry once: up to the newest, and down to the oldest; in either order."""
    entries = [await site.publish(str(number)) for number in range(60)]
    ids = [entry["id"] for entry in entries]
    for order, number in (("newest", 30), ("oldest", 30), ("newest", 0), ("oldest", 59)):
        found: dict[str, list[str]] = {}
        for side in ("newer", "older"):
            url: str | None = f"{entries[number]['url']}?order={order}"
            found[side] = []
            while url:
                response = await site.reader.get(url)
                listed = page(response).entries
                positions = [ids.index(entry) for entry in listed]
                assert positions == sorted(positions) or positions == sorted(positions, reverse=True)
                found[side] += sorted(listed, key=ids.index, reverse=side == "older")
                more = re.search(rf'class="{side}"><a [^>]*href="([^"]+)"', response.text)
                url = unescape(more[1]) if more else None
        newer, older = found["newer"], found["older"]
        assert newer == ids[ids.index(newer[0]) :]
        assert older == ids[ids.index(older[0]) :: -1]
        assert ids[number] in newer
        assert ids[number] in older


async def test_some_of_the_entries(site: Site) -> None:
    """By tag, by verification, the key events; in either order, with a page for what isn't there."""
    tagged = [await site.publish(str(number), tags=["à suivre"]) for number in range(25)]
    denied = await site.publish("<p>Non</p>", verification="denied", key_event=True)
    await site.publish("<p>Autre</p>")
    ids = [entry["id"] for entry in tagged]
    first = await site.reader.get(f"{PAGE}?tag=%C3%A0%20suivre&order=oldest")
    assert page(first).entries == ids[:20]
    more = re.search(r'class="newer"><a [^>]*href="([^"]+)"', first.text)
    assert more is not None
    assert page(await site.reader.get(unescape(more[1]))).entries == ids[20:]
    for query in ("verification=denied", "key_events=true", "verification=denied&key_events=true&order=oldest"):
        assert page(await site.reader.get(f"{PAGE}?{query}")).entries == [denied["id"]]
    empty = await site.reader.get(f"{PAGE}?tag=rien")
    assert page(empty).entries == []
    assert 'content="noindex' in empty.text
    response = await site.reader.get(f"{PAGE}?verification=x")
    assert (response.status_code, response.headers["location"]) == (303, f"{BASE}{PAGE}")


async def test_a_cursor_that_was_cut_short(site: Site) -> None:
    """Leads to the newest entries; an unknown live blog is unknown all the same."""
    for cursor in ("x", "", "%00"):
        response = await site.reader.get(f"{PAGE}?cursor={cursor}")
        assert (response.status_code, response.headers["location"]) == (303, f"{BASE}{PAGE}")
    page(await site.reader.get("/live/rien?cursor=x"), 404)


async def test_pinned_entries_are_shown_once(site: Site) -> None:
    """At the top, and not among the others, whether they are old or new."""
    old = await site.publish("<p>Épinglée</p>", pinned=True)
    entries = [await site.publish(str(number)) for number in range(25)]
    new = await site.publish("<p>Épinglée aussi</p>", pinned=True)
    found = page(await site.reader.get(PAGE)).entries
    assert found == [new["id"], old["id"], *(entry["id"] for entry in reversed(entries[6:]))]
    await site.edit(old, pinned=False)
    assert old["id"] not in page(await site.reader.get(PAGE)).entries


async def test_a_permalink(site: Site) -> None:
    """The entry among its neighbours; its own address, title and description."""
    entries = [await site.publish(f"<p>Texte {number}</p>", heading=f"Tête {number}") for number in range(12)]
    response = await site.reader.get(entries[6]["url"])
    found = page(response)
    assert found.entries == [entries[i]["id"] for i in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)]
    assert found.links["canonical"] == entries[6]["url"]
    assert "<title>Tête 6" in response.text
    assert '<meta name="description" content="Texte 6">' in response.text


async def test_what_is_not_there(site: Site) -> None:
    """404, as a page, in the live blog's language and with a way back to it where there is one."""
    draft = await site.publish(status="draft")
    for path in (f"{PAGE}/entries/{UNKNOWN}", f"{PAGE}/entries/{draft['id']}"):
        response = await site.reader.get(path)
        page(response, 404)
        assert '<html lang="fr"' in response.text
        assert f'href="{BASE}{PAGE}"' in response.text
        assert response.headers["cache-control"] == "no-store"
    for path in ("/live/rien", f"/live/rien/entries/{UNKNOWN}", "/live/%00", f"{PAGE}/entries/x", f"{PAGE}/rien"):
        response = await site.reader.get(path, headers={"Accept-Language": "fr-FR,fr;q=0.9"})
        page(response, 404)
        assert "Page introuvable" in response.text
    assert "Page introuvable" not in (await site.reader.get("/live/rien", headers={"Accept-Language": "en"})).text


async def test_a_deleted_entry_is_gone_from_everything(site: Site) -> None:
    """410 at its address; and nowhere else a trace of what it said."""
    words = "Zanzibar"
    await site.publish("<p>Avant</p>")
    entry = await site.publish(
        f"<p>{words}</p>", heading=words, authors=[words], tags=[words], source=words, key_event=True, pinned=True
    )
    entry = await site.edit(entry, correction=words)
    start = (await site.position()).partition("-")[0] + "-0"
    await site.publish("<p>Après</p>")
    surfaces = [
        PAGE,
        "/",
        f"{PAGE}/entries/{(await site.reader.get(ENTRIES)).json()['items'][0]['id']}",
        ENTRIES,
        f"{ENTRIES}?key_events=true",
        f"{LIVEBLOG}/snapshot",
        f"{LIVEBLOG}/changes?after={start}",
    ]
    for path in surfaces:
        assert words in (await site.reader.get(path)).text or path == "/"
    await site.delete(entry)
    for path in surfaces:
        response = await site.reader.get(path)
        assert response.status_code == 200
        assert words not in response.text, path
        assert entry["id"] not in response.text or path.startswith(f"{LIVEBLOG}/changes")
    response = await site.reader.get(entry["url"])
    page(response, 410)
    assert words not in response.text
    assert f'href="{BASE}{PAGE}"' in response.text
    assert words not in (await site.reader.get(f"{ENTRIES}/{entry['id']}")).text


async def test_the_database_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 as a page, with Retry-After; afterwards all is well."""
    entry = await site.publish()
    with database_away(monkeypatch):
        for path in ("/", PAGE, f"{PAGE}?cursor=x", f"{PAGE}/entries/{entry['id']}"):
            response = await site.reader.get(path)
            page(response, 503)
            assert response.headers["retry-after"] == "2"
            assert response.headers["cache-control"] == "no-store"
    page(await site.reader.get(PAGE))


async def test_the_list_of_live_blogs(site: Site) -> None:
    """Newest first, with links that work."""
    await site.open_liveblog("autre", title="<Autre> & plus")
    response = await site.reader.get("/")
    page(response)
    assert re.findall(rf'href="({BASE}/live/[^"]+)"', response.text) == [f"{BASE}/live/autre", f"{BASE}{PAGE}"]
    assert "&lt;Autre&gt; &amp; plus" in response.text


async def test_the_list_is_in_the_reader_s_language(site: Site) -> None:
    """Whichever languages the live blogs are in; caches between us and the readers are told that it differs."""
    await site.open_liveblog("cup", title="The cup", language="en")
    for accepted, language in (("fr-FR,fr;q=0.9", "fr"), ("en", "en"), ("de", "en"), ("fr", "fr")):
        response = await site.reader.get("/", headers={"Accept-Language": accepted})
        page(response)
        assert f'<html lang="{language}"' in response.text
        assert response.headers["vary"] == "Accept-Language, Accept-Encoding"
        again = {"Accept-Language": accepted, "If-None-Match": response.headers["etag"]}
        assert (await site.reader.get("/", headers=again)).status_code == 304
    await site.open_liveblog("coupe", title="La coupe", language="fr")
    assert '<html lang="fr"' in (await site.reader.get("/", headers={"Accept-Language": "de"})).text, "the newest one's"


async def test_what_search_engines_read(site: Site) -> None:
    """A LiveBlogPosting of what is on the page, which can't break out of its element."""
    evil = "</script><script>alert(1)</script>"
    await site.editor.patch(LIVEBLOG, json={"title": evil, "summary": evil}, headers={"If-Match": "*"})
    entry = await site.publish("<p>Texte</p>", heading=evil, authors=[evil])
    response = await site.reader.get(PAGE)
    posting = page(response).data["application/ld+json"]
    assert (posting["@type"], posting["headline"], posting["url"]) == ("LiveBlogPosting", evil, f"{BASE}{PAGE}")
    update = posting["liveBlogUpdate"][0]
    assert (update["headline"], update["url"], update["articleBody"]) == (evil, entry["url"], "Texte")
    page(await site.reader.get(entry["url"]))


@pytest.mark.parametrize("path", [PAGE, "/"])
async def test_pages_are_only_read(site: Site, path: str) -> None:
    """405."""
    response = await site.editor.post(path, json={})
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_a_trailing_slash_leads_to_the_page(site: Site) -> None:
    """People type it."""
    response = await site.reader.get(f"{PAGE}/")
    assert response.status_code == 308
    assert response.headers["location"] == PAGE


@pytest.mark.parametrize("slug", ["%FF", "a" * 101, "%22", "a%20b", "%F0%9F%8C%8A"])
async def test_no_text_that_is_no_slug_gets_into_a_location(site: Site, slug: str) -> None:
    """Written out again it may be three times as long, and too much for a proxy."""
    for path in (f"/live/{slug}/", f"/live/{slug}/entries/x/", f"/live/marees/entries/{slug}/"):
        page(await site.reader.get(path), 404)
    page(await site.reader.get(f"/live/{slug}?verification=x"), 404)
