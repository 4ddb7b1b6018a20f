"""Statuses of entries over HTTP: drafts, scheduled, published and deleted ones, and what readers see of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.ids import new_id, now
from liveserver.protocol.json_encoding import timestamp
from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG, bad_fields, problem, settled

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import Site

LATER = "2126-11-22T09:30:00.000Z"
EARLIER = "2006-11-22T09:30:00.000Z"
UNKNOWN = "0192f0c1-2345-7abc-8def-0123456789ab"


@pytest.mark.parametrize(
    ("given", "status", "moment"),
    [
        ({}, "published", None),
        ({"status": "published"}, "published", None),
        ({"publish_at": EARLIER}, "published", EARLIER),
        ({"status": "published", "publish_at": EARLIER}, "published", EARLIER),
        ({"publish_at": LATER}, "scheduled", LATER),
        ({"status": "scheduled", "publish_at": LATER}, "scheduled", LATER),
        ({"status": "draft"}, "draft", None),
        ({"status": None, "publish_at": None}, "published", None),
    ],
)
async def test_the_status_of_a_new_entry(site: Site, given: dict[str, Any], status: str, moment: str | None) -> None:
    """Follows from `status` and `publish_at`; readers know of published ones only."""
    entry = await site.publish(**given)
    assert entry["status"] == status
    if status == "published":
        assert entry["published_at"] == (moment or entry["updated_at"])
        assert "publish_at" not in entry
    else:
        assert (entry["published_at"], entry["publish_at"], entry["seq"]) == (None, moment, None)
    known = [item["id"] for item in (await site.reader.get(ENTRIES)).json()["items"]]
    assert known == ([entry["id"]] if status == "published" else [])
    assert (await site.position()).endswith("-1" if status == "published" else "-0")


@pytest.mark.parametrize(
    "given",
    [
        {"status": "scheduled"},
        {"status": "draft", "publish_at": LATER},
        {"status": "draft", "publish_at": EARLIER},
        {"status": "published", "publish_at": LATER},
    ],
)
async def test_a_status_and_a_time_that_do_not_go_together(site: Site, given: dict[str, Any]) -> None:
    """The time is named."""
    assert list(bad_fields(await site.editor.post(ENTRIES, json={"body": "x", **given}))) == ["/publish_at"]


DRAFT: dict[str, Any] = {"status": "draft"}
SCHEDULED: dict[str, Any] = {"publish_at": LATER}


@pytest.mark.parametrize(
    ("before", "patch", "status", "moment"),
    [
        (DRAFT, {"body": "autre"}, "draft", None),
        (DRAFT, {"status": "published"}, "published", None),
        (DRAFT, {"status": "published", "publish_at": EARLIER}, "published", EARLIER),
        (DRAFT, {"status": "scheduled", "publish_at": LATER}, "scheduled", LATER),
        (SCHEDULED, {"publish_at": "2127-01-01T00:00:00.000Z"}, "scheduled", "2127-01-01T00:00:00.000Z"),
        (SCHEDULED, {"status": "draft"}, "draft", None),
        (SCHEDULED, {"status": "draft", "publish_at": None}, "draft", None),
        (SCHEDULED, {"status": "published"}, "published", None),
        ({}, {"status": "published"}, "published", None),
    ],
)
async def test_allowed_transitions(
    site: Site, before: dict[str, Any], patch: dict[str, Any], status: str, moment: str | None
) -> None:
    """Drafts and scheduled entries move freely until they are published."""
    entry = await site.edit(await site.publish(**before), **patch)
    assert entry["status"] == status
    if status == "published":
        assert moment in {None, entry["published_at"]}
        assert (await site.reader.get(f"{ENTRIES}/{entry['id']}")).status_code == 200
    else:
        assert (entry["published_at"], entry["publish_at"]) == (None, moment)


@pytest.mark.parametrize(
    ("before", "patch", "answer"),
    [
        ({}, {"status": "draft"}, 409),
        ({}, {"status": "scheduled", "publish_at": LATER}, 409),
        ({}, {"publish_at": EARLIER}, 409),
        (DRAFT, {"publish_at": LATER}, 422),
        (DRAFT, {"status": "scheduled"}, 422),
        (DRAFT, {"status": "published", "publish_at": LATER}, 422),
        (SCHEDULED, {"publish_at": None}, 422),
        (SCHEDULED, {"status": "published", "publish_at": LATER}, 422),
        (SCHEDULED, {"status": "deleted"}, 422),
        (SCHEDULED, {"status": None}, 422),
    ],
)
async def test_forbidden_transitions(site: Site, before: dict[str, Any], patch: dict[str, Any], answer: int) -> None:
    """A published entry leaves readers only by deletion; a time must go with the status. Nothing is changed."""
    entry = await site.publish(**before)
    url = f"{ENTRIES}/{entry['id']}"
    problem(await site.editor.patch(url, json={**patch, "heading": "autre"}, headers={"If-Match": "*"}), answer)
    assert (await site.editor.get(url)).json() == entry


async def test_a_scheduled_entry_is_published_when_due(site: Site) -> None:
    """At the time that was given, and only once."""
    due = now() + timedelta(milliseconds=300)
    entry = await site.publish(publish_at=timestamp(due))
    assert entry["status"] == "scheduled"
    position = f"{await site.position()}"
    url = f"{ENTRIES}/{entry['id']}"

    async def published_now() -> bool:
        return (await site.reader.get(url)).status_code == 200

    await settled(published_now)
    assert datetime.now(UTC) >= due
    published = (await site.reader.get(url)).json()
    assert (published["status"], published["published_at"]) == ("published", timestamp(due))
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={"after": position})).json()
    assert changes["events"] == [{"type": "entry", "seq": 1, "entry": published}]
    revisions = (await site.editor.get(f"{url}/revisions")).json()["items"]
    assert [(item["actor"], item["action"]) for item in revisions] == [
        ("Rédaction", "created"),
        ("schedule", "published"),
    ]


@pytest.mark.parametrize("given", [DRAFT, SCHEDULED])
async def test_what_is_not_published_is_there_for_editors_only(site: Site, given: dict[str, Any]) -> None:
    """404 to anybody else, on every surface; and no cache keeps it."""
    entry = await site.publish("<p>Secret</p>", pinned=True, key_event=True, **given)
    manager = await site.client(await site.key("Gestion", ["manage"]))
    url = f"{ENTRIES}/{entry['id']}"
    for client in (site.reader, manager):
        problem(await client.get(url), 404)
        assert (await client.get(ENTRIES)).json()["items"] == []
        assert "Secret" not in (await client.get(f"{LIVEBLOG}/snapshot")).text
        assert "Secret" not in (await client.get(f"/live/{SLUG}")).text
        assert (await client.get(f"/live/{SLUG}/entries/{entry['id']}")).status_code == 404
    seen = await site.editor.get(url)
    assert seen.json() == entry
    assert seen.headers["cache-control"] == "private, no-store"
    listed = await site.editor.get(ENTRIES)
    assert listed.json()["items"] == [entry]
    assert listed.headers["cache-control"] == "private, no-store"


async def test_deleting(site: Site) -> None:
    """204, then 410 to whatever is asked of it; the tombstone is the next change."""
    entry = await site.publish("<p>À oublier</p>", pinned=True, key_event=True, tags=["x"])
    url, position = f"{ENTRIES}/{entry['id']}", await site.position()
    response = await site.editor.delete(url, headers={"If-Match": '"1"'})
    assert (response.status_code, response.content) == (204, b"")
    for client in (site.reader, site.editor):
        problem(await client.get(url), 410)
    problem(await site.editor.delete(url), 410)
    problem(await site.editor.patch(url, json={"heading": "Retour"}, headers={"If-Match": "*"}), 410)
    problem(await site.editor.patch(url, json={"status": "published"}, headers={"If-Match": '"2"'}), 410)
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={"after": position})).json()
    assert changes["events"] == [{"type": "delete", "seq": 2, "id": entry["id"]}]


async def test_deleting_a_draft_tells_nobody(site: Site) -> None:
    """Readers never knew it."""
    entry = await site.publish(status="draft")
    await site.delete(entry)
    assert (await site.position()).endswith("-0")
    problem(await site.editor.get(f"{ENTRIES}/{entry['id']}"), 410)


@pytest.mark.parametrize(
    "path", [f"{ENTRIES}/{{id}}", *(f"/live/{SLUG}/entries/{{id}}{end}" for end in ("", "?order=oldest", "/card.png"))]
)
async def test_what_readers_never_saw_is_nothing_to_them(site: Site, path: str) -> None:
    """Neither a draft nor a deleted one is told from what there isn't; what they did see is gone."""
    seen, kept = await site.publish(), await site.publish(status="draft")
    unseen = [await site.publish(status="draft"), await site.publish(status="scheduled", publish_at=LATER)]
    for entry in (seen, *unseen):
        await site.delete(entry)
    weak = await site.client(await site.key("Gestion", ["manage"]))

    async def told(client: httpx2.AsyncClient, name: str) -> tuple[int, str]:
        answer = await client.get(path.format(id=name))
        return answer.status_code, answer.text.replace(name, "")

    for client in (site.reader, weak):
        nothing = await told(client, UNKNOWN)
        assert nothing[0] == 404
        assert [await told(client, entry["id"]) for entry in (kept, *unseen)] == [nothing] * 3
        assert (await told(client, seen["id"]))[0] == 410
    for entry in unseen:
        problem(await site.editor.get(f"{ENTRIES}/{entry['id']}"), 410)


async def test_entries_that_are_not_there(site: Site) -> None:
    """404 to every method: unknown ids, ids that are none, and those of another live blog."""
    await site.open_liveblog("autre")
    elsewhere = (await site.publish(slug="autre"))["id"]
    for name in (UNKNOWN, new_id().upper(), elsewhere, "x", "%00", "x" * 500):
        url = f"{ENTRIES}/{name}"
        problem(await site.reader.get(url), 404)
        problem(await site.editor.patch(url, json={}, headers={"If-Match": "*"}), 404)
        problem(await site.editor.delete(url), 404)
        problem(await site.editor.get(f"{url}/revisions"), 404)
    for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{elsewhere}"), ("GET", f"/{elsewhere}/revisions")):
        problem(await site.editor.request(method, f"/api/v1/liveblogs/rien/entries{path}", json={"body": "x"}), 404)
