"""A page full of embeds asks nobody but its own server, until its reader wants it to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.reading import live

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

EMBEDS = {
    "youtube": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "vimeo": "https://vimeo.com/76979871",
    "dailymotion": "https://www.dailymotion.com/video/x8m8jtb",
    "x": "https://x.com/example/status/1234567890123456789",
    "bluesky": "https://bsky.app/profile/example.bsky.social/post/3kabcdefghi2x",
    "mastodon": "https://mastodon.social/@example/110000000000000001",
    "instagram": "https://www.instagram.com/p/CabcdefghIJ/",
    "tiktok": "https://www.tiktok.com/@example/video/7123456789012345678",
    "facebook": "https://www.facebook.com/example/posts/1234567890",
    "spotify": "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC",
    "soundcloud": "https://soundcloud.com/example/a-sound",
}


async def test_nobody_is_asked_before_a_click(site: Site, browser: Browser) -> None:
    """Neither by the page with one of each provider's, nor by what comes to it live, nor where a card is looked at."""
    await site.liveblog("tiers", 0)
    for url in EMBEDS.values():
        await site.newsroom.publish("tiers", {"body": f"<p>{url}</p>"})
    async with pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/healthz")
        asked: set[str] = set()
        page.context.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        await page.goto(site.url("tiers"))
        await live(page)
        shown = await page.eval_on_selector_all("[data-embed]", "cards => cards.map(card => card.dataset.embed)")
        assert shown == [*reversed(EMBEDS)]
        entry = await site.newsroom.publish("tiers", {"body": f"<p>{EMBEDS['vimeo']}</p>"})
        await page.locator(f"#entry-{entry['id']} [data-embed]").wait_for(state="attached")
        for card in await page.locator("[data-embed] .embed-link").all():
            await card.scroll_into_view_if_needed()
            await card.hover()
            await card.focus()
        card = page.locator(f"#entry-{entry['id']} [data-embed]")
        await card.locator(".embed-link").click()
        await card.locator(".embed-offer button").wait_for()
        await page.wait_for_load_state("networkidle")
        assert asked == {f"127.0.0.1:{site.server.port}"}
        await page.context.route("https://player.vimeo.com/**", lambda route: route.fulfill(body="<p>Une vidéo</p>"))
        async with page.expect_request("https://player.vimeo.com/**"):
            await card.locator(".embed-offer button").click()
