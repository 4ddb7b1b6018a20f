"""Readers who come all at once: rendered once, sent as bytes, and never what has been changed since."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from liveserver.domain.change import Position
from liveserver.http.pages.fast_path import FastPath
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.server.app import create_app
from liveserver.store.cursors import SortKey
from tests.support.api.site import BASE, ENTRIES, LIVEBLOG, SLUG, WHOLE, Site, database_away, settled, started
from tests.support.principals import named
from tests.support.viewers import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest
    from starlette.types import Message, Receive, Scope, Send

    from liveserver.settings import Settings
    from tests.support.services import StartRedis

PAGE = f"/live/{SLUG}"
VIEWER_SET = "public, max-age=1, stale-while-revalidate=5"
READERS = 200


class Counted:
    """Counts the calls of a method, which is called all the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.calls = 0
        original: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **fields: Any) -> Any:
            self.calls += 1
            return original(*args, **fields)

        monkeypatch.setattr(owner, name, counted)


async def surfaces(site: Site, *, entries: int = 25) -> dict[str, str]:
    """Everything that is kept as bytes, by name."""
    start = (await site.position()).partition("-")[0] + "-0"
    published = [await site.publish(f"<p>Entrée {number}</p>") for number in range(entries)]
    cursor = (await site.reader.get(f"{LIVEBLOG}/snapshot")).json()["next_cursor"]
    return {
        "newest": PAGE,
        "older": f"{PAGE}?cursor={cursor}",
        "permalink": f"{PAGE}/entries/{published[-1]['id']}",
        "index": "/",
        "snapshot": f"{LIVEBLOG}/snapshot",
        "entries": ENTRIES,
        "changes": f"{LIVEBLOG}/changes?after={start}&limit=200",
    }


async def warm(site: Site) -> None:
    """Have the live blog in the hub's memory, as it is while it has viewers."""
    await site.parts.hub.enter(WHOLE)


async def test_a_rush_reads_and_renders_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All readers before anything is there, and again after a change; in memory or not."""
    found = await surfaces(site)
    for surface, read, readers in (
        ("newest", "liveblogs.snapshot", READERS),
        ("permalink", "entries.around", 20),
        ("entries", "entries.page", 20),
    ):
        await site.publish()
        group, query = read.split(".")
        reads = Counted(monkeypatch, getattr(site.parts.store, group), query)
        for rush in (1, 2):
            answers = await asyncio.gather(*(site.reader.get(found[surface]) for _ in range(readers)))
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.content for answer in answers}) == 1
            assert reads.calls == rush
            await warm(site)
            await site.publish()


async def test_one_change_renders_one_entry(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nineteen others are remembered, for the page, the snapshot and the stream alike."""
    found = await surfaces(site)
    await site.reader.get(PAGE)
    made = Counted(monkeypatch, EntryRenderer, "_render")
    await site.publish("<p>Nouvelle</p>")
    for name in ("newest", "snapshot", "entries", "changes"):
        assert "Nouvelle" in (await site.reader.get(found[name])).text
    assert made.calls == 1


