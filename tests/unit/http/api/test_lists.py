"""Lists of entries: order, pages, filters, and who sees what."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.api.site import BASE, ENTRIES, LIVEBLOG, bad_fields, problem

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import JSON, Site


async def walk(client: httpx2.AsyncClient, url: str) -> list[JSON]:
    """All items of a list, by the Link header, which is used as it is."""
    items: list[JSON] = []
    while True:
        response = await client.get(url)
        assert response.status_code == 200
        content = response.json()
        items += content["items"]
        following = response.links.get("next")
        assert (following is None) == (content["next_cursor"] is None)
        if following is None:
            assert "link" not in response.headers
            return items
        url = following["url"]
        assert parse_qs(urlsplit(url).query)["cursor"] == [content["next_cursor"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_in_both_orders(site: Site, limit: int) -> None:
    """By time of publication, then id; every entry once."""
    moments = ["2026-01-01T10:00:00Z", "2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z", "2026-01-01T09:00:00Z"]
    entries = [await site.publish(publish_at=moment) for moment in moments]
    entries.sort(key=lambda entry: (entry["published_at"], entry["id"]))
    assert await walk(site.reader, f"{ENTRIES}?limit={limit}&order=oldest") == entries
    entries.reverse()
    assert await walk(site.reader, f"{ENTRIES}?limit={limit}&order=newest") == entries
    assert await walk(site.reader, f"{ENTRIES}?limit={limit}") == entries


async def test_a_page_names_its_history_and_where_it_stands(site: Site) -> None:
    """So that pages of two histories are never put together, and one out of a cache is known."""
    entry = await site.publish()
    for seq in (1, 2):
        snapshot = (await site.reader.get(f"{LIVEBLOG}/snapshot")).json()
        page = (await site.reader.get(ENTRIES)).json()
        assert (page["epoch"], page["seq"]) == (snapshot["epoch"], snapshot["seq"]) == (snapshot["epoch"], seq)
        await site.editor.delete(f"{ENTRIES}/{entry['id']}")


async def test_what_comes_meanwhile_moves_no_page(site: Site) -> None:
    """A cursor names a place, not a number."""
    entries = [await site.publish(str(number)) for number in range(4)]
    first = (await site.reader.get(ENTRIES, params={"limit": 2})).json()
    await site.publish("plus tard")
    await site.delete(entries[2])
    second = (await site.reader.get(ENTRIES, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["id"] for item in second["items"]] == [entries[1]["id"], entries[0]["id"]]
    assert second["next_cursor"] is None


async def test_the_link_keeps_the_filters(site: Site) -> None:
    """And escapes them."""
    for number in range(3):
        await site.publish(str(number), key_event=True, tags=['mer & été > "tout"'])
    params: dict[str, str] = {"limit": "2", "tag": 'mer & été > "tout"', "key_events": "true", "order": "oldest"}
    response = await site.reader.get(ENTRIES, params=params)
    url = response.links["next"]["url"]
    assert url.startswith(f"{BASE}{ENTRIES}?")
    assert {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()} == {
        **params,
        "cursor": response.json()["next_cursor"],
    }
    assert [item["body"] for item in (await site.reader.get(url)).json()["items"]] == ["2"]


async def test_filters(site: Site) -> None:
    """Key events, and one tag, which is compared exactly."""
    plain = await site.publish("plain", tags=["mer", "Mer 2"])
    key = await site.publish("key", key_event=True, tags=["mer"])
    other = await site.publish("other", key_event=True, tags=["%"])
    for query, expected in {
        "key_events=true": [other, key],
        "key_events=false": [other, key, plain],
        "tag=mer": [key, plain],
        "tag=Mer": [],
        "tag=Mer+2": [plain],
        "tag=%25": [other],
        "tag=": [],
        "tag=mer&key_events=1": [key],
        "utm_source=x": [other, key, plain],
    }.items():
        assert (await site.reader.get(f"{ENTRIES}?{query}")).json()["items"] == expected, query


async def test_drafts_and_scheduled_entries_are_listed_for_publishing_keys_only(site: Site) -> None:
    """Drafts and scheduled entries are there for a key that may publish, and for no other."""
    published = await site.publish("1")
    scheduled = await site.publish("2", publish_at="2126-01-01T00:00:00Z")
    draft = await site.publish("3", status="draft")
    manager = await site.client(await site.key("Gestion", ["manage"]))
    for client in (site.reader, manager):
        for query in ("", "?status=published"):
            response = await client.get(f"{ENTRIES}{query}")
            assert response.json()["items"] == [published]
            # A client that shows a key is told what is there now.
            viewer_set = "public, max-age=1, stale-while-revalidate=5"
            assert response.headers["cache-control"] == (viewer_set if client is site.reader else "public, no-cache")
    for status in ("draft", "scheduled"):
        problem(await site.reader.get(ENTRIES, params={"status": status}), 401)
        problem(await manager.get(ENTRIES, params={"status": status}), 403)
    for query, expected in {
        "": [scheduled, draft, published],
        "?status=draft": [draft],
        "?status=scheduled": [scheduled],
        "?status=published": [published],
    }.items():
        response = await site.editor.get(f"{ENTRIES}{query}")
        assert response.json()["items"] == expected
        assert response.headers["cache-control"] == ("public" if "published" in query else "private") + (
            ", no-cache" if "published" in query else ", no-store"
        )
    assert await walk(site.editor, f"{ENTRIES}?limit=1") == [scheduled, draft, published]


async def test_a_key_that_is_not_valid(site: Site) -> None:
    """401, rather than the readers' view: a client that sends a key means it."""
    wrong = await site.client("lv_abcdefghijkl_" + "x" * 43)
    problem(await wrong.get(ENTRIES), 401)


