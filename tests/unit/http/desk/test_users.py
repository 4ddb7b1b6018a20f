"""The desk's `/users` and `/invitations`, `/liveblogs/{slug}/members` and `/keys`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import Unauthorized
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from tests.support.api.desk import DESK, HERE, PASSWORD, browser, seat
from tests.support.api.review_desk import at_desk
from tests.support.api.site import BASE, ENTRIES, SLUG, bad_fields, problem

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import JSON, Site

MEMBERS = f"{DESK}/liveblogs/{SLUG}/members"


async def invited(client: httpx2.AsyncClient, **fields: str) -> JSON:
    """The link for a new user."""
    answer = await client.post(f"{DESK}/invitations", json=fields)
    assert answer.status_code == 201, answer.text
    content: JSON = answer.json()
    assert answer.headers["location"] == f"{BASE}{DESK}/users/{content['user']['id']}"
    return content


async def test_an_invited_person_joins_by_the_link(site: Site) -> None:
    """Once; and has the role that the invitation names."""
    _, olive = await seat(site, "Olive")
    link = await invited(olive, name=" Ada  Lovelace ", role="reporter", liveblog=SLUG)
    address, _, token = link["url"].partition("#")
    assert address == f"{BASE}/desk/join"
    assert (link["user"]["name"], link["user"]["role"], link["user"]["state"]) == ("Ada  Lovelace", None, "invited")
    assert link["user"]["memberships"] == [{"liveblog": SLUG, "role": "reporter"}]
    signed_in = await site.parts.sign_in.join_with_password(token, PASSWORD, HERE)
    ada = await browser(site, signed_in.token)
    assert (await ada.post(f"/desk{ENTRIES}", json={"body": "Brouillon", "status": "draft"})).status_code == 201
    with pytest.raises(Unauthorized):
        await site.parts.sign_in.join_with_password(token, PASSWORD, HERE)
    editor = await invited(olive, name="Ed", role="editor")
    assert (editor["user"]["role"], editor["user"]["memberships"]) == ("editor", [])


async def test_bad_invitations_name_every_bad_field(site: Site) -> None:
    _, olive = await seat(site, "Olive")
    bad = await olive.post(f"{DESK}/invitations", json={"name": " ", "role": "boss", "liveblog": "A", "mail": "x"})
    assert set(bad_fields(bad)) == {"/name", "/role", "/liveblog", "/mail"}
    # One sign that is eighteen in the form in which names are compared: too long for its column.
    long = await olive.post(f"{DESK}/invitations", json={"name": "\ufdfa" * 80, "role": "viewer"})
    assert set(bad_fields(long)) == {"/name"}
    problem(await olive.post(f"{DESK}/invitations", json={"name": "OLIVE", "role": "viewer"}), 409)
    problem(await olive.post(f"{DESK}/invitations", json={"name": "Ada", "role": "viewer", "liveblog": "non"}), 404)


async def test_the_tag_of_a_user_changes_with_the_memberships(site: Site) -> None:
    """Which give no new version; the tag is good for an edit, too."""
    _, olive = await seat(site, "Olive")
    ada, _ = await seat(site, "Ada", Role.REPORTER)
    path = f"{DESK}/users/{ada.id}"
    tag = (await olive.get(path)).headers["etag"]
    assert (await olive.get(path, headers={"If-None-Match": tag})).status_code == 304
    await olive.put(f"{MEMBERS}/{ada.id}", json={"role": "editor"})
    now_member = await olive.get(path, headers={"If-None-Match": tag})
    assert now_member.status_code == 200
    assert now_member.json()["memberships"] == [{"liveblog": SLUG, "role": "editor"}]
    changed = await olive.patch(path, json={"name": "Ada L."}, headers={"If-Match": now_member.headers["etag"]})
    assert changed.status_code == 200
    described = (await olive.get("/openapi.json")).json()["paths"]
    [operation] = [item["get"] for key, item in described.items() if key.endswith("/users/{user_id}")]
    assert "304" in operation["responses"]


@pytest.mark.parametrize(
    "name",
    [
        *("T\u200b2", "\u202eT2", "T\u00ad2", "T2\u3164", "T\U000e00012", "\u200b", "T\u20662\u2069", "\u2800"),
        *("T\u034f2", "T\ufe0f2", "T\u20282", "T\ue0002"),
    ],
)
async def test_a_name_has_nothing_that_cannot_be_seen(site: Site, name: str) -> None:
    """Neither a new one nor a changed one: it would look like somebody else's."""
    _, olive = await seat(site, "Olive")
    ada, _ = await seat(site, "Ada", Role.REPORTER)
    for answer in (
        await olive.post(f"{DESK}/invitations", json={"name": name, "role": "viewer"}),
        await olive.patch(f"{DESK}/users/{ada.id}", json={"name": name}, headers={"If-Match": "*"}),
    ):
        assert "can't be seen (U+" in bad_fields(answer)["/name"]


