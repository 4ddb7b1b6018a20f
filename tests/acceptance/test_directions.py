"""Texts from right to left in a live blog from left to right, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting, widget

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARABIC = "إن المياه بدأت تنحسر (14) ، قال المتحدث."
HEBREW = "הגשר נסגר לתנועה."
FRENCH = "Le pont est fermé : l’eau baisse."
BODY = "".join(
    f"<p>{text}</p><ul><li>{text}</li></ul><blockquote>{text}</blockquote><blockquote><p>{text}</p></blockquote>"
    f"<h3>{text}</h3><dl><dt>{text}</dt><dd>{text}</dd></dl>"
    for text in (ARABIC, FRENCH, HEBREW)
)
EDGES = """([selector, letters]) => {
  const root = document.querySelector("live-blog")?.shadowRoot ?? document;
  return [...root.querySelectorAll(selector)].map(element => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let text = walker.nextNode();
    while (!text.data.trim()) text = walker.nextNode();
    const begin = text.data.search(/\\S/);
    const [first, second] = [begin, begin + 1].map(at => {
      const range = document.createRange();
      range.setStart(text, at);
      range.setEnd(text, at + 1);
      return range.getBoundingClientRect();
    });
    const block = element.localName === "a" ? element.parentElement : element;
    const { left, right } = block.getBoundingClientRect();
    const { paddingLeft, paddingRight } = getComputedStyle(block);
    const before = first.left - left - parseFloat(paddingLeft);
    const after = right - parseFloat(paddingRight) - first.right;
    return [new RegExp(letters, "u").test(text.data), first.left > second.left, before > after,
            element.outerHTML.slice(0, 60)];
  });
}"""
"""Of each text: if it has letters that are written from right to left, if it runs so, and if it stands at the right."""
RIGHT_TO_LEFT = r"\p{Script=Arabic}|\p{Script=Hebrew}"
TEXTS = (
    ".entry-heading, .entry-body :is(p, li, dt, dd, h3), .entry-body blockquote:not(:has(p)), "
    ".masthead h1, .summary, .key-list span, .title a"
)


async def _own_directions(page: Page, at_least: int) -> None:
    """Each text of the page runs in its own direction, from its own side."""
    await page.wait_for_function(f"([selector]) => ({EDGES})([selector, 'x']).length >= {at_least}", arg=[TEXTS])
    edges = await page.evaluate(EDGES, [TEXTS, RIGHT_TO_LEFT])
    wrong = [edge for edge in edges if len(set(edge[:3])) != 1]
    assert not wrong
    assert {edge[0] for edge in edges} == {False, True}


@pytest.mark.parametrize("language", ["fr", "ar"])
async def test_each_text_takes_its_own_direction(site: Site, browser: Browser, language: str) -> None:
    slug = f"sens-{language}"
    title = {"fr": HEBREW, "ar": FRENCH}[language]
    await site.liveblog(slug, 0, title=title, summary=ARABIC if language == "fr" else FRENCH, language=language)
    for heading in (ARABIC, FRENCH, HEBREW):
        entry = await site.publish(slug, 0, heading=heading, body=BODY, key_event=True)
    async with hosting() as host, pages(browser) as open_page:
        await _own_directions(await open_page(site.url(slug)), 60)
        await _own_directions(await open_page(site.url(slug), viewport={"width": 360, "height": 700}), 60)
        await _own_directions(await open_page(f"{site.url(slug)}/entries/{entry['id']}"), 60)
        await _own_directions(await open_page(f"{site.server.url}/embed/{slug}", javascript=False), 60)
        await _own_directions(await open_page(f"{site.server.url}/embed/{slug}"), 60)
        await _own_directions(await open_page(f"{site.server.url}/embed/preview/{slug}"), 60)
        await _own_directions(await open_page(host.add("/", document(widget(site.server.url, slug)))), 60)
