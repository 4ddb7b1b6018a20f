"""The desk's `/session` and `/sessions`: who am I, where am I signed in, and signing out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role, Verb
from liveserver.domain.people.user import Membership
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.proofs import Proof
from tests.support.api.desk import DESK, HERE, PASSWORD, browser, seat, stale
from tests.support.api.site import SLUG, bad_fields, problem

if TYPE_CHECKING:
    from tests.support.api.site import Site


async def test_a_page_learns_who_is_there_and_what_they_may_do(site: Site) -> None:
    """On the whole site, and on each live blog that it asks for."""
    await site.open_liveblog("autre")
    ada, client = await seat(site, "Ada", Role.REPORTER, Membership(SLUG, Role.OWNER))
    answer = await client.get(f"{DESK}/session?liveblog={SLUG}&liveblog=autre&liveblog=nulle-part")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found["user"] == {"id": ada.id, "name": "Ada", "role": "reporter"}
    assert found["verbs"] == ["see", "figures", "write"]
    assert found["memberships"] == [{"liveblog": SLUG, "role": "owner"}]
    assert [each["slug"] for each in found["liveblogs"]] == [SLUG, "autre", "nulle-part"]
    assert found["liveblogs"][2]["verbs"] == [], "there is no such live blog"
    assert found["liveblogs"][0]["verbs"] == ["see", "figures", "write", "publish", "manage"]
    assert found["liveblogs"][1]["verbs"] == found["verbs"]
    assert datetime.fromisoformat(found["session"]["confirmed_until"]) > now()
    assert datetime.fromisoformat(found["session"]["ends_at"]) > now()
    assert (await client.get(f"{DESK}/session")).json()["liveblogs"] == []


async def test_an_owner_may_everything(site: Site) -> None:
    _, client = await seat(site, "Olive")
    assert (await client.get(f"{DESK}/session")).json()["verbs"] == [str(verb) for verb in Verb]


async def test_only_so_many_live_blogs_can_be_asked_for(site: Site) -> None:
    _, client = await seat(site, "Ada")
    many = "&".join(f"liveblog=a{n}" for n in range(51))
    assert set(bad_fields(await client.get(f"{DESK}/session?{many}"))) == {"?liveblog"}
    assert set(bad_fields(await client.get(f"{DESK}/session?liveblog=A_"))) == {"?liveblog/0"}


async def test_signing_out_ends_the_session_and_removes_the_cookie(site: Site) -> None:
    ada, client = await seat(site, "Ada", Role.VIEWER)
    answer = await client.delete(f"{DESK}/session")
    assert answer.status_code == 204
    assert 'liveserver=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]
    problem(await client.get(f"{DESK}/session"), 401)
    acts, _ = await site.parts.store.acts.page(ActFilter(ada.id), limit=1)
    assert [act.action for act in acts] == ["session.ended"]


async def test_sessions_are_listed_and_ended(site: Site) -> None:
    """One by one, or all but this one; never somebody else's."""
    ada, client = await seat(site, "Ada", Role.VIEWER)
    _, other = await seat(site, "Bob", Role.OWNER)
    proof = Proof(password="hash")
    others = [await browser(site, (await site.parts.sign_in.begin(ada.id, HERE, proof)).token) for _ in range(3)]
    listed = (await client.get(f"{DESK}/sessions")).json()["items"]
    assert [each["current"] for each in listed].count(True) == 1
    assert len(listed) == 4
    assert listed[0]["address"] == "192.0.2.7"
    assert listed[0]["agent"] == "Firefox"

    newest = (await others[0].get(f"{DESK}/session")).json()["session"]["id"]
    problem(await other.delete(f"{DESK}/sessions/{newest}"), 404)
    assert (await client.delete(f"{DESK}/sessions/{newest}")).status_code == 204
    problem(await others[0].get(f"{DESK}/session"), 401)
    assert (await client.delete(f"{DESK}/sessions")).status_code == 204
    for ended in others:
        problem(await ended.get(f"{DESK}/session"), 401)
    [only] = (await client.get(f"{DESK}/sessions")).json()["items"]
    assert only["current"]
    assert len((await other.get(f"{DESK}/sessions")).json()["items"]) == 1
    answer = await client.delete(f"{DESK}/sessions/{only['id']}")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    problem(await client.get(f"{DESK}/sessions"), 401)


async def test_users_and_keys_are_changed_only_by_those_who_have_just_proved_who_they_are(site: Site) -> None:
    """Otherwise the answer has a type of its own, so that the page can ask for the password."""
    olive, client = await seat(site, "Olive")
    with site.parts.sign_in.passwords.place_of_user(olive.id) as place:
        hashed = await place.hash(PASSWORD)
    await stale(site, olive)
    await site.parts.store.credentials.change(olive, Credential(password=hashed), now(), proof=Proof(password="hash"))
    user = (await client.get(f"{DESK}/users/{olive.id}")).json()
    asked = [
        ("PATCH", f"/users/{olive.id}", {"name": "Olivia"}),
        ("POST", "/invitations", {"name": "Neu", "role": "viewer"}),
        ("POST", "/users/u_000000000000/reset", None),
        ("POST", "/keys", {"name": "Agence", "scopes": ["publish"]}),
        ("DELETE", "/keys/000000000000", None),
    ]
    headers = {"If-Match": f'"{user["version"]}"'}
    for method, path, body in asked:
        refused = problem(await client.request(method, DESK + path, json=body, headers=headers), 403)
        assert refused["type"] == "urn:liveserver:problem:not-confirmed"
    for path in ("/users", "/keys", "/audit", f"/users/{olive.id}"):
        assert (await client.get(DESK + path)).status_code == 200, "reading needs no proof"

    wrong = await client.post(f"{DESK}/session/confirm", json={"password": "something else"})
    assert bad_fields(wrong) == {"/password": "is wrong"}
    problem(await client.post(DESK + "/invitations", json=asked[1][2]), 403)
    right = await client.post(f"{DESK}/session/confirm", json={"password": PASSWORD})
    assert datetime.fromisoformat(right.json()["confirmed_until"]) > now()
    statuses = [
        (await client.request(method, DESK + path, json=body, headers=headers)).status_code
        for method, path, body in asked
    ]
    assert statuses == [200, 201, 404, 201, 404]
