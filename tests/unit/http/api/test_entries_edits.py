"""Edits of entries over HTTP: versions, corrections, and revisions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.entry import CORRECTIONS_MAX
from tests.support.api.site import ENTRIES, bad_fields, problem

if TYPE_CHECKING:
    from tests.support.api.site import Site


async def test_editing(site: Site) -> None:
    """A field that isn't given stays, null empties it; the version and the seq grow, the place in the list stays."""
    first = await site.publish(heading="Un", authors=["A"], tags=["x"], source="S", verification="claimed", pinned=True)
    await site.publish("Deux")
    url = f"{ENTRIES}/{first['id']}"
    response = await site.editor.patch(
        url, json={"heading": None, "authors": [], "verification": None}, headers={"If-Match": '"1"'}
    )
    assert (response.status_code, "-2-" in response.headers["etag"]) == (200, True)
    assert response.headers["cache-control"] == "private, no-store"
    edited = response.json()
    changed = {name for name in edited if edited[name] != first[name]}
    assert changed == {"heading", "authors", "verification", "version", "seq", "updated_at", "html"}
    assert (edited["heading"], edited["authors"], edited["verification"]) == (None, [], None)
    assert (edited["version"], edited["seq"]) == (2, 3)
    assert (await site.reader.get(ENTRIES)).json()["items"][1] == edited


async def test_editing_nothing_is_no_change(site: Site) -> None:
    """Neither a version nor a seq is taken."""
    entry = await site.publish(heading="Un")
    for patch in ({}, {"heading": "Un", "body": entry["body"], "status": "published"}):
        assert await site.edit(entry, **patch) == entry
    assert (await site.position()).endswith("-1")


async def test_an_entry_has_so_many_corrections(site: Site) -> None:
    """One more is refused, and other edits aren't."""
    entry = await site.publish()
    for number in range(CORRECTIONS_MAX):
        entry = await site.edit(entry, correction=f"{number}")
    response = await site.editor.patch(
        f"{ENTRIES}/{entry['id']}", json={"correction": "Encore"}, headers={"If-Match": "*"}
    )
    assert (response.status_code, list(bad_fields(response))) == (422, ["/correction"])
    assert len((await site.edit(entry, heading="Titre"))["corrections"]) == CORRECTIONS_MAX


async def test_corrections_add_up(site: Site) -> None:
    """Each is kept with its time, and shown."""
    entry = await site.edit(await site.publish(), correction="Un")
    entry = await site.edit(entry, body="<p>Autre</p>", correction="Deux")
    assert [correction["note"] for correction in entry["corrections"]] == ["Un", "Deux"]
    assert entry["corrections"][1]["at"] == entry["updated_at"]
    assert "Deux" in entry["html"]


async def test_the_format_needs_a_body(site: Site) -> None:
    """It says how the body is written, and nothing else."""
    entry = await site.publish()
    headers = {"If-Match": "*"}
    response = await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={"format": "markdown"}, headers=headers)
    assert list(bad_fields(response)) == ["/format"]


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', ' "1" ', "*"])
async def test_if_match_that_holds(site: Site, tag: str) -> None:
    """A weak tag counts as the strong one, and `*` overwrites whatever is there."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    assert (await site.editor.patch(url, json={"heading": "Un"}, headers={"If-Match": tag})).status_code == 200
    if tag != "*":
        problem(await site.editor.delete(url, headers={"If-Match": tag}), 412)
    assert (await site.editor.delete(url, headers={"If-Match": tag.replace("1", "2")})).status_code == 204


@pytest.mark.parametrize("tag", ["1", '"x"', '"1", "2"', '"', "", '"-1"', '"1234567890"', 'w/"1"'])
async def test_if_match_that_can_not_be_read(site: Site, tag: str) -> None:
    """It is named, and nothing happens."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    assert list(bad_fields(await site.editor.patch(url, json={}, headers={"If-Match": tag}))) == ["If-Match"]
    assert list(bad_fields(await site.editor.delete(url, headers={"If-Match": tag}))) == ["If-Match"]
    assert (await site.reader.get(url)).json() == entry