async def test_gzip_is_made_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each state of a page; a client that can't take it gets the same page as it is."""
    found = await surfaces(site)
    compressions = Counted(monkeypatch, gzip, "compress")
    await site.publish()
    for number, path in enumerate((found["newest"], found["snapshot"]), 1):
        for _ in range(5):
            packed = await site.reader.get(path, headers={"Accept-Encoding": "br, gzip"})
            plain = await site.reader.get(path, headers={"Accept-Encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.content == plain.content
        assert int(packed.headers["content-length"]) < len(plain.content) / 3
        assert compressions.calls == number


async def test_what_caches_are_told(site: Site) -> None:
    """Of every kept answer, on the 200 and on the 304, to GET and HEAD, packed or not."""
    for name, path in (await surfaces(site)).items():
        tags = set()
        for coding in ("gzip", "identity"):
            accept = {"Accept-Encoding": coding}
            # Twice: the second one needn't have gone through the routes.
            answers = [await site.reader.get(path, headers=accept) for _ in range(2)]
            head = await site.reader.head(path, headers=accept)
            tag = head.headers["etag"]
            tags.add(tag)
            unchanged = await site.reader.get(path, headers={**accept, "If-None-Match": f'"x", W/{tag}'})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert (head.status_code, head.content) == (200, b"")
            assert answers[0].headers == answers[1].headers == head.headers
            for answer in (*answers, head, unchanged):
                assert answer.headers["cache-control"] == ("public, max-age=1" if name == "changes" else VIEWER_SET)
                assert "Accept-Encoding" in answer.headers["vary"]
                assert answer.headers["etag"] == tag
                assert answer.headers["x-content-type-options"] == "nosniff"
                # A CDN may give this answer to a partner's page, though no origin was named in asking for it.
                assert answer.headers.get("access-control-allow-origin") == ("*" if path.startswith("/api") else None)
        assert len(tags) == 2
        for coding, tag in zip(("identity", "gzip"), sorted(tags, key=len, reverse=True), strict=True):
            other = await site.reader.get(path, headers={"Accept-Encoding": coding, "If-None-Match": tag})
            assert other.status_code == 200, "the tag of the other coding"


async def test_a_change_is_on_the_next_answer(site: Site) -> None:
    """Of every surface, whether it was asked for once or is in demand: published, edited, deleted."""
    found = await surfaces(site, entries=3)
    del found["index"], found["older"]
    for _ in range(3):
        for path in found.values():
            await site.reader.get(path)
    await settle()
    assert site.parts.hub.reached(WHOLE) is not None
    entry = await site.publish("<p>Zanzibar</p>")
    for path in found.values():
        assert "Zanzibar" in (await site.reader.get(path)).text, path
    entry = await site.edit(entry, body="<p>Tombouctou</p>")
    for path in found.values():
        text = (await site.reader.get(path)).text
        assert "Tombouctou" in text
        assert "Zanzibar" not in text
    await site.delete(entry)
    for path in found.values():
        assert "Tombouctou" not in (await site.reader.get(path)).text, path
    assert (await site.reader.get(f"{PAGE}/entries/{entry['id']}")).status_code == 410


async def test_a_permalink_goes_with_its_entry(site: Site) -> None:
    """Though it was in demand a moment ago."""
    await warm(site)
    entry = await site.publish("<p>Zanzibar</p>")
    for _ in range(3):
        assert (await site.reader.get(entry["url"])).status_code == 200
    await site.delete(entry)
    response = await site.reader.get(entry["url"])
    assert response.status_code == 410
    assert "Zanzibar" not in response.text
    assert response.headers["cache-control"] == "no-store"


async def test_the_page_is_outdated_before_the_editor_is_answered(site: Site) -> None:
    """Not only when the hub has delivered the change, which is after that."""
    await warm(site)
    entry = await site.publish()
    await site.reader.get(PAGE)
    assert site.parts.page_cache.held(WHOLE, ("newest",)) is not None
    await site.parts.publisher.delete_entry(SLUG, entry["id"], version=None, by=named("Desk"))
    assert site.parts.page_cache.held(WHOLE, ("newest",)) is None
    await settle()


async def test_the_live_blogs_own_fields(site: Site) -> None:
    """They take a seq as entries do: title, language and time zone are on every page of it."""
    await warm(site)
    found = await surfaces(site)
    await site.publish("<p>x</p>", publish_at="2026-07-01T12:00:00Z")
    change = {"title": "Autre titre", "language": "en", "timezone": "America/New_York"}
    for path in found.values():
        await site.reader.get(path)
    await site.editor.patch(LIVEBLOG, json=change, headers={"If-Match": "*"})
    for name in ("newest", "older", "permalink"):
        text = (await site.reader.get(found[name])).text
        assert "Autre titre" in text
        assert '<html lang="en"' in text
        assert 'data-timezone="America/New_York"' in text
    assert "Autre titre" in (await site.reader.get("/")).text
    snapshot = (await site.reader.get(found["snapshot"])).json()
    assert snapshot["liveblog"]["timezone"] == "America/New_York"
    assert "Eastern" in snapshot["entries"][0]["html"]


async def test_what_a_search_engine_asks_once_is_not_taken_into_memory(site: Site) -> None:
    """The hub would read and render what nobody follows."""
    for number in range(5):
        slug = f"ancien-{number}"
        await site.open_liveblog(slug)
        await site.publish(slug=slug)
        assert (await site.reader.get(f"/live/{slug}")).status_code == 200
    await settle()
    assert list(site.parts.hub.channels()) == []


async def test_the_database_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers keep their page, while nothing is known to have changed; what was deleted doesn't come back."""
    await warm(site)
    entry = await site.publish("<p>Zanzibar</p>")
    shown = (await site.reader.get(PAGE)).content
    with database_away(monkeypatch):
        for _ in range(3):
            response = await site.reader.get(PAGE)
            assert (response.status_code, response.content) == (200, shown)
        assert (await site.reader.get(f"{PAGE}/entries/{entry['id']}")).status_code == 503
        epoch, _, seq = (await _position(site)).partition("-")
        site.parts.hub.received(WHOLE, Position(epoch, int(seq) + 1))
        response = await site.reader.get(PAGE)
        assert (response.status_code, response.headers["cache-control"]) == (503, "no-store")
        await settle()


async def _position(site: Site) -> str:
    return str(site.parts.hub.reached(WHOLE))


async def test_the_memory_is_bounded(settings: Settings) -> None:
    """By the setting; what doesn't fit is served all the same."""
    small = settings.model_copy(update={"page_cache": 150_000})
    async with started(small) as site:
        found = await surfaces(site)
        for limit in range(1, 40):
            assert (await site.reader.get(f"{ENTRIES}?limit={limit}")).status_code == 200
            assert 0 < site.parts.page_cache.weight <= 150_000
        for path in found.values():
            assert (await site.reader.get(path)).status_code == 200


async def test_a_key_is_shown_what_is_there(site: Site) -> None:
    """An editor's list is made for the request, and never what readers are given."""
    draft = await site.publish(status="draft")
    for _ in range(2):
        assert (await site.reader.get(ENTRIES)).json()["items"] == []
        response = await site.editor.get(ENTRIES)
        assert (response.json()["items"], response.headers["cache-control"]) == ([draft], "private, no-store")


async def test_the_link_to_the_next_page_says_what_was_understood(site: Site) -> None:
    """Lists are kept by that, whatever else stands there, in whatever order, said or left to its default."""
    for _ in range(22):
        await site.publish()
    for asked, understood in (
        (f"limit=1&a={'b' * 1_000}&status=published", "limit=1&"),
        ("limit=1", "limit=1&"),
        ("order=newest&limit=001&key_events=false", "limit=1&"),
        ("", ""),
        ("limit=20", ""),
    ):
        response = await site.reader.get(f"{ENTRIES}?{asked}")
        assert response.links["next"]["url"].startswith(f"{BASE}{ENTRIES}?{understood}cursor=")
    assert (site.parts.page_cache.misses, site.parts.page_cache.hits) == (2, 3)


async def test_what_no_route_knows_makes_no_page(site: Site) -> None:
    """Nor does a cursor that isn't one, or a tag that is longer than any."""
    entry = await site.publish(tags=["mer"])
    cursor = SortKey(datetime.now(UTC), entry["id"]).cursor()
    assert site.parts.page_cache.misses == 0
    for path, same in (
        (PAGE, ["", "?x=1", "?utm_source=a&utm_medium=b", "?order=newest", "?key_events=0"]),
        (f"{PAGE}?tag=mer", ["", "&x=1", "&order=whatever"]),
        (f"{PAGE}?cursor={cursor}", ["", "==", "&x=2"]),
        (f"{PAGE}/entries/{entry['id']}", ["", "?x=1"]),
        (ENTRIES, ["?x=1", "?limit=20", "?y=2&order=newest"]),
        (f"{ENTRIES}?cursor={cursor}", ["", "=="]),
        (f"{LIVEBLOG}/snapshot", ["", "?limit=20", "?limit=020&x=1"]),
    ):
        before = site.parts.page_cache.misses
        for other in same:
            assert (await site.reader.get(f"{path}{other}")).status_code == 200
        assert site.parts.page_cache.misses == before + 1, path
    made, weight = site.parts.page_cache.misses, site.parts.page_cache.weight
    for wrong in (f"tag={'x' * 61}", "cursor=x", f"cursor={'A' * 400}", "verification=x"):
        assert (await site.reader.get(f"{PAGE}?{wrong}")).status_code == 303
        assert (await site.reader.get(f"{ENTRIES}?{wrong}")).status_code == 422
    assert (site.parts.page_cache.misses, site.parts.page_cache.weight) == (made, weight)


async def test_the_way_past_the_routes(site: Site) -> None:
    """It takes GET and HEAD of a page that is held, as it is; whatever else is asked goes to the routes."""
    await warm(site)
    await site.publish()
    await site.reader.get(PAGE)
    passed: list[str] = []

    async def routes(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(f"{scope['type']} {scope.get('method')} {scope['path']}")

    async def answered(**fields: Any) -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise AssertionError("nothing is read")

        scope = {"type": "http", "method": "GET", "path": PAGE, "query_string": b"", "root_path": "", "headers": []}
        await rush({**scope, "state": {"services": site.parts}, **fields}, receive, send)
        return sent

    rush = FastPath(routes)
    for method, body in (("GET", True), ("HEAD", False)):
        start, end = await answered(method=method)
        assert (start["status"], bool(end["body"])) == (200, body)
    assert passed == []
    for fields in (
        {"method": "POST"},
        {"method": "OPTIONS"},
        {"query_string": b"cursor=x"},
        {"root_path": "/live"},
        {"path": f"{PAGE}/"},
        {"path": "/live/rien"},
        {"path": "/"},
        {"type": "websocket"},
    ):
        passed.clear()
        assert await answered(**fields) == []
        assert len(passed) == 1


@asynccontextmanager
async def second_node(settings: Settings) -> AsyncIterator[Site]:
    """Another process of the same site."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        site = Site(app, asgi, BASE)
        site.reader = await site.client()
        yield site
        await site.close()


async def test_another_process_follows_the_bus(settings: Settings, start_redis: StartRedis) -> None:
    """An entry deleted here is gone there as soon as the message arrives; the poll is far away."""
    shared = settings.model_copy(update={"redis_url": start_redis().url})
    async with started(shared) as here, second_node(shared) as there:
        await warm(there)
        entry = await here.publish("<p>Zanzibar</p>")

        async def shown() -> bool:
            return "Zanzibar" in (await there.reader.get(PAGE)).text

        async def gone() -> bool:
            return not await shown()

        await settled(shown)
        reads = there.parts.page_cache.misses
        for _ in range(5):
            assert await shown()
        assert there.parts.page_cache.misses == reads
        await here.delete(entry)
        await settled(gone)
        assert (await there.reader.get(f"{PAGE}/entries/{entry['id']}")).status_code == 410


async def test_another_process_without_the_live_blog_in_memory_asks_the_store(
    settings: Settings, start_redis: StartRedis
) -> None:
    """It is told nothing, and so believes nothing."""
    shared = settings.model_copy(update={"redis_url": start_redis().url})
    async with started(shared) as here, second_node(shared) as there:
        entry = await here.publish("<p>Zanzibar</p>")
        assert "Zanzibar" in (await there.reader.get(PAGE)).text
        await here.delete(entry)
        assert "Zanzibar" not in (await there.reader.get(PAGE)).text


async def test_a_repeated_request_at_another_process(
    settings: Settings, start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry was made here, its answer got lost, and the bus is slow: an editor answered there sees it there."""
    shared = settings.model_copy(update={"redis_url": start_redis().url})
    async with started(shared) as here, second_node(shared) as there:
        await warm(there)
        await there.reader.get(PAGE)
        monkeypatch.setattr(there.parts.hub, "received", lambda _slug, _message: None)
        key = await here.key("Rédaction", ["publish"])
        for site, replayed in ((here, None), (there, "true")):
            editor = await site.client(key)
            body = {"body": "<p>Zanzibar</p>"}
            response = await editor.post(ENTRIES, json=body, headers={"Idempotency-Key": "matin"})
            assert (response.status_code, response.headers.get("idempotency-replayed")) == (201, replayed)
        assert "Zanzibar" in (await there.reader.get(PAGE)).text
