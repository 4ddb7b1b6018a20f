"""Every request that changes something or shows what isn't public is tried by everybody: docs/roles.md."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import pytest
from sqlalchemy import update

from liveserver.access import api_keys
from liveserver.access.people import desk_sessions
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from liveserver.store import tables
from tests.hostile.routes import templates
from tests.support.api.site import BASE, SLUG
from tests.support.people_samples import at_desk
from tests.support.principals import NEWSROOM
from tests.support.role_matrix import ELSEWHERE, LINES, PAGE, SENDERS, Line, Sender, may, page
from tests.support.store_samples import a_draft, a_liveblog, a_partner, a_picture, an_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Update

    from tests.support.api.site import Site

API, DESK = "/api/v1", "/desk/api/v1"
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
MISSING = {
    "user_id": "u_000000000000",
    "session_id": "0000",
    "identity_id": "0000000000000000",
    "key_id": "000000000000",
    "note_id": "00000000-0000-0000-0000-000000000000",
}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
FROM = {
    "owner, cross-site page": {"Sec-Fetch-Site": "cross-site", "Origin": BASE},
    "owner, foreign origin": {"Origin": "https://evil.test"},
    "owner, no header": {},
}


class Equipped(NamedTuple):
    """A sender with the headers of its requests, and the things that it made itself."""

    sender: Sender
    headers: dict[str, str]
    things: dict[str, str]
    """The ids of its own draft and picture."""


async def equipped(site: Site, sender: Sender) -> Equipped:
    """Let a sender join, or give it a key."""
    store = site.parts.store
    if sender.scopes:
        limit = ["elsewhere"] if sender.limited else None
        shown = await site.key(sender.name, sender.scopes.split(), None, limit)
        key_id = shown.split("_")[1]
        if sender.void:
            await store.keys.revoke(key_id, now(), NEWSROOM)
        return Equipped(sender, {"Authorization": f"Bearer {shown}"}, await made_by(site, f"key:{key_id}"))
    if sender.name == "nobody":
        return Equipped(sender, {}, await made_by(site, "user:nobody"))
    memberships = ((SLUG, sender.here), ("elsewhere", sender.elsewhere))
    given = [Membership(slug, Role(role)) for slug, role in memberships if role]
    user, token = await at_desk(store, sender.name, Role(sender.site) if sender.site else None, *given)
    if "disabled" in sender.name:
        # The session's row is left there: that the user is disabled counts by itself.
        await in_store(site, lambda c: c.execute(of_user(user.id).values(disabled_at=now())))
    if "ended" in sender.name:
        await store.sessions.end_all(user, now())
    if sender.opened:
        await in_store(site, lambda c: c.execute(of_liveblog().values(opened_by=user.ref)))
    cookie = {"Cookie": f"{site.parts.desk_sessions.cookie}={token}"}
    return Equipped(sender, {**cookie, **FROM.get(sender.name, SAME_SITE)}, await made_by(site, user.ref))


def of_user(user_id: str) -> Update:
    return update(tables.users).where(tables.users.c.id == user_id)


def of_liveblog() -> Update:
    return update(tables.liveblogs).where(tables.liveblogs.c.slug == SLUG)


async def in_store(site: Site, work: Callable[[Connection], object]) -> None:
    """Write what no request could: past the checks."""
    await site.parts.store.users._database.write(work)


async def made_by(site: Site, ref: str) -> dict[str, str]:
    """A draft and a picture that count as made by somebody, who perhaps may not make any now."""
    store = site.parts.store
    draft = (await store.entries.create(SLUG, a_draft(), by=NEWSROOM)).entry
    picture = await store.media.add(a_picture(), NEWSROOM)

    def write(connection: Connection) -> None:
        for table, made in ((tables.entries, draft), (tables.media, picture)):
            connection.execute(update(table).where(table.c.id == made.id).values(created_by=ref))

    await in_store(site, write)
    return {"own draft": draft.id, "own picture": picture.id}


async def things_of(site: Site) -> dict[str, str]:
    """The ids of things that somebody else made."""
    store = site.parts.store
    await store.liveblogs.create(a_liveblog("elsewhere"), NEWSROOM)
    return {
        "": (await store.entries.create(SLUG, an_entry(), by=NEWSROOM)).entry.id,
        "draft": (await store.entries.create(SLUG, a_draft(), by=NEWSROOM)).entry.id,
        "picture": (await store.media.add(a_picture(), NEWSROOM)).id,
        "partner": (await store.partners.add(a_partner(liveblogs=(SLUG,)), NEWSROOM)).id,
        "partner of all": (await store.partners.add(replace(a_partner(), liveblogs=()), NEWSROOM)).id,
    }


@pytest.mark.slow
async def test_every_request_is_let_through_for_those_who_may_and_for_nobody_else(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 or 403, or 404 for what is hidden, for those who may not; anything else for those who may."""
    # Otherwise each request with a void key or session would wait for its turn.
    monkeypatch.setattr(api_keys, "PAUSE", 0.0)
    monkeypatch.setattr(desk_sessions, "PAUSE", 0.0)
    common = await things_of(site)
    wrong: list[str] = []
    transport = httpx2.ASGITransport(site._asgi, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        for sender in SENDERS:
            headers, things = (await equipped(site, sender))[1:]
            for line in LINES:
                for root in (DESK,) if line.desk else (DESK, API):
                    path = line.path.format(slug=SLUG, id={**common, **things}[line.thing], **MISSING)
                    sent = {**headers, **line.headers}
                    body = None if line.method in {"GET", "DELETE"} else line.body
                    answer = await client.request(
                        line.method, root + path + line.query, headers=sent, json=body if body is not None else None
                    )
                    expected = may(line, sender, at_desk=root == DESK)
                    if answer.status_code >= 500 or let_through(line, answer.status_code) is not expected:
                        wrong.append(
                            f"{sender.name}: {line.method} {root}{line.path} ({line.note}) {answer.status_code}, "
                            f"and may{'' if expected else ' not'}"
                        )
    assert wrong == []


def let_through(line: Line, status: int) -> bool:
    """Whether an answer says that the sender may do this."""
    return status not in ({401, 403, 404} if line.hidden else {401, 403})


def test_the_table_has_every_request_that_changes_something(site: Site) -> None:
    """As the router has them; and nothing that isn't there. Reading is looked at by hand."""
    tried = {(line.method, root + line.path) for line in LINES for root in ((DESK,) if line.desk else (API, DESK))}
    routes = {(method, route.path) for route in templates(site.app) for method in route.methods}
    of_apis = {route for route in routes if route[1].startswith((API, DESK))}
    assert {route for route in routes - of_apis if route[0] in UNSAFE} == ELSEWHERE
    assert {route for route in of_apis if route[0] in UNSAFE} == {line for line in tried if line[0] in UNSAFE}
    of_desk = {route for route in of_apis if route[0] == "GET" and route[1].startswith(DESK)}
    # A WebSocket: `test_stream.py` tries it with and without the role.
    assert ("GET", f"{DESK}/liveblogs/{{slug}}/stream") in of_desk
    of_desk.remove(("GET", f"{DESK}/liveblogs/{{slug}}/stream"))
    assert of_desk == {line for line in tried if line[0] == "GET" and line[1].startswith(DESK)}


def test_the_page_has_the_table() -> None:
    """docs/roles.md is what `python -m tests.support.role_matrix` writes."""
    assert PAGE.read_text("utf-8") == page()