async def test_names_of_the_world(site: Site) -> None:
    """Letters with marks, scripts that run from right to left, other spaces, and emoji are fine."""
    _, olive = await seat(site, "Olive")
    for name in ("Zoé d’Été", "نجيب محفوظ", "नरेंद्र", "Ada\u00a0L.", "李 明", "Ada 🦊"):
        await invited(olive, name=name, role="viewer")


async def test_users_are_listed_in_pages(site: Site) -> None:
    _, olive = await seat(site, "Olive")
    for n in range(3):
        await invited(olive, name=f"User {n}", role="viewer")
    first = await olive.get(f"{DESK}/users?limit=3")
    assert first.headers["link"].startswith(f"<{BASE}{DESK}/users?limit=3&cursor=")
    second = await olive.get(f"{DESK}/users", params={"cursor": first.json()["next_cursor"]})
    names = {user["name"] for user in (*first.json()["items"], *second.json()["items"])}
    assert names == {"Olive", "User 0", "User 1", "User 2"}


async def test_a_user_is_changed_in_the_version_that_was_read(site: Site) -> None:
    """412 tells what is there now; a disabled user's sessions end."""
    _, olive = await seat(site, "Olive")
    ada, client = await seat(site, "Ada", Role.REPORTER)
    path = f"{DESK}/users/{ada.id}"
    problem(await olive.patch(path, json={"role": "editor"}), 428)
    tag = (await olive.get(path)).headers["etag"]
    changed = await olive.patch(path, json={"role": "editor", "name": "Ada L."}, headers={"If-Match": tag})
    assert (changed.json()["role"], changed.json()["name"], changed.json()["version"]) == ("editor", "Ada L.", 2)
    assert (await client.get(f"{DESK}/session")).json()["user"]["role"] == "editor"
    late = problem(await olive.patch(path, json={"disabled": True}, headers={"If-Match": tag}), 412)
    assert late["current"]["name"] == "Ada L."
    tag = changed.headers["etag"]
    none = await olive.patch(path, json={"role": None}, headers={"If-Match": tag})
    assert none.json()["role"] is None
    disabled = await olive.patch(path, json={"disabled": True}, headers={"If-Match": none.headers["etag"]})
    assert (disabled.json()["state"], disabled.json()["role"]) == ("disabled", None)
    problem(await client.get(f"{DESK}/session"), 401)
    enabled = await olive.patch(path, json={"disabled": False}, headers={"If-Match": "*"})
    assert enabled.json()["state"] == "active"
    problem(await client.get(f"{DESK}/session"), 401)


async def test_the_last_owner_stays_one(site: Site) -> None:
    olive, client = await seat(site, "Olive")
    for change in ({"role": "editor"}, {"disabled": True}):
        problem(await client.patch(f"{DESK}/users/{olive.id}", json=change, headers={"If-Match": "*"}), 409)


async def test_a_reset_voids_the_password_and_the_sessions(site: Site) -> None:
    """The link sets a new password."""
    _, olive = await seat(site, "Olive")
    link = await invited(olive, name="Ada", role="viewer")
    signed_in = await site.parts.sign_in.join_with_password(link["url"].partition("#")[2], PASSWORD, HERE)
    ada = await browser(site, signed_in.token)
    reset = await olive.post(f"{DESK}/users/{link['user']['id']}/reset")
    assert reset.status_code == 201
    problem(await ada.get(f"{DESK}/session"), 401)
    with pytest.raises(Unauthorized):
        await site.parts.sign_in.with_password("Ada", PASSWORD, HERE)
    token = reset.json()["url"].partition("#")[2]
    await site.parts.sign_in.join_with_password(token, "another long password", HERE)
    await site.parts.sign_in.with_password("ada", "another long password", HERE)


