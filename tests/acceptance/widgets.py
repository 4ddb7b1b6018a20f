"""A widget on another site's page: its entries, and its changes there."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tests.acceptance.reading import settles, strings

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.acceptance.site import Site

SWITCH_SECONDS = 5.0
"""Within which a partner's viewers have its fallback."""

HEADINGS = """() => [...document.querySelectorAll("live-blog")].flatMap(({shadowRoot}) =>
  [...shadowRoot.querySelectorAll(".list article")].map(article => article.querySelector("h3").textContent))"""
SHOWN = """() => {
  const box = document.querySelector("live-blog").getBoundingClientRect();
  const article = document.querySelector("live-blog").shadowRoot.querySelector("article").getBoundingClientRect();
  return box.width > 200 && box.height > 200 && article.height > 30 && article.width > 150;
}"""
LEFT = """() => [...document.querySelectorAll("live-blog")].map(({ shadowRoot }) => {
  const [link] = shadowRoot.querySelector("slot")?.assignedElements() ?? [];
  return `${shadowRoot.querySelectorAll("article").length} ${link?.textContent}`;
})"""
"""Of each widget: how many entries it has, and what of the page's own stands in its place."""


def kilometres(*numbers: int) -> list[str]:
    """The headings of such entries."""
    return [f"Kilomètre {number}" for number in numbers]


async def shows(page: Page, headings: list[str]) -> None:
    """Return once the page's widgets have entries with these headings, from top to bottom."""
    await settles(partial(strings, page, HEADINGS), headings)


async def lives(page: Page, site: Site, slug: str, ids: list[str]) -> None:
    """It shows what there is, and what becomes of it: an entry is published, one is edited, one is deleted.

    `ids`: the entries there are, newest first, headed by their numbers.
    """
    await shows(page, kilometres(*reversed(range(len(ids)))))
    await page.locator("live-blog").first.scroll_into_view_if_needed()
    assert await page.evaluate(SHOWN)
    await site.publish(slug, 90)
    await site.newsroom.edit(slug, ids[0], {"heading": "Corrigé"})
    await site.newsroom.delete(slug, ids[1])
    await shows(page, ["Kilomètre 90", "Corrigé", *kilometres(*reversed(range(len(ids) - 2)))])
    assert await page.evaluate(SHOWN)


async def ends(page: Page, site: Site, partner: str, *, widgets: int = 1) -> None:
    """The partner is switched off: within five seconds the page's own link stands where the entries were."""
    async with asyncio.timeout(SWITCH_SECONDS):
        await site.set_partner(partner, enabled=False)
        await settles(partial(strings, page, LEFT), ["0 En direct"] * widgets)
