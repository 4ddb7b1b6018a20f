"""The page to try the widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOK = """() => {
  const box = getComputedStyle(document.querySelector("live-blog").shadowRoot.querySelector(".lv"));
  return [box.backgroundColor, box.fontSize, box.colorScheme];
}"""
SHOWN = "() => document.querySelector('live-blog').shadowRoot.querySelectorAll('.list article').length"
SLIDE = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }"


async def test_the_line_does_what_the_controls_show(site: Site, browser: Browser) -> None:
    """What is set beside the widget is in the line to copy, which does the same on another site's page."""
    slug = "essai"
    await site.liveblog(slug, 4)
    async with hosting() as host, pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/embed/preview/{slug}")
        await page.wait_for_function(f"() => ({SHOWN})() === 4")
        for name, value in {"limit": "2", "--lv-font-size": "20", "--lv-background": "#102030", "width": "400"}.items():
            await page.locator(f'[name="{name}"]').evaluate(SLIDE, value)
        await page.locator('[name="theme"]').select_option("dark")
        await page.wait_for_function(f"() => ({SHOWN})() === 2")
        look = await page.evaluate(LOOK)
        assert look == ["rgb(16, 32, 48)", "20px", "dark"]
        line = await page.locator('[name="line"]').input_value()

        other = await open_page(host.add("/", document(line)))
        await other.wait_for_function(f"() => ({SHOWN})() === 2")
        assert await other.evaluate(LOOK) == look
