"""The page to try the widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting
from tests.acceptance.widgets import kilometres, shows

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
    """Each choice made beside the widget is in the line to copy, which does the same on another site's page."""
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


async def test_a_partners_lines(site: Site, browser: Browser) -> None:
    """They name it, whatever the controls say; where nobody else may show the live blog, they alone work."""
    slug = "essai-partenaire"
    await site.liveblog(slug, 2)
    await site.set_liveblog(slug, embedding={"mode": "nobody"})
    async with hosting() as host, pages(browser) as open_page:
        partner = await site.partner(origins=[host.url])
        page = await open_page(f"{site.server.url}/embed/preview/{slug}?partner={partner}")
        await page.wait_for_function(f"() => ({SHOWN})() === 2")
        await page.locator('[name="theme"]').select_option("dark")
        line = await page.locator('[name="line"]').input_value()
        assert f'partner="{partner}" theme="dark"' in line
        await shows(await open_page(host.add("/", document(line))), kilometres(1, 0))
        without = line.replace(f' partner="{partner}"', "")
        other = await open_page(host.add("/other", document(without)), outages=True)
        await other.wait_for_function("() => customElements.get('live-blog')")
        await other.wait_for_function(
            "() => document.querySelector('live-blog').shadowRoot.querySelector('[part=fallback]')"
        )
        assert await other.get_by_role("link", name="Le Tour").is_visible()


async def test_the_pinned_line(site: Site, browser: Browser) -> None:
    """The file has the digest that the line names, and lives; had it another, the browser would leave the link."""
    slug = "essai-fixe"
    await site.liveblog(slug, 1)
    async with hosting() as host, pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/embed/preview/{slug}")
        script = await page.get_by_label("integrity").input_value()
        assert 'integrity="sha384-' in script
        live = f'<live-blog src="{site.url(slug)}"><a href="{site.url(slug)}">En direct</a></live-blog>'
        good = await open_page(host.add("/", document(script + live)))
        await shows(good, kilometres(0))
        await site.publish(slug, 1)
        await shows(good, kilometres(1, 0))
        listen = "<script>addEventListener('error', ({ target }) => { window.refused = target.src }, true)</script>"
        forged = script.replace("sha384-", "sha384-AAAA")
        page = await browser.new_page()
        await page.goto(host.add("/forged", document(forged + live, head=listen)))
        await page.wait_for_function("() => window.refused?.includes('/embed/v1-')")
        assert await page.evaluate("() => customElements.get('live-blog') === undefined")
        assert await page.get_by_role("link", name="En direct").is_visible()
        await page.close()
