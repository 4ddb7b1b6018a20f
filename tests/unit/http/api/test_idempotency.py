"""A retried publish never publishes twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.support.api.site import ENTRIES, LIVEBLOG, bad_fields, problem

if TYPE_CHECKING:
    from tests.support.api.site import JSON, Site

BODY = {"body": "<p>Une fois.</p>", "tags": ["x"]}
KEY = {"Idempotency-Key": "matin-1"}


async def count(site: Site) -> int:
    """How many entries there are, whatever their status."""
    return len((await site.editor.get(ENTRIES)).json()["items"])


async def test_a_retry_is_answered_with_the_entry(site: Site) -> None:
    """201 once more, marked as a replay; no change, no second entry."""
    first = await site.editor.post(ENTRIES, json=BODY, headers=KEY)
    position = await site.position()
    second = await site.editor.post(ENTRIES, json=BODY, headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert await count(site) == 1
    assert await site.position() == position


async def test_a_replay_shows_the_entry_as_it_is_now(site: Site) -> None:
    """A client that retries learns what became of it."""
    entry: JSON = (await site.editor.post(ENTRIES, json=BODY, headers=KEY)).json()
    edited = await site.edit(entry, heading="Titre")
    replayed = await site.editor.post(ENTRIES, json=BODY, headers=KEY)
    assert replayed.json() == edited
    assert "-2-" in replayed.headers["etag"]


async def test_racing_duplicates_make_one_entry(site: Site) -> None:
    """Ten at once: one publishes, nine hear of it."""
    answers = await asyncio.gather(*(site.editor.post(ENTRIES, json=BODY, headers=KEY) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await count(site) == 1
    assert (await site.position()).endswith("-1")


@pytest.mark.parametrize("other", [{"body": "<p>Autre.</p>"}, {**BODY, "pinned": True}, {**BODY, "tags": ["y"]}])
async def test_a_key_that_came_with_another_request(site: Site, other: JSON) -> None:
    """422, of a type of its own; nothing is written."""
    await site.editor.post(ENTRIES, json=BODY, headers=KEY)
    response = await site.editor.post(ENTRIES, json=other, headers=KEY)
    assert list(bad_fields(response)) == ["Idempotency-Key"]
    assert problem(response, 422)["type"] == "urn:liveserver:problem:idempotency-key-reused"
    assert await count(site) == 1


async def test_a_key_of_another_live_blog(site: Site) -> None:
    """The same words elsewhere are another request."""
    await site.open_liveblog("autre")
    await site.editor.post(ENTRIES, json=BODY, headers=KEY)
    response = await site.editor.post("/api/v1/liveblogs/autre/entries", json=BODY, headers=KEY)
    assert list(bad_fields(response)) == ["Idempotency-Key"]


async def test_a_replay_of_what_was_deleted(site: Site) -> None:
    """410: it is not published again."""
    await site.delete((await site.editor.post(ENTRIES, json=BODY, headers=KEY)).json())
    problem(await site.editor.post(ENTRIES, json=BODY, headers=KEY), 410)
    assert await count(site) == 0


async def test_each_api_key_has_its_own(site: Site) -> None:
    """A request of one key is nothing to another, though both name it the same."""
    other = await site.client(await site.key("Agence", ["publish"]))
    ids = {(await client.post(ENTRIES, json=BODY, headers=KEY)).json()["id"] for client in (site.editor, other)}
    assert len(ids) == 2


async def test_a_refused_request_uses_up_nothing(site: Site) -> None:
    """A request answered 4xx may be mended and sent again with the same key."""
    assert list(bad_fields(await site.editor.post(ENTRIES, json={"body": ""}, headers=KEY))) == ["/body"]
    assert list(bad_fields(await site.editor.post(ENTRIES, json={"body": "<hr>"}, headers=KEY))) == ["/body"]
    assert (await site.editor.post(ENTRIES, json=BODY, headers=KEY)).status_code == 201


async def test_drafts_are_replayed_too(site: Site) -> None:
    """A request is replayed whatever the status of its entry."""
    answers = [await site.editor.post(ENTRIES, json={**BODY, "status": "draft"}, headers=KEY) for _ in range(2)]
    assert answers[0].json() == answers[1].json()


async def test_the_order_of_members_does_not_matter(site: Site) -> None:
    """The request is what it says, not how its JSON is written."""
    for content in (b'{"body": "x", "heading": "y"}', b'{"heading":"y","body":"x"}'):
        response = await site.editor.post(ENTRIES, content=content, headers=KEY)
        assert response.status_code == 201
    assert await count(site) == 1


@pytest.mark.parametrize("key", [b"", b" ", b"a b", b"x" * 256, "é".encode(), b"a\tb"])
async def test_bad_keys(site: Site, key: bytes) -> None:
    """A key is up to 255 visible ASCII characters."""
    headers = httpx2.Headers([(b"Idempotency-Key", key)])
    assert list(bad_fields(await site.editor.post(ENTRIES, json=BODY, headers=headers))) == ["Idempotency-Key"]


async def test_only_publishing_heeds_them(site: Site) -> None:
    """An edit is made safe by If-Match."""
    for title in ("Un", "Deux"):
        headers = {**KEY, "If-Match": "*"}
        response = await site.editor.patch(LIVEBLOG, json={"title": title}, headers=headers)
        assert response.json()["title"] == title


async def test_an_edit_whose_answer_was_lost(site: Site) -> None:
    """Repeated after somebody else's edit, it isn't made again: the answer is the entry as it is now."""
    entry: JSON = (await site.editor.post(ENTRIES, json=BODY)).json()
    address = f"{ENTRIES}/{entry['id']}"
    headers = {**KEY, "If-Match": '"1"'}
    first = await site.editor.patch(address, json={"heading": "Un"}, headers=headers)
    again = await site.editor.patch(address, json={"heading": "Un"}, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    others = await site.edit(first.json(), heading="Deux")
    late = await site.editor.patch(address, json={"heading": "Un"}, headers=headers)
    assert (late.status_code, late.json()) == (200, others)
    assert (await site.position()).endswith("-3")
    for reused in ({"heading": "Trois"}, {"heading": "Un", "pinned": True}):
        answer = await site.editor.patch(address, json=reused, headers=headers)
        assert problem(answer, 422)["type"].endswith("idempotency-key-reused")


async def test_a_key_of_an_edit_is_of_one_entry(site: Site) -> None:
    """And of one principal: another may have the same."""
    entries = [(await site.editor.post(ENTRIES, json=BODY)).json() for _ in range(2)]
    headers = {**KEY, "If-Match": "*"}
    edit = {"heading": "Un"}
    assert (await site.editor.patch(f"{ENTRIES}/{entries[0]['id']}", json=edit, headers=headers)).status_code == 200
    problem(await site.editor.patch(f"{ENTRIES}/{entries[1]['id']}", json=edit, headers=headers), 422)
    other = await site.client(await site.key("Autre", ["publish"]))
    assert (await other.patch(f"{ENTRIES}/{entries[1]['id']}", json=edit, headers=headers)).status_code == 200


async def test_an_edit_that_failed_leaves_its_key(site: Site) -> None:
    """It can be repeated with the version that is there now."""
    entry: JSON = (await site.editor.post(ENTRIES, json=BODY)).json()
    address = f"{ENTRIES}/{entry['id']}"
    problem(await site.editor.patch(address, json={"heading": "Un"}, headers={**KEY, "If-Match": '"7"'}), 412)
    done = await site.editor.patch(address, json={"heading": "Un"}, headers={**KEY, "If-Match": '"1"'})
    assert (done.status_code, "idempotency-replayed" in done.headers) == (200, False)