async def test_members_are_managed_by_whoever_manages_the_live_blog(site: Site) -> None:
    """By name or by id; a membership raises the role, here alone."""
    ada, reporter = await seat(site, "Ada", Role.REPORTER)
    _, manager = await seat(site, "Max", Role.VIEWER, Membership(SLUG, Role.OWNER))
    problem(await reporter.post(f"/desk{ENTRIES}", json={"body": "Publié"}), 403)
    added = await manager.post(MEMBERS, json={"name": "ADA", "role": "editor"})
    assert added.json() == {"id": ada.id, "name": "Ada", "state": "active", "role": "editor"}
    assert (await reporter.post(f"/desk{ENTRIES}", json={"body": "Publié"})).status_code == 201
    listed = (await manager.get(MEMBERS)).json()["items"]
    assert [(member["name"], member["role"]) for member in listed] == [("Ada", "editor"), ("Max", "owner")]
    lowered = await manager.put(f"{MEMBERS}/{ada.id}", json={"role": "viewer"})
    assert lowered.json()["role"] == "viewer"
    problem(await reporter.post(f"/desk{ENTRIES}", json={"body": "Publié"}), 403)
    assert (await manager.delete(f"{MEMBERS}/{ada.id}")).status_code == 204
    problem(await manager.delete(f"{MEMBERS}/{ada.id}"), 404)
    assert bad_fields(await manager.post(MEMBERS, json={"name": "Nemo", "role": "viewer"})) == {
        "/name": "is no user's name"
    }
    problem(await manager.put(f"{MEMBERS}/u_000000000000", json={"role": "viewer"}), 404)


async def test_members_are_changed_with_a_proof_alone(site: Site) -> None:
    """As roles on the whole site are; to read them needs none."""
    late = await at_desk(site, "Late", Role.OWNER, confirmed=False)
    ada, _ = await seat(site, "Ada", Role.REPORTER)
    for refused in (
        await late.post(MEMBERS, json={"name": "Ada", "role": "viewer"}),
        await late.put(f"{MEMBERS}/{ada.id}", json={"role": "viewer"}),
        await late.delete(f"{MEMBERS}/{ada.id}"),
    ):
        assert problem(refused, 403)["type"] == "urn:liveserver:problem:not-confirmed"
    assert (await late.get(MEMBERS)).json()["items"] == []


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(site: Site) -> None:
    olive, client = await seat(site, "Olive")
    made = await client.post(
        f"{DESK}/keys", json={"name": "Agence", "scopes": ["publish"], "liveblogs": [SLUG], "expires_in_days": 30}
    )
    assert made.status_code == 201
    key = made.json()["key"]
    agency = await site.client(key)
    assert (await agency.post(ENTRIES, json={"body": "Dépêche"})).status_code == 201
    problem(await agency.post("/api/v1/liveblogs", json={}), 403)
    listed = await client.get(f"{DESK}/keys")
    assert key.split("_")[2] not in listed.text
    [found] = [each for each in listed.json()["items"] if each["name"] == "Agence"]
    assert (found["liveblogs"], found["revoked_at"]) == ([SLUG], None)
    assert found["expires_at"] > found["created_at"]
    assert (await client.delete(f"{DESK}/keys/{found['id']}")).status_code == 204
    problem(await agency.post(ENTRIES, json={"body": "Dépêche"}), 401)
    [found] = [each for each in (await client.get(f"{DESK}/keys")).json()["items"] if each["name"] == "Agence"]
    assert found["revoked_at"]
    acts = (await client.get(f"{DESK}/audit", params={"person": olive.id, "action": "key"})).json()["items"]
    assert [act["action"] for act in acts] == ["key.revoked", "key.created"]


async def test_bad_keys_name_every_bad_field(site: Site) -> None:
    _, client = await seat(site, "Olive")
    bad = {"name": "", "scopes": [], "liveblogs": [], "expires_in_days": 0}
    assert set(bad_fields(await client.post(f"{DESK}/keys", json=bad))) == {f"/{name}" for name in bad}
    nowhere = {"name": "A", "scopes": ["publish"], "liveblogs": ["nulle-part"]}
    assert set(bad_fields(await client.post(f"{DESK}/keys", json=nowhere))) == {"/liveblogs"}
