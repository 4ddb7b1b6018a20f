"""Roles on single live blogs in the store: who may give them, and how many; on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import Conflict, Forbidden
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from liveserver.store import ApiKey
from liveserver.store.repositories.people import users
from tests.support.people_samples import joined
from tests.support.principals import NEWSROOM, key_principal
from tests.support.store_samples import a_liveblog, at

if TYPE_CHECKING:
    from liveserver.store import Store


async def test_nobody_gives_or_takes_a_role_above_their_own(store: Store) -> None:
    """An editor who opened the live blog makes no owners there; an owner by membership does, and the site's owners."""
    ed = await joined(store, "Ed", Role.EDITOR)
    await store.liveblogs.create(a_liveblog("own"), ed)
    ann = await joined(store, "Ann", None, Membership("own", Role.OWNER))
    vic, olive = await joined(store, "Vic", Role.VIEWER), await joined(store, "Olive", Role.OWNER)
    for user in (vic, ed):
        with pytest.raises(Forbidden, match="above"):
            await store.users.set_membership("own", user.id, Role.OWNER, ed, now())
    for role in (Role.EDITOR, None):
        with pytest.raises(Forbidden, match="above"):
            await store.users.set_membership("own", ann.id, role, ed, now())
    await store.users.set_membership("own", vic.id, Role.EDITOR, ed, now())
    await store.users.set_membership("own", vic.id, Role.OWNER, ann, now())
    await store.users.set_membership("own", vic.id, None, olive, now())
    scopes = frozenset({"publish", "manage"})
    await store.keys.add(ApiKey("robot", "robot", "0" * 64, scopes, at(0), None, None), NEWSROOM)
    with pytest.raises(Forbidden, match="no API key"):
        await store.users.set_membership("own", vic.id, Role.VIEWER, key_principal("robot"), now())


async def test_the_last_memberships_are_for_the_owners_of_the_site(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody fills a colleague's with live blogs of their own."""
    monkeypatch.setattr(users, "MEMBERSHIPS_MAX", 3)
    monkeypatch.setattr(users, "MEMBERSHIPS_OF_OWNERS", 1)
    ed, vic = await joined(store, "Ed", Role.EDITOR), await joined(store, "Vic", Role.VIEWER)
    olive = await joined(store, "Olive", Role.OWNER)
    slugs = [f"own-{number}" for number in range(4)]
    for slug in slugs:
        await store.liveblogs.create(a_liveblog(slug), ed)
    for slug in slugs[:2]:
        await store.users.set_membership(slug, vic.id, Role.VIEWER, ed, now())
    with pytest.raises(Conflict, match="only an owner"):
        await store.users.set_membership(slugs[2], vic.id, Role.VIEWER, ed, now())
    await store.users.set_membership(slugs[1], vic.id, Role.EDITOR, ed, now())
    await store.users.set_membership(slugs[2], vic.id, Role.VIEWER, olive, now())
    with pytest.raises(Conflict, match="as many"):
        await store.users.set_membership(slugs[3], vic.id, Role.VIEWER, olive, now())
