"""What people may see of the newsroom, as requests that only read ask for it; on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from liveserver.access.api_keys import new_key
from liveserver.domain.errors import Conflict, Forbidden, NotFound
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role, Verb, allowed
from liveserver.domain.people.user import Membership
from liveserver.store.repositories.people import users
from tests.support.people_samples import joined
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog, a_partner

if TYPE_CHECKING:
    from liveserver.store import Store


async def test_rights_are_read_on_many_live_blogs_at_once(store: Store) -> None:
    """In a transaction that only reads. PostgreSQL locks nothing in one."""
    editor = await joined(store, "editor", Role.EDITOR, Membership("match", Role.OWNER))
    await store.liveblogs.create(a_liveblog(slug="mine"), editor)
    await store.liveblogs.create(a_liveblog(slug="other"), NEWSROOM)
    found = await store.permissions.of_session(editor.session or "", "match")
    assert found is not None
    assert (found.rights.membership, found.rights.opened) == (Role.OWNER, False)
    rights = await store.permissions.rights_on(editor.id, ["match", "mine", "other"])
    manages = {slug for slug, each in rights.items() if allowed(each, Verb.MANAGE, slug)}
    assert manages == {"match", "mine"}
    assert all(allowed(each, Verb.PUBLISH, slug) for slug, each in rights.items())


async def test_partners_are_listed_for_those_who_may_change_them(store: Store) -> None:
    """Those whose every live blog somebody manages; all of them for owners; for nobody else."""
    editor = await joined(store, "editor", Role.EDITOR)
    await store.liveblogs.create(a_liveblog(slug="mine"), editor)
    owner = await joined(store, "owner", Role.OWNER)
    of_all = await store.partners.add(a_partner(name="all"), NEWSROOM)
    of_mine = [await store.partners.add(a_partner(name=f"mine {n}", liveblogs=("mine",)), NEWSROOM) for n in range(3)]
    of_both = await store.partners.add(a_partner(name="both", liveblogs=("mine", "match")), NEWSROOM)

    first, cursor = await store.partners.page_for(editor, limit=2)
    second, end = await store.partners.page_for(editor, limit=2, cursor=cursor)
    assert {partner.id for partner in (*first, *second)} == {partner.id for partner in of_mine}
    assert (len(first), len(second), end) == (2, 1, None)
    assert len((await store.partners.page_for(owner, limit=10))[0]) == 5
    assert (await store.partners.find_for(of_mine[0].id, editor)).id == of_mine[0].id
    for partner in (of_all, of_both):
        with pytest.raises(Forbidden):
            await store.partners.find_for(partner.id, editor)
    with pytest.raises(NotFound):
        await store.partners.find_for("p_000000000000", editor)
    for nobody in (await joined(store, "reporter"), await joined(store, "other editor", Role.EDITOR)):
        with pytest.raises(Forbidden):
            await store.partners.page_for(nobody, limit=10)


async def test_keys_are_listed_in_pages(store: Store) -> None:
    """The newest first, revoked ones, too."""
    keys = [replace(new_key(f"key {n}", ["publish"])[0], id=f"{n:012}") for n in range(3)]
    for key in keys:
        await store.keys.add(key, NEWSROOM)
    await store.keys.revoke(keys[0].id, now(), NEWSROOM)
    first, cursor = await store.keys.page(limit=2)
    second, end = await store.keys.page(limit=2, cursor=cursor)
    assert {key.id for key in (*first, *second)} == {key.id for key in keys}
    assert (len(first), end) == (2, None)


async def test_a_live_blog_has_so_many_members(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; the role of one who is a member can be changed."""
    monkeypatch.setattr(users, "MEMBERS_MAX", 1)
    member = await joined(store, "member", None, Membership("match", Role.REPORTER))
    other = await joined(store, "other", None)
    with pytest.raises(Conflict, match="has 1 members"):
        await store.users.set_membership("match", other.id, Role.VIEWER, NEWSROOM, now())
    await store.users.set_membership("match", member.id, Role.EDITOR, NEWSROOM, now())
