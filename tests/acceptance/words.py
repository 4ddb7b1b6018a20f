"""The words that an entry is made of, and where they are: every place in a browser that may say them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

SECONDS = 10.0
"""Within which words that are gone have left."""

WATCH = r"""
const words = text => [...new Set(text.match(/\bZ[hbn]\d+v\d+\b/g) ?? [])];
window.__document = () => {
  const parts = [];
  const walk = root => {
    parts.push(root.documentElement?.outerHTML ?? root.innerHTML);
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) walk(element.shadowRoot);
      if (typeof element.value === "string") parts.push(element.value);
    }
  };
  walk(document);
  return words([document.title, ...parts].join("\n"));
};
// Frames without an origin have none.
window.__copied = async () => {
  const copies = [];
  for (const name of await caches.keys().catch(() => [])) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      // It may have gone just now.
      if (!request.url.includes("/static/")) copies.push((await (await cache.match(request))?.text()) ?? "");
    }
  }
  return words(copies.join("\n"));
};
window.__noticed = async () => {
  const worker = await navigator.serviceWorker.getRegistration().catch(() => undefined);
  const there = (await worker?.getNotifications()) ?? [];
  return words(there.map(({ title, body }) => `${title} ${body}`).join("\n"));
};
window.__all = async () => [...window.__document(), ...await window.__copied(), ...await window.__noticed()];
window.__confirmed = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  const { type, id } = JSON.parse(data);
  if (type === "gone") window.__confirmed.push([id, window.__document()]);
  send.call(this, data);
};
"""
"""To run before a page's own scripts, in its frames too: looks for words in all of the document, its attributes, head,
controls and shadow trees included; and beside it, in offline copies and notifications. Keeps, of each confirmation that
the page sends, the entry and the words that the document has at that moment."""


def said(kind: str, number: int, version: int) -> str:
    """A word that nothing else has: of entry `number`, `kind` being h(eading), b(ody) or n(ote)."""
    return f"Z{kind}{number}v{version}"


async def words_in(page: Page) -> set[str]:
    """What is said by the page and its frames, by the offline copies of its profile and by its notifications."""
    found = await asyncio.gather(*(frame.evaluate("() => window.__all()") for frame in page.frames))
    return {word for words in found for word in words}


async def confirmations(page: Page) -> list[tuple[str, set[str]]]:
    """Of each confirmation since the last call, the entry and what the document said when it was sent."""
    taken = "() => window.__confirmed.splice(0)"
    found: list[list[Any]] = await asyncio.gather(*(frame.evaluate(taken) for frame in page.frames))
    return [(entry_id, set(words)) for sent in found for entry_id, words in sent]
