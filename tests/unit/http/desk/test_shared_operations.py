"""The operations of the public API at the desk: by session, and with the desk's own addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.desk import DESK, seat
from tests.support.api.pictures import PICTURE
from tests.support.api.site import BASE, ENTRIES, LIVEBLOG, SLUG, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api.site import Site


@pytest.fixture
def since() -> Callable[[Reason], int]:
    """How many refusals of a reason there were since the test began."""
    before = dict(refusals.counts)
    return lambda reason: refusals.counts[reason] - before[reason]


async def test_what_is_made_at_the_desk_is_named_at_the_desk(site: Site) -> None:
    """Location and Link lead to where a session counts."""
    _, client = await seat(site, "Olive")
    opened = await client.post(
        f"{DESK}/liveblogs", json={"slug": "autre", "title": "A", "language": "fr", "timezone": "Europe/Paris"}
    )
    made = [
        opened,
        await client.post(f"/desk{ENTRIES}", json={"body": "Un"}),
        await client.post(f"{DESK}/partners", json={"name": "Le Phare"}),
        await client.post(f"{DESK}/media", files={"file": ("a.jpg", PICTURE, "image/jpeg")}, data={"alt": "La mer"}),
        await client.post(f"{DESK}{LIVEBLOG[7:]}/source", json={"url": "https://autre.test/live/marees"}),
    ]
    for answer in made:
        assert answer.status_code == 201, answer.text
        location = answer.headers["location"]
        assert location.startswith(f"{BASE}{DESK}/")
        assert answer.headers["cache-control"] == "no-store"
        assert (await client.get(location)).status_code == 200
    await client.post(f"/desk{ENTRIES}", json={"body": "Deux"})
    for path in ("/liveblogs", f"/liveblogs/{SLUG}/entries"):
        page = await client.get(f"{DESK}{path}?limit=1")
        assert page.headers["link"].startswith(f"<{BASE}{DESK}{path}?limit=1&cursor=")
        assert (await client.get(page.headers["link"][1:].partition(">")[0])).status_code == 200


async def test_unpublished_work_is_seen_by_those_who_have_a_role_here(site: Site) -> None:
    """In lists, one by one, and in its revisions; without a role, what is published is all there is."""
    draft = await site.publish("<p>Brouillon</p>", status="draft")
    await site.publish("<p>Publié</p>")
    _, viewer = await seat(site, "Vera", None, Membership(SLUG, Role.VIEWER))
    await site.open_liveblog("autre")
    _, stranger = await seat(site, "Nemo", None, Membership("autre", Role.OWNER))
    listed = (await viewer.get(f"/desk{ENTRIES}")).json()["items"]
    assert {entry["status"] for entry in listed} == {"draft", "published"}
    assert (await viewer.get(f"/desk{ENTRIES}?status=draft")).json()["items"][0]["id"] == draft["id"]
    assert (await viewer.get(f"/desk{ENTRIES}/{draft['id']}")).json()["body"] == "<p>Brouillon</p>"
    revisions = (await viewer.get(f"/desk{ENTRIES}/{draft['id']}/revisions")).json()["items"]
    assert [revision["actor"] for revision in revisions] == ["Rédaction"]
    assert [entry["status"] for entry in (await stranger.get(f"/desk{ENTRIES}")).json()["items"]] == ["published"]
    problem(await stranger.get(f"/desk{ENTRIES}/{draft['id']}"), 404)
    problem(await stranger.get(f"/desk{ENTRIES}/{draft['id']}/revisions"), 403)


async def test_pictures_are_for_whoever_has_a_role_on_any_live_blog(site: Site) -> None:
    _, member = await seat(site, "Ada", None, Membership(SLUG, Role.REPORTER))
    picture = await member.post(f"{DESK}/media", files={"file": ("a.jpg", PICTURE, "image/jpeg")}, data={"alt": "Mer"})
    assert picture.json()["actor"] == "Ada"
    assert [each["id"] for each in (await member.get(f"{DESK}/media")).json()["items"]] == [picture.json()["id"]]
    _, nobody = await seat(site, "Nemo", None)
    problem(await nobody.get(f"{DESK}/media"), 403)


async def test_the_desk_spoils_no_public_answer(site: Site) -> None:
    """Answers that many requests share are kept by caches, whoever else has got them."""
    await site.publish()
    _, client = await seat(site, "Vera", Role.VIEWER)
    for path in (f"{LIVEBLOG}/snapshot", f"{LIVEBLOG}/changes?after={await site.position()}", LIVEBLOG):
        before = await site.reader.get(path)
        for _ in range(2):
            answer = await client.get("/desk" + path)
            assert answer.headers.get_list("cache-control") == ["no-store"]
            assert "access-control-allow-origin" not in answer.headers
            content = answer.json()
            if path == LIVEBLOG:
                # Those who work on it are told, too, for what two persons are needed.
                assert content.pop("two_persons") == []
            assert content == before.json()
        assert (await site.reader.get(path)).headers == before.headers


async def test_live_blogs_that_no_other_site_may_show_are_at_the_desk(site: Site) -> None:
    await site.open_liveblog("prive", embedding={"mode": "nobody"})
    _, client = await seat(site, "Vera", Role.VIEWER)
    listed = (await client.get(f"{DESK}/liveblogs")).json()["items"]
    assert {liveblog["slug"] for liveblog in listed} == {SLUG, "prive"}
    assert (await client.get(f"{DESK}/liveblogs/prive/entries", headers={"Origin": BASE})).status_code == 200


async def test_an_editor_has_the_partners_of_their_own_live_blogs(site: Site) -> None:
    """And no others: what other partners may show isn't theirs to see or change."""
    _, editor = await seat(site, "Ed", Role.EDITOR)
    own: dict[str, Any] = {"slug": "mien", "title": "A", "language": "fr", "timezone": "Europe/Paris"}
    await editor.post(f"{DESK}/liveblogs", json=own)
    for rule in ({}, {"liveblogs": [SLUG]}, {"liveblogs": ["mien", SLUG]}):
        problem(await editor.post(f"{DESK}/partners", json={"name": "Le Phare", **rule}), 403)
    mine = (await editor.post(f"{DESK}/partners", json={"name": "Le Phare", "liveblogs": ["mien"]})).json()
    other = (await site.editor.post("/api/v1/partners", json={"name": "Autre", "liveblogs": [SLUG]})).json()
    assert [each["id"] for each in (await editor.get(f"{DESK}/partners")).json()["items"]] == [mine["id"]]
    path, any_version = f"{DESK}/partners/{mine['id']}", {"If-Match": "*"}
    assert (await editor.get(path)).json()["name"] == "Le Phare"
    assert (await editor.patch(path, json={"delay": 30}, headers=any_version)).json()["delay"] == 30
    problem(await editor.patch(path, json={"liveblogs": [SLUG]}, headers=any_version), 403)
    for answer in (
        await editor.get(f"{DESK}/partners/{other['id']}"),
        await editor.patch(f"{DESK}/partners/{other['id']}", json={"delay": 1}, headers=any_version),
        await editor.delete(f"{DESK}/partners/{other['id']}"),
    ):
        problem(answer, 403)
    assert (await editor.delete(path)).status_code == 204


