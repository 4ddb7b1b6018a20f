"""The desk's `/audit`: who did what, in pages and as JSON lines."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.http.api.people import audit
from liveserver.protocol.json_encoding import timestamp
from tests.support.api.desk import DESK, seat
from tests.support.api.site import ENTRIES, SLUG, bad_fields

if TYPE_CHECKING:
    import httpx2
    import pytest

    from tests.support.api.site import JSON, Site

AUDIT = f"{DESK}/audit"
LINES = {"Accept": "application/x-ndjson"}


async def found(client: httpx2.AsyncClient, **params: str) -> list[JSON]:
    """The acts of a page."""
    answer = await client.get(AUDIT, params=params)
    assert answer.status_code == 200, answer.text
    items: list[JSON] = answer.json()["items"]
    return items


async def test_acts_are_chosen_by_person_live_blog_entry_action_and_time(site: Site) -> None:
    """Nothing of an entry's text is there."""
    ada, editor = await seat(site, "Ada", Role.EDITOR)
    _, olive = await seat(site, "Olive")
    before = timestamp(now())
    entry = (await editor.post(f"/desk{ENTRIES}", json={"body": "<p>Un secret</p>"})).json()
    await editor.delete(f"/desk{ENTRIES}/{entry['id']}")
    await site.publish()
    deleted, published = await found(olive, entry=entry["id"])
    assert (published["action"], deleted["action"]) == ("entry.published", "entry.deleted")
    assert published["by"] == {"kind": "user", "id": ada.id, "name": "Ada"}
    assert (published["liveblog"], published["version"]) == (SLUG, 1)
    assert "secret" not in (await olive.get(AUDIT)).text
    assert await found(olive, person=ada.id, action="entry") == [deleted, published]
    assert await found(olive, person=ada.id, action="entry.deleted", liveblog=SLUG) == [deleted]
    assert [act["by"]["name"] for act in await found(olive, action="entry", **{"from": before})] == [
        "Rédaction",
        "Ada",
        "Ada",
    ]
    assert await found(olive, to=before, entry=entry["id"]) == []
    assert await found(olive, liveblog="autre") == []
    bad = {"entry": "x", "action": "X", "from": "yesterday", "liveblog": "A_", "cursor": "x"}
    assert set(bad_fields(await olive.get(AUDIT, params=bad))) == {f"?{name}" for name in bad}


async def test_the_next_page_is_of_the_same_choice(site: Site) -> None:
    """The `Link` repeats it."""
    _, olive = await seat(site, "Olive")
    entries = [(await site.publish())["id"] for _ in range(3)]
    since = timestamp(now().replace(year=2020))
    first = await olive.get(AUDIT, params={"action": "entry.published", "limit": 2, "from": since})
    link = first.headers["link"].partition("<")[2].partition(">")[0]
    repeated = parse_qs(urlsplit(link).query)
    assert repeated.keys() == {"action", "limit", "from", "cursor"}
    assert datetime.fromisoformat(repeated["from"][0]) == datetime.fromisoformat(since)
    second = await olive.get(link)
    assert [act["entry"] for act in (*first.json()["items"], *second.json()["items"])] == entries[::-1]
    assert "link" not in second.headers


def lines(answer: httpx2.Response) -> list[JSON]:
    """What an export has."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["cache-control"] == "no-store"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_an_export_has_all_acts_read_page_by_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One on a line, the same as on the pages."""
    monkeypatch.setattr(audit, "PAGE", 2)
    _, olive = await seat(site, "Olive")
    for _ in range(4):
        await site.publish()
    exported = lines(await olive.get(AUDIT, params={"action": "entry"}, headers=LINES))
    assert exported == await found(olive, action="entry")
    assert len(exported) == 4


async def test_a_long_export_ends_with_a_cursor(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With which the next one goes on."""
    monkeypatch.setattr(audit, "PAGE", 2)
    monkeypatch.setattr(audit, "EXPORT_MAX", 3)
    _, olive = await seat(site, "Olive")
    for _ in range(5):
        await site.publish()
    *first, last = lines(await olive.get(AUDIT, params={"action": "entry"}, headers=LINES))
    rest = lines(await olive.get(AUDIT, params={"action": "entry", "cursor": last["next_cursor"]}, headers=LINES))
    assert (len(first), len(rest)) == (3, 2)
    assert [*first, *rest] == await found(olive, action="entry")


async def test_an_export_ends_when_the_session_does(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last line says so."""
    monkeypatch.setattr(audit, "PAGE", 1)
    user, olive = await seat(site, "Olive")
    await site.publish()
    pages = 0
    page = site.parts.store.acts.page

    async def signed_out_meanwhile(*arguments: object, **named: object) -> object:
        nonlocal pages
        pages += 1
        await site.parts.store.sessions.end_all(user, now())
        return await page(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(type(site.parts.store.acts), "page", staticmethod(signed_out_meanwhile))
    *acts, last = lines(await olive.get(AUDIT, headers=LINES))
    assert (len(acts), pages) == (1, 1)
    assert last == {"error": "the session has ended: sign in again"}
