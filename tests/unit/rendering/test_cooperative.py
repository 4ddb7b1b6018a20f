"""Work that lets others have their turns: who is told what, by whom it is made, and how often the loop has its turn."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.content import plain_text
from liveserver.domain.topic import Topic
from liveserver.http.responses.representation import Representation
from liveserver.rendering import cooperative, entry_renderer
from liveserver.rendering.cooperative import OFFLOAD_CHARACTERS, PICTURE_CHARACTERS, SLICE_SECONDS, TimeSlice, offloaded
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.utils.lru_cache import LruCache
from tests.support.api.site import LIVEBLOG, SLUG
from tests.support.store_samples import an_entry

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from tests.support.api.site import Site


async def test_the_loop_has_its_turn_when_a_slice_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after each piece, and again only when as much time has gone by once more."""
    now = 100.0
    monkeypatch.setattr("liveserver.rendering.cooperative.time.perf_counter", lambda: now)
    turns: list[int] = []
    time_slice = TimeSlice()
    for piece in range(1, 10):
        asyncio.get_running_loop().call_soon(turns.append, piece)
        before = len(turns)
        now += SLICE_SECONDS * 0.4
        await time_slice.checkpoint()
        assert (len(turns) > before) == (piece % 3 == 0)
    assert turns == list(range(1, 10))


async def test_much_is_put_together_in_a_thread() -> None:
    """A small answer costs less than the way there."""
    here = threading.get_ident()
    half = an_entry(body="x" * (OFFLOAD_CHARACTERS // 2))
    assert await offloaded(threading.get_ident, [half, half]) == here
    assert await offloaded(threading.get_ident, [half, half, an_entry(body="x")]) != here
    pictures = an_entry(body='<img src="">' * (OFFLOAD_CHARACTERS // PICTURE_CHARACTERS))
    assert await offloaded(threading.get_ident, [pictures]) != here


@pytest.mark.parametrize(
    "path",
    [
        f"/live/{SLUG}",
        f"/live/{SLUG}?order=oldest",
        f"/live/{SLUG}/entries/ID",
        f"/live/{SLUG}/feed.rss",
        f"/live/{SLUG}/feed.atom",
        f"/live/{SLUG}/feed.json",
        f"/embed/{SLUG}",
        f"/embed/{SLUG}/fragment",
        f"{LIVEBLOG}/snapshot",
        f"{LIVEBLOG}/entries",
        f"{LIVEBLOG}/changes?after=POSITION",
    ],
)
async def test_a_large_answer_is_made_in_slices_and_put_together_apart(
    site: Site, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each entry is rendered once, on the loop, which has its turn after it, though no memory has room for it.

    An answer put together in a thread is the same as one put together on the loop.
    """
    # Answers for viewers that follow the live blog are rendered, too.
    await site.parts.hub.enter(Topic(SLUG))
    position = await site.position()
    entries = [await site.publish(f"<p>Numéro {number}</p>", key_event=number == 0) for number in range(6)]
    path = path.replace("ID", str(entries[2]["id"])).replace("POSITION", position)
    at_once = (await site.reader.get(path)).content
    site.parts.page_cache._kept = LruCache(0)
    renderer = site.parts.pages.entries
    renderer._rendered, renderer._texts = LruCache(0), LruCache(0)
    monkeypatch.setattr(cooperative, "OFFLOAD_CHARACTERS", 0)
    monkeypatch.setattr(cooperative, "SLICE_SECONDS", 0.0)
    loop, turns, rendered, put_together = threading.get_ident(), 0, [], []
    as_html, as_text, begin = EntryRenderer._render, plain_text.plain_text, Representation.__init__

    def html_made(renderer: EntryRenderer, template: Any, liveblog: Liveblog, entry: Entry) -> str:
        rendered.append((threading.get_ident(), turns))
        return as_html(renderer, template, liveblog, entry)

    def text_made(html: str) -> str:
        assert threading.get_ident() == loop
        return as_text(html)

    def representation_made(self: Representation, *args: Any) -> None:
        put_together.append(threading.get_ident())
        begin(self, *args)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(EntryRenderer, "_render", html_made)
    monkeypatch.setattr(entry_renderer, "plain_text", text_made)
    monkeypatch.setattr(Representation, "__init__", representation_made)
    other = asyncio.create_task(others())
    in_slices = (await site.reader.get(path)).content
    other.cancel()
    assert in_slices == at_once
    assert [thread for thread, _ in rendered] == [loop] * len(entries)
    assert len({turn for _, turn in rendered}) == len(entries)
    assert put_together
    assert loop not in put_together