async def test_if_match_must_be_there(site: Site) -> None:
    """428 for an edit without it; a deletion may go without."""
    entry = await site.publish()
    assert "If-Match" in problem(await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={}), 428)["detail"]
    await site.delete(entry)


async def test_two_editors_at_once(site: Site) -> None:
    """One wins; the other gets 412 with what the first made of it, and can go on from there."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    headers = {"If-Match": '"1"'}
    answers = await asyncio.gather(
        *(site.editor.patch(url, json={"body": f"<p>{name}</p>"}, headers=headers) for name in ("Un", "Deux"))
    )
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, lost.status_code) == (200, 412)
    current = problem(lost, 412)["current"]
    assert current == won.json() == (await site.reader.get(url)).json()
    assert lost.headers["etag"] == won.headers["etag"]
    retried = await site.editor.patch(url, json={"heading": "Ensemble"}, headers={"If-Match": lost.headers["etag"]})
    assert retried.json()["body"] == current["body"]


async def test_not_modified(site: Site) -> None:
    """304 while the version holds."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    tag = (await site.reader.get(url)).headers["etag"]
    assert (await site.reader.get(url, headers={"If-None-Match": f"W/{tag}"})).status_code == 304
    assert (await site.reader.head(url, headers={"If-None-Match": tag})).status_code == 304
    await site.edit(entry, heading="Autre")
    assert (await site.reader.get(url, headers={"If-None-Match": tag})).json()["heading"] == "Autre"


async def test_revisions(site: Site) -> None:
    """Every state, by whom and when; also after the deletion, but never to readers."""
    other = await site.client(await site.key("Agence", ["publish"]))
    entry = await site.publish("<p>Un</p>", status="draft")
    url = f"{ENTRIES}/{entry['id']}"
    await site.edit(entry, body="<p>Deux</p>")
    await other.patch(url, json={"status": "published"}, headers={"If-Match": "*"})
    published = (await site.reader.get(url)).json()
    await other.delete(url)
    response = await site.editor.get(f"{url}/revisions")
    assert response.headers["cache-control"] == "private, no-store"
    items = response.json()["items"]
    assert [(item["version"], item["actor"], item["action"]) for item in items] == [
        (1, "Rédaction", "created"),
        (2, "Rédaction", "edited"),
        (3, "Agence", "published"),
        (4, "Agence", "deleted"),
    ]
    assert [item["entry"]["body"] for item in items] == ["<p>Un</p>", "<p>Deux</p>", "<p>Deux</p>", ""]
    assert items[2]["entry"] == published
    problem(await site.reader.get(f"{url}/revisions"), 401)
    manager = await site.client(await site.key("Gestion", ["manage"]))
    problem(await manager.get(f"{url}/revisions"), 403)


async def test_pages_of_revisions(site: Site) -> None:
    """As of any list: a cursor, and a link."""
    entry = await site.publish("<p>0</p>")
    for number in range(1, 4):
        entry = await site.edit(entry, body=f"<p>{number}</p>")
    url: str | None = f"{ENTRIES}/{entry['id']}/revisions?limit=3"
    pages = []
    while url is not None:
        response = await site.editor.get(url)
        pages.append([item["entry"]["body"] for item in response.json()["items"]])
        url = response.links["next"]["url"] if response.json()["next_cursor"] else None
    assert pages == [["<p>0</p>", "<p>1</p>", "<p>2</p>"], ["<p>3</p>"]]
    for query in ("limit=0", "limit=101", "cursor=x", "page=2"):
        response = await site.editor.get(f"{ENTRIES}/{entry['id']}/revisions?{query}")
        assert response.status_code == (200 if query == "page=2" else 422)
