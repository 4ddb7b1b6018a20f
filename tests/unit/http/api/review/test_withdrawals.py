"""Withdrawn entries: gone from every surface at once, and back as new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.api.review_desk import DESK_ENTRIES, at_desk
from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG, problem
from tests.support.api.streams import events, websocket

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import httpx2

    from tests.support.api.site import JSON, LiveSite, Site

WORD = "Zanzibar"

SURFACES = [
    *(f"/live/{SLUG}", f"/live/{SLUG}?order=oldest", f"/live/{SLUG}?key_events=true", f"/live/{SLUG}/feed.atom"),
    *(f"/live/{SLUG}/feed.rss", f"/live/{SLUG}/feed.json", f"/embed/{SLUG}", f"/embed/{SLUG}?theme=dark"),
    *(f"{LIVEBLOG}/snapshot", ENTRIES, f"{ENTRIES}?key_events=true"),
    # With the entry's id: its own page, its place in the list, its share card.
    *(f"/live/{SLUG}/entries/{{id}}", f"{ENTRIES}/{{id}}", f"/live/{SLUG}/entries/{{id}}/card.png"),
]


async def shown(site: Site) -> JSON:
    """An entry with the word, in each of the places where an entry can stand."""
    return await site.publish(f"<p>{WORD}</p>", heading=WORD, pinned=True, key_event=True)


async def withdraw(site: Site, entry: JSON) -> JSON:
    response = await site.editor.post(f"{ENTRIES}/{entry['id']}/withdraw")
    assert response.status_code == 200, response.text
    draft: JSON = response.json()
    return draft


@pytest.mark.parametrize("path", SURFACES)
async def test_a_surface_without_what_was_withdrawn(site: Site, path: str) -> None:
    """Each is asked before, so that it stands in every cache; and after its text was edited as a draft."""
    entry = await shown(site)
    address = path.format(id=entry["id"])
    before = await site.reader.get(address, follow_redirects=True)
    assert (before.status_code, WORD in before.text or path.endswith(".png")) == (200, True)
    card = str(before.url)
    draft = await withdraw(site, entry)
    assert (draft["status"], draft["published_at"], WORD in draft["body"]) == ("draft", None, True)
    for _ in range(2):
        after = await site.reader.get(address, follow_redirects=True)
        assert after.status_code == (404 if "{id}" in path else 200)
        assert WORD not in after.text
        assert (await site.reader.get(card)).status_code == after.status_code
        await site.edit(draft, heading=f"{WORD} 2")
        draft = (await site.editor.get(f"{ENTRIES}/{entry['id']}")).json()


async def test_a_feed_tells_of_the_withdrawal(site: Site) -> None:
    """As of a deletion; and no more once the entry is back."""
    entry = await shown(site)
    draft = await withdraw(site, entry)
    feed = (await site.reader.get(f"/live/{SLUG}/feed.atom")).text
    assert f'deleted-entry ref="urn:uuid:{entry["id"]}"' in feed
    await site.edit(draft, status="published")
    feed = (await site.reader.get(f"/live/{SLUG}/feed.atom")).text
    assert ("deleted-entry" in feed, WORD in feed) == (False, True)


async def test_the_newsroom_keeps_the_text(site: Site) -> None:
    """In the draft and in its revisions; the entry comes back with its id, as a new one."""
    entry = await shown(site)
    draft = await withdraw(site, entry)
    revisions = (await site.editor.get(f"{ENTRIES}/{entry['id']}/revisions")).json()["items"]
    assert [revision["action"] for revision in revisions] == ["published", "withdrawn"]
    problem(await site.editor.post(f"{ENTRIES}/{entry['id']}/withdraw"), 409)
    again = await site.edit(draft, status="published")
    assert (again["id"], again["seq"]) == (entry["id"], 3)
    assert again["published_at"] > entry["published_at"]
    assert WORD in (await site.reader.get(f"/live/{SLUG}")).text


async def test_what_streams_tell(live_site: LiveSite) -> None:
    """A deletion, with the wish to confirm it if it was asked for; later the entry again."""
    site = live_site
    entry = await shown(site)
    position = await site.position()
    async with websocket(site, f"?after={position}") as socket, events(site, f"?after={position}") as stream:
        for hello in (await socket.next(), (await stream.next()).message):
            assert hello["type"] == "hello"
        answer = await site.editor.post(f"{ENTRIES}/{entry['id']}/withdraw", params={"confirm": "true"})
        for message in (await socket.next(), (await stream.next()).message):
            assert (message["type"], message["id"], message["seq"]) == ("delete", entry["id"], 2)
            assert message["confirm"]["within"] > 0
        assert (await site.editor.get(f"{LIVEBLOG}/takedowns/{entry['id']}")).json()["asked"] == 2
        await site.edit(answer.json(), status="published")
        for message in (await socket.next(), (await stream.next()).message):
            assert (message["type"], message["seq"], message["entry"]["id"]) == ("entry", 3, entry["id"])
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={"after": position})).json()["events"]
    assert [change["seq"] for change in changes] == [3]


async def test_a_late_partner_has_neither_text(site: Site) -> None:
    """What was withdrawn within its delay never comes; not in the first version either."""
    entry = await shown(site)
    partner = {"name": "Le Phare", "delay": 3600}
    partner_id = (await site.editor.post("/api/v1/partners", json=partner)).json()["id"]
    await site.edit(await withdraw(site, entry), status="published")
    for path in (f"/embed/{SLUG}", ENTRIES, f"{LIVEBLOG}/snapshot"):
        answer = await site.reader.get(path, params={"partner": partner_id})
        assert (answer.status_code, WORD in answer.text) == (200, False)


async def test_takedowns_by_two_persons(site: Site) -> None:
    """202 with the proposal for the first, whoever it is; the entry goes with the second."""
    ada, bob = await at_desk(site, "Ada"), await at_desk(site, "Bob")
    await site.editor.patch(LIVEBLOG, json={"two_persons": ["takedowns"]}, headers={"If-Match": "*"})
    for way in ("delete", "withdraw", "erase"):
        entry = await shown(site)
        address = f"{DESK_ENTRIES}/{entry['id']}"

        def take_down(
            client: httpx2.AsyncClient, address: str = address, way: str = way, **headers: str
        ) -> Awaitable[httpx2.Response]:
            if way == "delete":
                return client.delete(address, headers=headers)
            return client.post(f"{address}/{way}", json={"confirm": True}, headers=headers)

        for _ in range(2):
            proposed = await take_down(ada)
            assert proposed.status_code == 202, proposed.text
            assert (proposed.json()["proposal"]["action"], proposed.json()["proposal"]["name"]) == (way, "Ada")
        assert (await ada.get(address)).json()["review"]["action"] == way
        public = await site.reader.get(f"{ENTRIES}/{entry['id']}")
        assert (public.status_code, "review" in public.json(), public.json()["version"]) == (200, False, 1)
        await site.edit(entry, tags=["x"])
        conflict = problem(await take_down(bob), 412)
        assert conflict["current"] == (await bob.get(address)).json()
        assert conflict["current"]["review"]["name"] == "Ada"
        assert (await take_down(bob, **{"If-Match": '"2"'})).status_code == 202
        assert (await take_down(ada, **{"If-Match": '"2"'})).status_code == (200 if way == "withdraw" else 204)
        assert (await site.reader.get(f"{ENTRIES}/{entry['id']}")).status_code == (404 if way == "withdraw" else 410)


async def test_a_repeated_proposal_is_answered_as_the_first(site: Site) -> None:
    entry = await shown(site)
    await site.editor.patch(LIVEBLOG, json={"two_persons": ["takedowns"]}, headers={"If-Match": "*"})
    for _ in range(2):
        answer = await site.editor.post(f"{ENTRIES}/{entry['id']}/withdraw", headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["proposal"]["action"]) == (202, "withdraw")
