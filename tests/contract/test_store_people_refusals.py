"""Writes are refused to a user who has lost the session or the role; on both databases.

`WRITES` has one line for each write of the store that is done for a principal. The store's groups are compared with it,
so a new write needs a line.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.access.api_keys import new_key
from liveserver.domain.entry import Note
from liveserver.domain.errors import Forbidden, Unauthorized
from liveserver.domain.ids import new_id, now
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind
from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.credentials import Credential, NewPasskey, OfferedWays
from liveserver.store.repositories.people.proofs import Proof
from liveserver.store.repositories.people.users import NewUser, UserChange
from liveserver.store.repositories.reach import ReachLink
from liveserver.store.repositories.review.removals import Removal
from liveserver.store.repositories.review.steps import Step
from tests.support.people_samples import a_link, a_session, a_user, joined
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_draft, a_liveblog, a_partner, a_picture, a_source, an_entry, fine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.domain.people.principal import Principal
    from liveserver.store import Store

OFFERED = OfferedWays(passkeys=True, issuer=None)
PASSWORD = Proof(password="hash")
KEY = new_key("key", ["publish"])[0]
PARTNER = a_partner(id="p_aaaaaaaaaaaa")
PICTURE = a_picture()
ENTRY, DRAFT = an_entry(), a_draft()
OTHER = a_user("Bob")
NOTE = Note(new_id(), "user:x", "Ada", now(), "Vu ?")

OWN_ACCOUNT: dict[str, Callable[[Store, Principal], Awaitable[object]]] = {
    "Credentials.change": lambda store, by: store.credentials.change(
        by, Credential(password="new"), now(), proof=PASSWORD
    ),
    "Credentials.remove_identity": lambda store, by: store.credentials.remove_identity(
        by, "id", now(), offered=OFFERED
    ),
    "Credentials.remove_passkey": lambda store, by: store.credentials.remove_passkey(by, "id", now(), offered=OFFERED),
    "Sessions.confirmed": lambda store, by: store.sessions.confirmed(by, PASSWORD, now()),
    "Sessions.end": lambda store, by: store.sessions.end("second", by, now()),
    "Sessions.end_all": lambda store, by: store.sessions.end_all(by, now()),
}
WRITES: dict[str, Callable[[Store, Principal], Awaitable[object]]] = {
    **OWN_ACCOUNT,
    "Credentials.reset": lambda store, by: store.credentials.reset(OTHER.id, "r", a_link(OTHER, LinkKind.RESET), by),
    "Credentials.offer_sign_in": lambda store, by: store.credentials.offer_sign_in(
        OTHER.id, "o", a_link(OTHER, LinkKind.SIGN_IN), by
    ),
    "Users.invite": lambda store, by: _invite(store, a_user("Eve"), by),
    "Users.edit": lambda store, by: store.users.edit(OTHER.id, UserChange(name="Bo"), by, now()),
    "Users.set_membership": lambda store, by: store.users.set_membership("match", OTHER.id, Role.OWNER, by, now()),
    "ApiKeys.add": lambda store, by: store.keys.add(new_key("another", ["manage"])[0], by),
    "ApiKeys.revoke": lambda store, by: store.keys.revoke(KEY.id, now(), by),
    "Entries.create": lambda store, by: store.entries.create("match", an_entry(), by=by),
    "Entries.edit": lambda store, by: store.entries.edit("match", ENTRY.id, lambda e: replace(e, body="2"), by=by),
    "Entries.delete": lambda store, by: store.entries.delete("match", ENTRY.id, fine, by=by, at=now()),
    "Reviews.submit": lambda store, by: store.reviews.submit(Step("match", DRAFT.id, by, now())),
    "Reviews.approve": lambda store, by: store.reviews.approve(Step("match", DRAFT.id, by, now())),
    "Reviews.give_back": lambda store, by: store.reviews.give_back(Step("match", DRAFT.id, by, now()), "Non"),
    "Reviews.withdraw": lambda store, by: store.reviews.withdraw(Removal("match", ENTRY.id, by, now())),
    "Reviews.erase": lambda store, by: store.reviews.erase(Removal("match", ENTRY.id, by, now())),
    "Notes.add": lambda store, by: store.notes.add("match", ENTRY.id, replace(NOTE, id=new_id()), by),
    "Notes.remove": lambda store, by: store.notes.remove("match", ENTRY.id, NOTE.id, by, now()),
    "Liveblogs.create": lambda store, by: store.liveblogs.create(a_liveblog("vote"), by),
    "Liveblogs.edit": lambda store, by: store.liveblogs.edit("match", lambda b: replace(b, title="Non"), by),
    "Media.add": lambda store, by: store.media.add(a_picture(), by),
    "Media.confirm_deletion": lambda store, by: store.media.confirm_deletion(PICTURE.id, by),
    "Media.edit": lambda store, by: store.media.edit(PICTURE.id, lambda m: replace(m, alt="Non"), by),
    "Media.delete": lambda store, by: store.media.delete(PICTURE.id, by, version=None, at=now()),
    "Partners.add": lambda store, by: store.partners.add(a_partner(id="p_bbbbbbbbbbbb"), by),
    "Partners.edit": lambda store, by: store.partners.edit(PARTNER.id, lambda p: replace(p, name="Non"), by),
    "Partners.delete": lambda store, by: store.partners.delete(PARTNER.id, by, now(), version=None),
    "Reach.add_link": lambda store, by: store.reach.add_link("d", ReachLink("match", by.ref, now(), now()), by),
    "Sources.add": lambda store, by: store.sources.add(a_source("port", id="other"), by),
    "Sources.remove": lambda store, by: store.sources.remove("suivi", by, now()),
}
BY_THE_SERVER = {"Sources.take_over"}
"""The writes that only the server itself does, as a principal of its own. No request leads to them."""
NOT_FOR_USERS = {"Credentials.offer_sign_in"}
"""The writes that are refused to all users."""


async def _invite(store: Store, user: Any, by: Principal) -> object:
    return await store.users.invite(NewUser(user, "i", a_link(user)), by)


def written_for_a_principal() -> set[str]:
    """The writes of all groups that take a principal: as `by`, in a step or in a removal."""
    found = set()
    for group in QueryGroup.__subclasses__():
        for name, query in vars(group).items():
            if name.startswith("_") or isinstance(query, Read):
                continue
            function = query._query if isinstance(query, Write) else query
            if callable(function) and inspect.signature(function).parameters.keys() & {"by", "step", "removal"}:
                found.add(f"{group.__name__}.{name}")
    return found


def test_each_write_for_a_principal_is_tried() -> None:
    assert written_for_a_principal() == WRITES.keys() | BY_THE_SERVER


async def scene(store: Store) -> Principal:
    """Return an owner who has a passkey and a second session, beside all that the writes write to."""
    ada = await joined(store, "Ada", Role.OWNER)
    await store.credentials.change(ada, Credential(passkey=NewPasskey("id", "key", 0, "Mac")), now())
    second = replace(a_session(a_user("x")), user_id=ada.id, id="second")
    await store.credentials.sign_in("second", second, PASSWORD)
    await store.users.invite(NewUser(OTHER, "token", a_link(OTHER)), NEWSROOM)
    await store.keys.add(KEY, NEWSROOM)
    for entry in (ENTRY, DRAFT):
        await store.entries.create("match", entry, by=NEWSROOM)
    await store.notes.add("match", ENTRY.id, NOTE, NEWSROOM)
    await store.media.add(PICTURE, NEWSROOM)
    await store.partners.add(PARTNER, NEWSROOM)
    for slug in ("suivi", "port"):
        await store.liveblogs.create(a_liveblog(slug), NEWSROOM)
    await store.sources.add(a_source("suivi"), NEWSROOM)
    return ada


async def acts(store: Store) -> list[str]:
    found, _ = await store.acts.page(ActFilter(), limit=100)
    return [act.id for act in found]


async def test_nothing_is_written_for_a_session_that_was_ended(store: Store) -> None:
    """Not even to the user's own account: a request under way is refused, and leaves no act."""
    ada = await scene(store)
    await store.sessions.end_all(ada, now(), but="second")
    before = await acts(store)
    for name, write in WRITES.items():
        with pytest.raises(Forbidden if name in NOT_FOR_USERS else Unauthorized):
            pytest.fail(f"{name} was done: {await write(store, ada)}")
    assert await acts(store) == before
    assert await store.sessions.alive(["second"]) == {"second"}


