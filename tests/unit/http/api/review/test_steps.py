"""Reviews over HTTP: by API keys and at the desk."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from tests.support.api.review_desk import DESK, DESK_ENTRIES, at_desk
from tests.support.api.site import ENTRIES, LIVEBLOG, bad_fields, problem

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import JSON, Site


async def drafted(client: httpx2.AsyncClient, entries: str = DESK_ENTRIES, **fields: object) -> JSON:
    """A draft of the client's."""
    response = await client.post(entries, json={"status": "draft", "body": "<p>À vérifier.</p>", **fields})
    assert response.status_code == 201, response.text
    entry: JSON = response.json()
    return entry


async def test_a_review_at_the_desk(site: Site) -> None:
    """A reporter hands in, an editor returns and approves; readers learn of the publication alone."""
    reporter, editor = await at_desk(site, "Ada", Role.REPORTER), await at_desk(site, "Bob")
    entry = await drafted(reporter)
    address = f"{DESK_ENTRIES}/{entry['id']}"
    assert entry["review"] is None
    waiting = (await reporter.post(f"{address}/submit", json={}, headers={"If-Match": '"1"'})).json()
    assert (waiting["status"], waiting["review"]["name"], waiting["review"]["action"]) == ("review", "Ada", "publish")
    problem(await reporter.post(f"{address}/approve", headers={"If-Match": '"2"'}), 403)
    returned = (await editor.post(f"{address}/return", json={"reason": "Qui le dit ?"})).json()
    assert (returned["status"], returned["review"]["reason"]) == ("draft", "Qui le dit ?")
    assert "Qui le dit" in (await reporter.get(address)).text
    assert (await site.reader.get(f"{ENTRIES}/{entry['id']}")).status_code == 404
    later = (now() + timedelta(hours=1)).isoformat()
    problem(await reporter.post(f"{address}/submit", json={}), 428)
    assert "If-Match" in bad_fields(await reporter.post(f"{address}/submit", json={}, headers={"If-Match": "*"}))
    problem(await reporter.post(f"{address}/submit", json={}, headers={"If-Match": '"2"'}), 412)
    waiting = await reporter.post(f"{address}/submit", json={"publish_at": later}, headers={"If-Match": '"3"'})
    waiting = waiting.json()
    approved = await editor.post(f"{address}/approve", headers={"If-Match": f'"{waiting["version"]}"'})
    assert (approved.json()["status"], approved.json()["review"]) == ("scheduled", None)
    assert (await site.position()).endswith("-0")


async def test_a_review_by_a_key(site: Site) -> None:
    """The very version that was read is published; another is 412, with the current entry."""
    entry = await drafted(site.editor, ENTRIES)
    address = f"{ENTRIES}/{entry['id']}"
    await site.editor.post(f"{address}/submit", json={}, headers={"If-Match": '"1"'})
    assert "*" not in problem(await site.editor.post(f"{address}/approve"), 428)["detail"]
    assert "If-Match" in bad_fields(await site.editor.post(f"{address}/approve", headers={"If-Match": "*"}))
    edited = await site.editor.patch(address, json={"body": "<p>Autre.</p>"}, headers={"If-Match": '"2"'})
    assert (edited.json()["status"], edited.json()["version"]) == ("review", 3)
    conflict = problem(await site.editor.post(f"{address}/approve", headers={"If-Match": '"2"'}), 412)
    assert "Autre." in conflict["current"]["body"]
    approved = await site.editor.post(f"{address}/approve", headers={"If-Match": edited.headers["etag"]})
    assert approved.status_code == 200
    shown = (await site.reader.get(address)).json()
    assert (shown["body"], shown["seq"]) == ("<p>Autre.</p>", 1)
    assert "review" not in shown


async def test_what_waits_is_listed_for_editors_alone(site: Site) -> None:
    """Among their lists, by its status; readers have neither."""
    entry = await drafted(site.editor, ENTRIES)
    await site.editor.post(f"{ENTRIES}/{entry['id']}/submit", json={}, headers={"If-Match": '"1"'})
    for params in ({}, {"status": "review"}):
        items = (await site.editor.get(ENTRIES, params=params)).json()["items"]
        assert [item["status"] for item in items] == ["review"]
    problem(await site.reader.get(ENTRIES, params={"status": "review"}), 401)
    assert (await site.reader.get(ENTRIES)).json()["items"] == []
    for path in (f"/live/marees/entries/{entry['id']}", f"{ENTRIES}/{entry['id']}"):
        assert (await site.reader.get(path)).status_code == 404


