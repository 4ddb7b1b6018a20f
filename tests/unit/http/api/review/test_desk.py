"""Erasures, notes, the board, and previews at the desk."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.http.api.review.preview import PLACEHOLDER
from tests.support.api.review_desk import DESK, DESK_ENTRIES, at_desk
from tests.support.api.site import ENTRIES, SLUG, bad_fields, problem, settled

if TYPE_CHECKING:
    from liveserver.store.repositories.review.board import BoardFilter, BoardPage
    from tests.support.api.site import Site


async def test_an_erasure(site: Site) -> None:
    """By a person who has just proved who they are, and who says so; of what was deleted, too."""
    entry = await site.publish("<p>Zanzibar</p>")
    bob, late = await at_desk(site, "Bob"), await at_desk(site, "Late", confirmed=False)
    reporter = await at_desk(site, "Ada", Role.REPORTER)
    address = f"{DESK_ENTRIES}/{entry['id']}"
    sure = {"confirm": True}
    problem(await late.post(f"{address}/erase", json=sure), 403)
    problem(await reporter.post(f"{address}/erase", json=sure), 403)
    for body in ({}, {"confirm": False}):
        assert "/confirm" in bad_fields(await bob.post(f"{address}/erase", json=body))
    refused = problem(await bob.post(f"{address}/erase", json={"confirm": False}), 422)
    assert refused["errors"] == [{"pointer": "/confirm", "detail": "must be true"}]
    assert (await site.editor.post(f"{ENTRIES}/{entry['id']}/erase", json=sure)).status_code == 404, "no key"
    await bob.post(f"{address}/notes", json={"text": "Zanzibar"})
    await site.delete(entry)
    assert "Zanzibar" in (await bob.get(f"{address}/revisions")).text
    for _ in range(2):
        assert (await bob.post(f"{address}/erase", json=sure)).status_code == 204
    assert "Zanzibar" not in (await bob.get(f"{address}/revisions")).text
    assert (await bob.get(f"{address}/notes")).json()["items"] == []
    assert (await site.reader.get(f"{ENTRIES}/{entry['id']}")).status_code == 410


async def test_notes(site: Site) -> None:
    """For those who work on it; readers and keys don't have them."""
    entry = await site.publish()
    ada, eve, bob = [
        await at_desk(site, name, role)
        for name, role in (("Ada", Role.REPORTER), ("Eve", Role.REPORTER), ("Bob", Role.EDITOR))
    ]
    viewer = await at_desk(site, "Vic", Role.VIEWER)
    notes = f"{DESK_ENTRIES}/{entry['id']}/notes"
    note = (await ada.post(notes, json={"text": "Deux sources ?"})).json()
    assert (note["name"], note["text"]) == ("Ada", "Deux sources ?")
    assert (await viewer.get(notes)).json()["items"] == [note]
    problem(await viewer.post(notes, json={"text": "x"}), 403)
    for text in ("", " ", "x" * 2001, "\x07"):
        assert "/text" in bad_fields(await ada.post(notes, json={"text": text}))
    problem(await eve.delete(f"{notes}/{note['id']}"), 403)
    assert (await bob.delete(f"{notes}/{note['id']}")).status_code == 204
    problem(await bob.delete(f"{notes}/{note['id']}"), 404)
    assert (await site.editor.get(f"{ENTRIES}/{entry['id']}/notes")).status_code == 404


async def test_the_board(site: Site) -> None:
    """By status, words and author, with counts, and an ETag that every write changes."""
    ada, viewer = await at_desk(site, "Ada", Role.REPORTER), await at_desk(site, "Vic", Role.VIEWER)
    await site.publish("<p>La mer &amp; le vent.</p>")
    draft = (await ada.post(DESK_ENTRIES, json={"status": "draft", "heading": "Brouillon", "tags": ["mer"]})).json()
    board = f"{DESK}/board"
    first = await viewer.get(board)
    page = first.json()
    assert page["counts"] == {"draft": 1, "review": 0, "scheduled": 0, "published": 1}
    assert [item["status"] for item in page["items"]] == ["draft", "published"]
    assert page["items"][0]["created_by"].startswith("user:")
    assert first.headers["cache-control"] == "no-store"

    async def ids(**params: str) -> list[str]:
        return [item["status"] for item in (await ada.get(board, params=params)).json()["items"]]

    assert await ids(q="MER") == ["draft", "published"]
    assert await ids(q="mer & le") == ["published"]
    assert await ids(status="published,review") == ["published"]
    assert await ids(mine="true") == ["draft"]
    assert set(bad_fields(await ada.get(board, params={"status": "deleted", "q": "x" * 101}))) == {"?status", "?q"}
    etag = {"If-None-Match": first.headers["etag"]}
    assert (await viewer.get(board, headers=etag)).status_code == 304
    assert (await ada.get(board, headers=etag)).status_code == 200, "hers may be others"
    await ada.post(f"{DESK_ENTRIES}/{draft['id']}/notes", json={"text": "x"})
    second = await viewer.get(board, headers=etag)
    assert (second.status_code, second.json()["items"][0]["notes"]) == (200, 1)
    await ada.post(f"{DESK_ENTRIES}/{draft['id']}/submit", json={}, headers={"If-Match": '"1"'})
    assert (await viewer.get(board, headers={"If-None-Match": second.headers["etag"]})).status_code == 200
    one = await viewer.get(board, params={"limit": 1})
    assert 'rel="next"' in one.headers["link"]
    assert (await site.reader.get(board)).status_code == 401


