"""Live blogs over HTTP: opening, reading, listing and changing them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.api.site import BASE, LIVEBLOG, SLUG, TYPOGRAPHY, bad_fields, problem

if TYPE_CHECKING:
    from tests.support.api.site import Site

LIVEBLOGS = "/api/v1/liveblogs"
MINIMAL = {"title": "Le match", "language": "fr", "timezone": "Europe/Paris"}


async def test_opening_one(site: Site) -> None:
    """201 with the live blog, where it is, and its version."""
    given = {**MINIMAL, "slug": "vote", "title": TYPOGRAPHY, "summary": TYPOGRAPHY, "status": "upcoming"}
    response = await site.editor.post(LIVEBLOGS, json=given)
    assert response.status_code == 201
    opened = response.json()
    assert {name: opened[name] for name in given} == given
    assert opened["url"] == f"{BASE}/live/vote"
    assert response.headers["location"] == f"{BASE}/api/v1/liveblogs/vote"
    epoch = (await site.parts.store.liveblogs.find(opened["slug"])).epoch
    assert (opened["version"], response.headers["etag"]) == (1, f'"{epoch}-1"')
    read = await site.reader.get(response.headers["location"])
    assert (read.json(), read.headers["etag"]) == (opened, f'"{epoch}-1"')


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("L’été, en direct\u00a0!", "l-ete-en-direct"),
        ("Œuvre à cœur ouvert", "oeuvre-a-coeur-ouvert"),
        ("x" * 300, "x" * 100),
    ],
)
async def test_a_slug_is_made_from_the_title(site: Site, title: str, slug: str) -> None:
    """Where none is given."""
    response = await site.editor.post(LIVEBLOGS, json={**MINIMAL, "title": title})
    assert (response.status_code, response.json()["slug"], response.json()["status"]) == (201, slug, "live")


async def test_no_slug_can_be_made(site: Site) -> None:
    """A title without a letter or a digit needs a slug."""
    response = await site.editor.post(LIVEBLOGS, json={**MINIMAL, "title": "直播！"})
    assert list(bad_fields(response)) == ["/slug"]


async def test_a_slug_is_taken(site: Site) -> None:
    """409, and the live blog that has it stays as it is."""
    before = (await site.reader.get(LIVEBLOG)).json()
    response = await site.editor.post(LIVEBLOGS, json={**MINIMAL, "slug": "marees"})
    assert "marees" in problem(response, 409)["detail"]
    assert (await site.reader.get(LIVEBLOG)).json() == before


async def test_every_bad_field_is_named_at_once(site: Site) -> None:
    """Also those that nobody knows."""
    response = await site.editor.post(
        LIVEBLOGS,
        json={
            "slug": "Pas Bon",
            "title": " \t",
            "summary": "x" * 2001,
            "language": "français",
            "timezone": "Europe/Brest",
            "status": "over",
            "a/b~c": 1,
        },
    )
    assert set(bad_fields(response)) == {
        "/slug",
        "/title",
        "/summary",
        "/language",
        "/timezone",
        "/status",
        "/a~1b~0c",
    }


async def test_what_is_missing_is_named(site: Site) -> None:
    """All of it."""
    assert set(bad_fields(await site.editor.post(LIVEBLOGS, json={}))) == {"/title", "/language", "/timezone"}


@pytest.mark.parametrize("slug", ["", "-a", "a-", "a--b", "A", "été", "a b", "a\n", "a/b", "x" * 101, 7])
async def test_bad_slugs(site: Site, slug: object) -> None:
    """Slugs are lower-case words joined by hyphens."""
    assert list(bad_fields(await site.editor.post(LIVEBLOGS, json={**MINIMAL, "slug": slug}))) == ["/slug"]


@pytest.mark.parametrize(
    "language", ["fr", "fr-CA", "zh-Hant-TW", "ar", "xx", "qaa-Qaaa-QM", "de-CH-x-phonebk", "en-US-u-islamcal"]
)
async def test_any_language_tag_has_a_page(site: Site, language: str) -> None:
    """Also one that no dictionary here knows."""
    await site.open_liveblog("langue", language=language)
    await site.publish(slug="langue")
    page = await site.reader.get("/live/langue")
    assert page.status_code == 200
    assert f'lang="{language}"' in page.text


async def test_not_modified(site: Site) -> None:
    """304 while the version holds, 200 afterwards."""
    tag = (await site.reader.get(LIVEBLOG)).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        unchanged = await site.reader.get(LIVEBLOG, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.headers["etag"]) == (304, tag)
        assert unchanged.headers["cache-control"] == "public, no-cache"
    await site.editor.patch(LIVEBLOG, json={"title": "Autre"}, headers={"If-Match": tag})
    changed = await site.reader.get(LIVEBLOG, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["title"]) == (200, "Autre")


async def test_head_is_get_without_its_body(site: Site) -> None:
    """The headers are the same."""
    get, head = await site.reader.get(LIVEBLOG), await site.reader.head(LIVEBLOG)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers


async def test_unknown_ones(site: Site) -> None:
    """404 to every method, whatever the slug is like."""
    for slug in ("inconnu", "INCONNU", "%00", "%F0%9F%8C%8A", "x" * 500):
        problem(await site.reader.get(f"{LIVEBLOGS}/{slug}"), 404)
        problem(await site.editor.patch(f"{LIVEBLOGS}/{slug}", json={}, headers={"If-Match": "*"}), 404)


async def test_changing_one(site: Site) -> None:
    """A field that isn't given stays; version and seq grow by one; readers hear of it."""
    before = (await site.reader.get(LIVEBLOG)).json()
    position = await site.position()
    response = await site.editor.patch(LIVEBLOG, json={"status": "ended"}, headers={"If-Match": '"1"'})
    assert response.status_code == 200
    after = response.json()
    assert {name for name in after if after[name] != before[name]} == {"status", "version", "updated_at"}
    epoch = (await site.parts.store.liveblogs.find(SLUG)).epoch
    assert (after["version"], response.headers["etag"]) == (2, f'"{epoch}-2"')
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={"after": position})).json()
    assert changes["events"] == [{"type": "liveblog", "seq": 1, "liveblog": after}]