async def test_every_bad_parameter_is_named_at_once(site: Site) -> None:
    """Each by its name."""
    response = await site.reader.get(
        ENTRIES,
        params={
            "limit": "x",
            "cursor": "x" * 501,
            "order": "up",
            "key_events": "maybe",
            "tag": "x" * 61,
            "verification": "maybe",
            "status": "deleted",
        },
    )
    assert set(bad_fields(response)) == {
        "?limit",
        "?cursor",
        "?order",
        "?key_events",
        "?tag",
        "?verification",
        "?status",
    }


@pytest.mark.parametrize("query", ["cursor=x", "cursor=", "cursor=%00", "cursor=MTIz", "tag=%00", "limit=%FF"])
async def test_bad_parameters(site: Site, query: str) -> None:
    """No bytes make it stumble."""
    assert list(bad_fields(await site.reader.get(f"{ENTRIES}?{query}"))) == ["?" + query.partition("=")[0]]


async def test_not_modified(site: Site) -> None:
    """304 until something on the page changes."""
    entry = await site.publish()
    tag = (await site.reader.get(ENTRIES)).headers["etag"]
    assert (await site.reader.get(ENTRIES, headers={"If-None-Match": tag})).status_code == 304
    await site.edit(entry, heading="Autre")
    changed = await site.reader.get(ENTRIES, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    # An editor's view is another representation, and never what a shared cache holds for readers.
    await site.publish(status="draft")
    assert (await site.editor.get(ENTRIES, headers={"If-None-Match": changed.headers["etag"]})).status_code == 200


@pytest.mark.parametrize("name", ["self", "limit2", "a b&c", "é"])
async def test_unknown_parameters_do_no_harm(site: Site, name: str) -> None:
    """Parameters of proxies and cache busters are ignored; the link to the next page has those that we know only."""
    for _ in range(2):
        await site.publish()
    response = await site.reader.get(ENTRIES, params={"limit": 1, name: "1", "order": "newest", "key_events": "0"})
    assert response.status_code == 200
    query = parse_qs(urlsplit(response.links["next"]["url"]).query)
    assert query == {"limit": ["1"], "cursor": [response.json()["next_cursor"]]}


async def test_the_link_to_the_next_page_asks_for_the_same(site: Site) -> None:
    """The link has the parameters that differ from the defaults, as they were understood."""
    for _ in range(2):
        await site.publish(tags=["marée haute"], key_event=True)
    asked = {"limit": "1", "tag": "marée haute", "key_events": "true", "order": "oldest"}
    response = await site.reader.get(ENTRIES, params={**asked, "key_events": "1"})
    query = parse_qs(urlsplit(response.links["next"]["url"]).query)
    assert query == {**{name: [value] for name, value in asked.items()}, "cursor": [response.json()["next_cursor"]]}