async def test_searches_hold_up_nobody_who_reads(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is under way at a time, whoever asks; boards without a search, and readers, don't wait for it."""
    await site.publish()
    ada, bob = await at_desk(site, "Ada"), await at_desk(site, "Bob")
    boards, began, over = site.parts.store.board, [], asyncio.Event()
    page = boards.page

    async def slow(slug: str, which: BoardFilter, **rest: Any) -> BoardPage:
        if which.text is not None:
            began.append(which.text)
            await over.wait()
        return await page(slug, which, **rest)

    monkeypatch.setattr(boards, "page", slow)
    searches = [
        asyncio.create_task(client.get(f"{DESK}/board", params={"q": text}))
        for client, text in ((ada, "mer"), (bob, "vent"))
    ]

    async def waits() -> bool:
        return site.parts.search_queue.waiting == 1

    await settled(waits)
    assert (await bob.get(f"{DESK}/board")).status_code == 200
    assert (await site.reader.get(ENTRIES, params={"limit": 7})).status_code == 200
    assert len(began) == 1
    over.set()
    assert [answer.status_code for answer in await asyncio.gather(*searches)] == [200] * 2


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "<p>La <b>mer</b> monte.</p><script>x</script>", "heading": "À 9 h 40", "breaking": True},
        {"body": "*Vite*", "format": "markdown", "verification": "claimed", "source": "AFP", "tags": ["mer"]},
        {"heading": "Un éclair", "pinned": True, "authors": ["Zoé"]},
    ],
)
async def test_a_preview_is_what_readers_get(
    site: Site, fields: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, but for the id; nothing is stored."""
    moment = now()
    monkeypatch.setattr(site.parts.publisher, "_clock", lambda: moment)
    ada = await at_desk(site, "Ada", Role.REPORTER)
    before = await site.parts.store.liveblogs.board_tag(SLUG)
    answer = await ada.post(f"{DESK}/preview", json=fields)
    assert PLACEHOLDER in answer.text
    assert await site.parts.store.liveblogs.board_tag(SLUG) == before
    published = (await site.editor.post(ENTRIES, json=fields)).json()
    preview = orjson.loads(answer.text.replace(PLACEHOLDER, published["id"]))
    assert preview["html"] == published["html"]
    assert preview["html"] in (await site.reader.get(f"/live/{SLUG}")).text
    assert preview["widget"] == (await site.reader.get(f"/embed/{SLUG}")).text
    assert preview["feed"] == (await site.reader.get(f"/live/{SLUG}/feed.json")).json()["items"][0]
    assert preview["alert"]["text"] == preview["feed"]["title"]
    card = await site.reader.get(f"/live/{SLUG}/entries/{published['id']}/card.png", follow_redirects=True)
    assert preview["card"]["image"] == f"data:image/png;base64,{b64encode(card.content).decode()}"


async def test_a_preview_of_what_is_to_come(site: Site) -> None:
    """It has the time at which it is to be published."""
    ada = await at_desk(site, "Ada", Role.REPORTER)
    fields = {"body": "<p>Plus tard.</p>", "publish_at": "2090-01-01T09:00:00+01:00"}
    preview = (await ada.post(f"{DESK}/preview", json=fields)).json()
    assert 'data-published-at="2090-01-01T08:00:00.000Z"' in preview["html"]
    assert "edited" not in preview["html"]


async def test_a_preview_is_refused_as_an_entry_would_be(site: Site) -> None:
    ada, viewer = await at_desk(site, "Ada", Role.REPORTER), await at_desk(site, "Vic", Role.VIEWER)
    assert "/body" in bad_fields(await ada.post(f"{DESK}/preview", json={}))
    assert "/body" in bad_fields(await ada.post(f"{DESK}/preview", json={"body": "<script>x</script>"}))
    problem(await viewer.post(f"{DESK}/preview", json={"body": "x"}), 403)
    problem(await ada.post("/desk/api/v1/liveblogs/rien/preview", json={"body": "x"}), 404)
