"""The words that an entry is made of, and where they are: every place in a browser that may say them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

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
// Of each word in the document the nodes that say it, each with the way to it.
window.__places = () => {
  const places = {};
  const note = (text, path) => {
    for (const word of words(text)) (places[word] ??= []).push(path);
  };
  const walk = (root, above) => {
    for (const element of root.querySelectorAll("*")) {
      const way = [];
      for (let one = element; one instanceof Element; one = one.parentNode) {
        const { id, list, notice } = { id: one.id, ...one.dataset };
        way.unshift(one.localName + (id && `#${id}`) + (list ? `[list=${list}]` : "") + (notice ? `[${notice}]` : ""));
      }
      const path = above + way.join(" ");
      for (const node of element.childNodes) if (node.nodeType !== 1) note(node.data, `${path} ${node.nodeName}`);
      for (const { name, value } of element.attributes) note(value, `${path} @${name}`);
      if (typeof element.value === "string") note(element.value, `${path} value`);
      if (element.shadowRoot) walk(element.shadowRoot, `${path} / `);
    }
  };
  walk(document, "");
  return places;
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
window.__noticed = async (holder) => {
  const worker = await navigator.serviceWorker.getRegistration().catch(() => undefined);
  const there = (await worker?.getNotifications()) ?? [];
  const asked = there.filter(({ data }) => holder === undefined || data.holder === holder);
  return words(asked.map(({ title, body }) => `${title} ${body}`).join("\n"));
};
window.__gone = new Set();
window.__settled = async ([more, beside]) => {
  for (const word of more) window.__gone.add(word);
  for (;;) {
    const found = window.__document();
    if (beside) found.push(...await window.__copied(), ...await window.__noticed());
    window.__left = found.filter(word => window.__gone.has(word));
    if (window.__left.length === 0) return found;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
};
const raise = window.ServiceWorkerRegistration?.prototype.showNotification;
if (raise) ServiceWorkerRegistration.prototype.showNotification = function (title, options) {
  window.__holder = options.data.holder;
  return raise.call(this, title, options);
};
window.__confirmed = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  const { type, id } = JSON.parse(data);
  if (type === "gone") {
    const places = window.__places();
    for (const word of window.__document()) places[word] ??= ["the document"];
    const beside = {
      "an offline copy": window.__copied(),
      "a notification": window.__holder === undefined ? [] : window.__noticed(window.__holder),
    };
    const noted = Object.entries(beside).map(async ([place, said]) => {
      for (const word of await said) (places[word] ??= []).push(place);
    });
    window.__confirmed.push(Promise.all(noted).then(() => [id, places]));
  }
  send.call(this, data);
};
"""
"""To run before a page's own scripts, in its frames too: looks for words in all of the document, its attributes, head,
controls and shadow trees included; and beside it, in offline copies and notifications. Keeps, of each confirmation that
the page sends, the entry and the words that the document, the copies and the page's own notifications have then, each
with the places that say it. A page knows its own notifications by a random mark: no two may have one `Math.random`."""


def said(kind: str, number: int, version: int) -> str:
    """A word that nothing else has: of entry `number`, `kind` being h(eading), b(ody) or n(ote)."""
    return f"Z{kind}{number}v{version}"


async def rid_of(page: Page, gone: Iterable[str], *, beside: bool = False) -> set[str]:
    """The text of the page and its frames, once it has none of these words, nor of those of earlier calls.

    `beside`: nor does its browser profile, in offline copies and notifications.
    """
    words = list(gone)
    try:
        async with asyncio.timeout(SECONDS):
            waiting = (frame.evaluate("given => window.__settled(given)", [words, beside]) for frame in page.frames)
            found = await asyncio.gather(*waiting)
    except TimeoutError:
        left = [await frame.evaluate("() => window.__left") for frame in page.frames]
        raise AssertionError(f"{page.url} still says {left}") from None
    return {word for words in found for word in words}


async def confirmations(page: Page) -> list[tuple[str, dict[str, list[str]]]]:
    """Of each confirmation since the last call, the entry, and of each word that the page said then where it did."""
    taken = "() => Promise.all(window.__confirmed.splice(0))"
    found: list[list[Any]] = await asyncio.gather(*(frame.evaluate(taken) for frame in page.frames))
    return [(entry_id, places) for sent in found for entry_id, places in sent]