async def test_lost_answers(site: Site) -> None:
    """Each step is repeated with its key, and done once."""
    entry = await drafted(site.editor, ENTRIES)
    address = f"{ENTRIES}/{entry['id']}"

    async def twice(step: str, version: int, body: JSON | None = None) -> JSON:
        headers = {"Idempotency-Key": f"{step}-{version}", "If-Match": f'"{version}"'}
        first = await site.editor.post(f"{address}/{step}", json=body, headers=headers)
        second = await site.editor.post(f"{address}/{step}", json=body, headers=headers)
        assert (first.status_code, second.status_code) == (200, 200), second.text
        assert second.headers["idempotency-replayed"] == "true"
        assert second.json() == first.json()
        found: JSON = first.json()
        assert found["version"] == version + 1
        return found

    await twice("submit", 1, {})
    await twice("return", 2, {"reason": "Non."})
    await twice("submit", 3, {})
    await twice("approve", 4)
    await twice("withdraw", 5)
    assert (await site.position()).endswith("-2")
    reused = {"Idempotency-Key": "submit-1"}
    assert "Idempotency-Key" in bad_fields(await site.editor.post(f"{address}/withdraw", headers=reused))


async def test_a_draft_may_be_empty(site: Site) -> None:
    """A published entry not; but a heading is enough."""
    entry = (await site.editor.post(ENTRIES, json={"status": "draft"})).json()
    address = f"{ENTRIES}/{entry['id']}"
    assert entry["body"] == ""
    assert "/body" in bad_fields(await site.editor.post(f"{address}/submit", json={}, headers={"If-Match": '"1"'}))
    for body in ({}, {"body": " "}, {"body": "<p> </p>"}, {"heading": "Flash", "body": "<script>x</script>"}):
        assert "/body" in bad_fields(await site.editor.post(ENTRIES, json=body))
    published = {"status": "published"}
    assert "/body" in bad_fields(await site.editor.patch(address, json=published, headers={"If-Match": "*"}))
    flash = await site.editor.patch(address, json={**published, "heading": "Flash"}, headers={"If-Match": "*"})
    assert flash.json()["heading"] == "Flash"


@pytest.mark.parametrize(
    "path",
    [
        *("/live/marees", "/live/marees/entries/{id}", "/embed/marees", "/live/marees/feed.atom"),
        *("/live/marees/feed.rss", "/live/marees/feed.json", f"{LIVEBLOG}/snapshot"),
    ],
)
async def test_a_heading_alone_is_shown(site: Site, path: str) -> None:
    """On every surface, without an empty paragraph."""
    entry = (await site.editor.post(ENTRIES, json={"heading": "Un éclair", "key_event": True})).json()
    answer = await site.reader.get(path.format(id=entry["id"]))
    assert (answer.status_code, "Un éclair" in answer.text) == (200, True)
    assert "<p></p>" not in answer.text


async def test_two_persons_for_breaking_news(site: Site) -> None:
    """A setting of the live blog that readers don't see."""
    ada, bob = await at_desk(site, "Ada"), await at_desk(site, "Bob")
    changed = await site.editor.patch(LIVEBLOG, json={"two_persons": ["breaking", "alerts"]}, headers={"If-Match": "*"})
    assert "two_persons" not in changed.json()
    assert (await ada.get(f"{DESK}/board")).json()["two_persons"] == ["breaking", "alerts"]
    assert (await ada.get(DESK)).json()["two_persons"] == ["breaking", "alerts"]
    refused = problem(await ada.post(DESK_ENTRIES, json={"body": "x", "breaking": True}), 409)
    assert "submit the entry" in refused["detail"]
    entry = await drafted(ada, breaking=True)
    address = f"{DESK_ENTRIES}/{entry['id']}"
    await ada.post(f"{address}/submit", json={}, headers={"If-Match": '"1"'})
    problem(await ada.post(f"{address}/approve", headers={"If-Match": '"2"'}), 409)
    problem(await site.editor.post(f"{ENTRIES}/{entry['id']}/approve", headers={"If-Match": '"2"'}), 409)
    assert (await bob.post(f"{address}/approve", headers={"If-Match": '"2"'})).json()["status"] == "published"
    unknown = await site.editor.patch(LIVEBLOG, json={"two_persons": ["lunch"]}, headers={"If-Match": "*"})
    assert "/two_persons/0" in bad_fields(unknown)


async def test_a_rule_for_two_persons_is_taken_away_by_a_confirmed_owner_alone(site: Site) -> None:
    """No key; an editor is refused as such. Other fields, and further rules, need no proof."""
    late = await at_desk(site, "Late", Role.OWNER, confirmed=False)
    ada, bob = await at_desk(site, "Ada", Role.OWNER), await at_desk(site, "Bob")
    any_version = {"If-Match": "*"}
    assert (await late.patch(DESK, json={"two_persons": ["takedowns"]}, headers=any_version)).status_code == 200
    problem(await site.editor.patch(LIVEBLOG, json={"two_persons": []}, headers=any_version), 403)
    refused = problem(await late.patch(DESK, json={"two_persons": ["breaking"]}, headers=any_version), 403)
    assert refused["type"] == "urn:liveserver:problem:not-confirmed"
    problem(await bob.patch(DESK, json={"two_persons": []}, headers=any_version), 403)
    same = {"two_persons": ["takedowns"], "title": "Marées"}
    assert (await late.patch(DESK, json=same, headers=any_version)).status_code == 200
    assert (await ada.patch(DESK, json={"two_persons": []}, headers=any_version)).json()["two_persons"] == []
