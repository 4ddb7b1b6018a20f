"""Parts of a page that a reader sees, read out of the browser."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from playwright.async_api import Page

    from tests.acceptance.texts import Item

Seen = dict[str, Any]
Value = TypeVar("Value")

FRAMES = "() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
"""Waits until the browser has drawn what there is."""

POLL_SECONDS = 0.03
ONE_PIXEL = 1.0
"""Heights have fractions, and windows scroll by whole pixels: less than one can't be held, nor seen."""

ARTICLES = """name => [...document.querySelectorAll(`[data-list="${name}"] article`)].map(article => ({
  heading: article.querySelector(".entry-heading")?.textContent ?? null,
  paragraphs: [...article.querySelectorAll(".entry-body p")].map(paragraph => paragraph.textContent),
  byline: article.querySelector(".byline")?.textContent ?? null,
  labels: [...article.querySelectorAll(".label")].map(label => label.textContent),
}))"""
KEY_EVENTS = "() => [...document.querySelectorAll('[data-key-events] li span')].map(line => line.textContent)"
IDS = "() => [...document.querySelectorAll('[data-list=\"entries\"] article')].map(article => article.dataset.id)"
BODIES = """() => [...document.querySelectorAll('[data-list="entries"] .entry-body')].map(body => body.textContent)"""
SOURCES = """() => [...document.querySelectorAll("article[data-id]")].map(article => {
  const copy = article.cloneNode(true);
  copy.classList.remove("entry-new");
  return copy.outerHTML;
})"""

LABELS = {"confirmed": "Confirmé\u00a0: {}", "claimed": "Affirmation\u00a0: {}", "unverified": "Non vérifié\u00a0: {}"}


def seen(item: Item) -> Seen:
    """The parts of an entry that a French page must show."""
    labels = ["L’essentiel"] if item.key_event else []
    if item.verification is not None:
        labels.append(LABELS[item.verification].format(item.source))
    return {
        "heading": item.heading,
        "paragraphs": list(item.paragraphs),
        "byline": f"Par {', '.join(item.authors)}" if item.authors else None,
        "labels": labels,
    }


async def articles(page: Page, name: str) -> list[Seen]:
    """The entries of the list `entries` or `pinned`, from top to bottom."""
    found: list[Seen] = await page.evaluate(ARTICLES, name)
    return found


async def strings(page: Page, script: str) -> list[str]:
    """The strings that a script of this module finds."""
    found: list[str] = await page.evaluate(script)
    return found


async def settles(read: Callable[[], Awaitable[Value]], expected: Value, *, seconds: float = 15.0) -> None:
    """Return once `read` gives what is expected; fail with the difference if it doesn't in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    value = await read()
    for _ in range(int(seconds / POLL_SECONDS)):
        if value == expected or loop.time() > deadline:
            break
        await asyncio.sleep(POLL_SECONDS)
        value = await read()
    assert value == expected, (value, expected)


async def shows(page: Page, items: Sequence[Item], *, seconds: float = 15.0) -> None:
    """Return once the page shows exactly these entries, which are in the order of their publication."""
    newest_first = list(reversed(items))

    async def read() -> tuple[list[Seen], list[Seen], list[str]]:
        return await articles(page, "pinned"), await articles(page, "entries"), await strings(page, KEY_EVENTS)

    pinned = [seen(item) for item in newest_first if item.pinned]
    listed = [seen(item) for item in newest_first if not item.pinned]
    key_events = [item.heading or "" for item in newest_first if item.key_event]
    await settles(read, (pinned, listed, key_events), seconds=seconds)


async def live(page: Page) -> None:
    """Return once the page is connected to the stream."""
    await page.locator('[data-connection][data-state="live"]').wait_for(state="attached")


async def mark(page: Page) -> None:
    """Leave a mark that a reload would wipe away."""
    await page.evaluate("() => { window.__marker = 'here'; }")


async def assert_never_reloaded(page: Page) -> None:
    """The mark is still there."""
    assert await page.evaluate("() => window.__marker") == "here", "the page was loaded anew"


async def line_top(page: Page, entry_id: str) -> float:
    """Where the entry's first paragraph is, in pixels from the top of the window."""
    line = page.locator(f"#entry-{entry_id} .entry-body p").first
    top: float = await line.evaluate("line => line.getBoundingClientRect().top")
    return top
