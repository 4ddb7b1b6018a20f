"""Search engines find in a page, as a browser has it, the same as the page, the API and the feeds say."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.acceptance.browsing import pages

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

JSON_LD = (
    """() => [...document.querySelectorAll('script[type="application/ld+json"]')].map(block => block.textContent)"""
)
ARTICLES = """() => [...document.querySelectorAll("article[data-id]")].map(article => ({
  id: article.dataset.id,
  heading: article.querySelector(".entry-heading")?.textContent ?? "",
  text: article.querySelector(".entry-body").innerText,
  byline: article.querySelector(".byline")?.textContent ?? "",
  url: article.querySelector(".entry-time").href,
  at: article.querySelector(".entry-time time").dateTime,
}))"""
SLUG = "machines"


async def _postings(page: Page) -> list[dict[str, Any]]:
    found = [json.loads(text) for text in await page.evaluate(JSON_LD)]
    return [each for value in found for each in (value if isinstance(value, list) else [value])]


async def test_each_update_has_its_own(site: Site, browser: Browser) -> None:
    """Headline, dates, authors, address and corrections; an end of the coverage only once it has ended."""
    await site.liveblog(SLUG, 0)
    authors: tuple[list[str], ...] = (["Ada Vernier"], ["Bao Tran", "Ada Vernier"], [])
    ids = []
    for number, names in enumerate(authors):
        ids.append((await site.publish(SLUG, number, authors=names, pinned=number == 0))["id"])
    await site.newsroom.edit(SLUG, ids[1], {"body": "<p>Huit, et non douze.</p>", "correction": "8 et non 12."})
    async with pages(browser) as open_page, httpx2.AsyncClient(base_url=site.server.url) as http:
        page = await open_page(site.url(SLUG))
        [posting] = await _postings(page)
        assert posting["@type"] == "LiveBlogPosting"
        assert "coverageEndTime" not in posting
        updates = {update["url"]: update for update in posting["liveBlogUpdate"]}
        articles = await page.evaluate(ARTICLES)
        entries = {entry["id"]: entry for entry in (await _get(http, f"/api/v1/liveblogs/{SLUG}/entries"))["items"]}
        feed = {item["url"]: item for item in (await _get(http, f"/live/{SLUG}/feed.json"))["items"]}
        assert len(articles) == len(updates) == len(entries) == len(feed) == 3
        assert len({update["headline"] for update in updates.values()}) == 3
        for article in articles:
            entry, update, item = entries[article["id"]], updates[article["url"]], feed[article["url"]]
            assert article["heading"] == update["headline"] == entry["heading"] == item["title"]
            assert article["text"].split() == update["articleBody"].split()
            # Where nobody is named, the publication answers for it.
            written = [author["name"] for author in update["author"]] if entry["authors"] else []
            assert written == entry["authors"]
            assert [author["name"] for author in item.get("authors", [])] == entry["authors"]
            assert all(name in article["byline"] for name in entry["authors"])
            assert entry["url"] == article["url"]
            moments = {_moment(at) for at in (article["at"], update["datePublished"], entry["published_at"])}
            assert moments == {_moment(item["date_published"])}
            assert _moment(update["dateModified"]) == _moment(entry["updated_at"]) == _moment(item["date_modified"])
        corrected = updates[entries[ids[1]]["url"]]
        assert "8 et non 12." in json.dumps(corrected["correction"], ensure_ascii=False)

        await page.goto(entries[ids[1]]["url"])
        [alone] = await _postings(page)
        assert (alone["@type"], alone["headline"], alone["url"]) == ("BlogPosting", "Kilomètre 1", page.url)

        answer = await site.newsroom.liveblog(SLUG)
        await _end(site, answer)
        await page.goto(f"{site.url(SLUG)}#")
        await page.reload()
        [posting] = await _postings(page)
        newest = max(entry["published_at"] for entry in entries.values())
        assert _moment(posting["coverageEndTime"]) == _moment(newest)


async def _end(site: Site, liveblog: dict[str, Any]) -> None:
    key = await site.server.key("manage")
    async with httpx2.AsyncClient(base_url=site.server.api) as http:
        headers = {"Authorization": f"Bearer {key}", "If-Match": "*"}
        answer = await http.patch(f"/liveblogs/{liveblog['slug']}", json={"status": "ended"}, headers=headers)
        assert answer.status_code == 200


async def _get(http: httpx2.AsyncClient, path: str) -> Any:
    return json.loads((await http.get(path)).text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment.replace(microsecond=0)