async def test_changing_nothing_is_no_change(site: Site) -> None:
    """Neither a version nor a seq is taken."""
    before = (await site.reader.get(LIVEBLOG)).json()
    for patch in ({}, {"title": before["title"], "status": "live"}):
        response = await site.editor.patch(LIVEBLOG, json=patch, headers={"If-Match": '"1"'})
        assert (response.status_code, response.json()) == (200, before)
    assert (await site.position()).endswith("-0")


async def test_a_change_of_an_older_version(site: Site) -> None:
    """412 carries the current state, and nothing was changed."""
    current = (await site.editor.patch(LIVEBLOG, json={"title": "Un"}, headers={"If-Match": '"1"'})).json()
    response = await site.editor.patch(LIVEBLOG, json={"title": "Deux"}, headers={"If-Match": '"1"'})
    assert problem(response, 412)["current"] == current
    assert response.headers["etag"] == (await site.reader.get(LIVEBLOG)).headers["etag"]
    assert (await site.reader.get(LIVEBLOG)).json() == current


async def test_a_change_must_say_of_what(site: Site) -> None:
    """428 without If-Match; `*` overwrites."""
    problem(await site.editor.patch(LIVEBLOG, json={"title": "Un"}), 428)
    assert (await site.editor.patch(LIVEBLOG, json={"title": "Un"}, headers={"If-Match": "*"})).status_code == 200


async def test_what_can_not_be_changed(site: Site) -> None:
    """The slug is for ever; null empties nothing here."""
    response = await site.editor.patch(
        LIVEBLOG, json={"slug": "autre", "title": None, "status": None, "version": 9}, headers={"If-Match": "*"}
    )
    assert set(bad_fields(response)) == {"/slug", "/title", "/status", "/version"}


async def test_the_list(site: Site) -> None:
    """Newest first, page by page, by the Link header alone."""
    for number in range(5):
        await site.open_liveblog(f"direct-{number}")
    found: list[str] = []
    url: str | None = f"{LIVEBLOGS}?limit=2&x=y"
    pages = 0
    while url:
        response = await site.reader.get(url)
        assert response.headers["cache-control"] == "public, no-cache"
        found += [item["slug"] for item in response.json()["items"]]
        pages += 1
        url = response.links["next"]["url"] if "next" in response.links else None
        assert (url is None) == (response.json()["next_cursor"] is None)
        if url:
            assert url.startswith(f"{BASE}{LIVEBLOGS}?")
            assert "limit=2" in urlsplit(url).query
    assert pages == 3
    assert found == ["direct-4", "direct-3", "direct-2", "direct-1", "direct-0", "marees"]


async def test_the_list_has_an_etag(site: Site) -> None:
    """It changes with what is on the page."""
    tag = (await site.reader.get(LIVEBLOGS)).headers["etag"]
    assert (await site.reader.get(LIVEBLOGS, headers={"If-None-Match": tag})).status_code == 304
    await site.open_liveblog("autre")
    assert (await site.reader.get(LIVEBLOGS, headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize("limit", ["0", "101", "x", "", "1.5", "-1"])
async def test_bad_limits_and_cursors(site: Site, limit: str) -> None:
    """Both are named."""
    response = await site.reader.get(LIVEBLOGS, params={"limit": limit, "cursor": "x" * 501})
    assert set(bad_fields(response)) == {"?limit", "?cursor"}


@pytest.mark.parametrize("cursor", ["", "x", "é", "MTIz", "LTk5OTk5OTk5OTk5OTk5OTk5OS5h", "\x00"])
async def test_cursors_that_were_not_given(site: Site, cursor: str) -> None:
    """No cursor is trusted."""
    assert list(bad_fields(await site.reader.get(LIVEBLOGS, params={"cursor": cursor}))) == ["?cursor"]


async def test_writing_needs_the_scope_manage(site: Site) -> None:
    """401 without a key, 403 with one that may only publish; the body doesn't matter then."""
    publisher = await site.client(await site.key("Agence", ["publish"]))
    for client, status in ((site.reader, 401), (publisher, 403)):
        problem(await client.post(LIVEBLOGS, content=b"{"), status)
        problem(await client.patch(LIVEBLOG, content=b"{"), status)
    problem(await site.reader.post(LIVEBLOGS, json=MINIMAL), 401)