async def test_refusals_are_counted_by_reason(site: Site, since: Callable[[Reason], int]) -> None:
    """No session, another site's page, and a role that doesn't allow it; a missing proof isn't a refusal."""
    _, viewer = await seat(site, "Vera", Role.VIEWER)
    assert problem(await site.reader.get(f"{DESK}/session"), 401)["title"] == "A valid API key or session is required"
    refused = problem(await viewer.post(f"{DESK}/media", headers={"Sec-Fetch-Site": "cross-site"}), 403)
    assert refused["type"] == "urn:liveserver:problem:other-site"
    problem(await viewer.get(f"{DESK}/users"), 403)
    assert [since(reason) for reason in (Reason.SESSION, Reason.OTHER_SITE, Reason.ROLE, Reason.KEY)] == [1, 1, 1, 0]


async def test_a_signed_out_page_uses_up_no_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody guesses a token; and a newsroom has one address, from which pages ask for as long as they are open."""
    failed: list[object] = []
    monkeypatch.setattr(type(site.parts.limits), "failed_key", lambda _limits, peer: failed.append(peer))
    _, client = await seat(site, "Vera", Role.VIEWER)
    await client.delete(f"{DESK}/session")
    problem(await client.get(f"{DESK}/session"), 401)
    assert failed == []
    problem(await site.reader.get("/api/v1/media"), 401)
    assert len(failed) == 1


async def test_paths_that_do_not_exist_are_told_to_programs(site: Site) -> None:
    """Also to those that would take a page."""
    problem(await site.reader.get(f"{DESK}/nowhere", headers={"Accept": "text/html"}), 404)