async def test_nothing_is_written_for_a_user_who_was_disabled(store: Store) -> None:
    ada = await scene(store)
    await store.users.edit(ada.id, UserChange(disabled=True), NEWSROOM, now())
    before = await acts(store)
    for name, write in WRITES.items():
        with pytest.raises(Forbidden if name in NOT_FOR_USERS else Unauthorized):
            pytest.fail(f"{name} was done: {await write(store, ada)}")
    assert await acts(store) == before


async def test_a_viewer_writes_to_nothing_but_their_own_account(store: Store) -> None:
    """Also one who was an owner when the request began."""
    ada = await scene(store)
    await store.users.edit(ada.id, UserChange(role=Role.VIEWER), NEWSROOM, now())
    before = await acts(store)
    for name, write in WRITES.items():
        if name not in OWN_ACCOUNT:
            with pytest.raises(Forbidden):
                pytest.fail(f"{name} was done: {await write(store, ada)}")
    assert await acts(store) == before


async def test_each_change_of_one_s_account_leaves_its_act(store: Store) -> None:
    """With the way to sign in that it concerns."""
    ada = await scene(store)
    await store.credentials.change(ada, Credential(identity=("https://id.example.org", "4711")), now())
    await store.sessions.confirmed(ada, PASSWORD, now())
    await store.sessions.end("second", ada, now())
    await store.credentials.change(ada, Credential(password="new"), now(), proof=PASSWORD)
    await store.credentials.remove_passkey(ada, "id", now(), offered=OFFERED)
    await store.sessions.end_all(ada, now())
    found, _ = await store.acts.page(ActFilter(principal_id=ada.id), limit=100)
    assert [(act.action, (act.details or {}).get("way")) for act in sorted(found, key=lambda act: act.id)] == [
        ("user.joined", "password"),
        ("session.began", "password"),
        ("user.credential_set", "passkey"),
        ("session.began", "password"),
        ("user.credential_set", "provider"),
        ("session.confirmed", "password"),
        ("session.ended", None),
        ("user.credential_set", "password"),
        ("user.passkey_removed", None),
        ("session.ended_all", None),
    ]
