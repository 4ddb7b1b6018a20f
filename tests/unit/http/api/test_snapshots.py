"""Snapshot and changes: what a page starts from, and the stream for clients that can only poll."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from liveserver.domain.change import Position
from liveserver.protocol import messages as wire_messages
from tests.support.api.site import BASE, LIVEBLOG, SLUG, TYPOGRAPHY, bad_fields, problem

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.support.api.site import JSON, Site

SNAPSHOT = f"{LIVEBLOG}/snapshot"
CHANGES = f"{LIVEBLOG}/changes"


async def changes(site: Site, after: str, **params: str) -> JSON:
    """The answer of `changes`."""
    response = await site.reader.get(CHANGES, params={"after": after, **params})
    assert response.status_code == 200, response.text
    content: JSON = response.json()
    return content


async def test_a_snapshot(site: Site) -> None:
    """The position, the live blog, and what readers see, as of one moment."""
    entries = [await site.publish(f"<p>{n}</p>", key_event=n == 1, pinned=n == 0, heading="Tête") for n in range(3)]
    await site.publish(status="draft", pinned=True, key_event=True)
    response = await site.reader.get(SNAPSHOT)
    snapshot = response.json()
    assert snapshot["seq"] == 3
    assert snapshot["liveblog"] == (await site.reader.get(LIVEBLOG)).json()
    assert snapshot["entries"] == entries[::-1]
    assert snapshot["pinned"] == entries[:1]
    assert snapshot["key_events"] == [
        {
            "id": entries[1]["id"],
            "title": "Tête",
            "published_at": entries[1]["published_at"],
            "url": f"{BASE}/live/{SLUG}/entries/{entries[1]['id']}",
        }
    ]
    assert snapshot["next_cursor"] is None
    assert response.headers["cache-control"] == "public, max-age=1, stale-while-revalidate=5"


async def test_a_snapshot_goes_on_in_the_list(site: Site) -> None:
    """Its cursor is one of `entries`."""
    entries = [await site.publish(str(number)) for number in range(5)]
    snapshot = (await site.reader.get(SNAPSHOT, params={"limit": 2})).json()
    cursor = snapshot["next_cursor"]
    older = (await site.reader.get(f"{LIVEBLOG}/entries", params={"cursor": cursor})).json()
    assert [*snapshot["entries"], *older["items"]] == entries[::-1]


async def test_a_snapshot_and_the_changes_after_it(site: Site) -> None:
    """Nothing is missing between the two, and nothing comes twice."""
    first = await site.publish("1")
    position = await site.position()
    second = await site.publish("2")
    first = await site.edit(first, heading="Un")
    liveblog = (await site.editor.patch(LIVEBLOG, json={"title": "Autre"}, headers={"If-Match": "*"})).json()
    content = await changes(site, position)
    assert content == {
        "epoch": position.partition("-")[0],
        "seq": 4,
        "more": False,
        "events": [
            {"type": "entry", "seq": 2, "entry": second},
            {"type": "entry", "seq": 3, "entry": first},
            {"type": "liveblog", "seq": 4, "liveblog": liveblog},
        ],
    }
    after = f"{content['epoch']}-{content['seq']}"
    assert (await changes(site, after))["events"] == []


async def test_only_the_latest_state_is_told(site: Site) -> None:
    """Seqs may skip; what was deleted is a deletion only."""
    start = await site.position()
    entry = await site.publish("<p>Faux</p>")
    for number in range(3):
        entry = await site.edit(entry, heading=str(number))
    gone = await site.publish("<p>À oublier</p>")
    await site.delete(gone)
    content = await changes(site, start)
    assert [(event["type"], event["seq"]) for event in content["events"]] == [("entry", 4), ("delete", 6)]
    assert content["seq"] == 6


async def test_changes_in_portions(site: Site) -> None:
    """`more` says to ask again, from the seq that it names."""
    after = await site.position()
    entries = [await site.publish(str(number)) for number in range(5)]
    seen: list[JSON] = []
    portions = []
    while True:
        content = await changes(site, after, limit="2")
        seen += content["events"]
        portions.append((len(content["events"]), content["seq"], content["more"]))
        after = f"{content['epoch']}-{content['seq']}"
        if not content["more"]:
            break
    assert [event["entry"] for event in seen] == entries
    assert portions == [(2, 2, True), (2, 4, True), (1, 5, False)]


async def test_void_positions(site: Site) -> None:
    """Another epoch, a seq to come, and anything that is no position: a reset to where the live blog stands."""
    await site.publish()
    here = await site.position()
    epoch = here.partition("-")[0]
    for after in (
        f"{epoch}-2",
        "abcdefgh-0",
        f"{epoch}-01",
        f"{epoch}--1",
        "x",
        "",
        f"{epoch}-1 ",
        f"{epoch}-{10**17}",
    ):
        assert await changes(site, after) == {"reset": True, "epoch": epoch, "seq": 1}
    # Seqs of 19 digits and more can't be one of ours; the limit on the parameter's length comes after that.
    assert await changes(site, f"{epoch}-{10**30}") == {"reset": True, "epoch": epoch, "seq": 1}


async def test_a_new_epoch_voids_every_position(site: Site, settings: Settings) -> None:
    """As after a backup was restored: also one that stands where the new history stands."""
    await site.publish()
    before = await site.position()
    with closing(sqlite3.connect(settings.database_url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE liveblogs SET epoch = 'neuanfang'")
    assert await changes(site, before) == {"reset": True, "epoch": "neuanfang", "seq": 1}
    assert (await changes(site, "neuanfang-1"))["events"] == []


async def test_the_events_are_the_streams_own_bytes(site: Site) -> None:
    """One presenter makes them for both."""
    start = await site.position()
    await site.publish(f"<p>{TYPOGRAPHY}</p>", heading=TYPOGRAPHY)
    raw = (await site.reader.get(CHANGES, params={"after": start})).content
    found = await site.parts.store.changes.after(SLUG, 0, limit=10)
    messages = [frame.message for frame in await site.parts.presenter.frames(found)]
    assert raw == wire_messages.changes_object(Position(start.partition("-")[0], 1), messages, more=False)
    assert TYPOGRAPHY.replace("\\", "\\\\").replace('"', '\\"').encode() in raw


async def test_not_modified(site: Site) -> None:
    """Polling costs a 304 while nothing changes."""
    start = await site.position()
    for url in (SNAPSHOT, f"{CHANGES}?after={start}", f"{CHANGES}?after=x"):
        tag = (await site.reader.get(url)).headers["etag"]
        assert (await site.reader.get(url, headers={"If-None-Match": tag})).status_code == 304
        await site.publish()
        assert (await site.reader.get(url, headers={"If-None-Match": tag})).status_code == 200


async def test_bad_parameters(site: Site) -> None:
    """All are named; `after` must be there."""
    for limit in ("0", "101", "x"):
        assert list(bad_fields(await site.reader.get(SNAPSHOT, params={"limit": limit}))) == ["?limit"]
    for limit in ("0", "501", "x"):
        assert set(bad_fields(await site.reader.get(CHANGES, params={"limit": limit}))) == {"?after", "?limit"}
    assert list(bad_fields(await site.reader.get(CHANGES, params={"after": "x" * 101}))) == ["?after"]


async def test_unknown_live_blogs(site: Site) -> None:
    """404, whatever else is asked."""
    problem(await site.reader.get("/api/v1/liveblogs/rien/snapshot"), 404)
    problem(await site.reader.get("/api/v1/liveblogs/rien/changes", params={"after": "abcdefgh-0"}), 404)
