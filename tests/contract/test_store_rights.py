"""Reads of a user's rights, and that nobody changes them before the transaction's end; on both databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, update

from liveserver.domain.errors import Forbidden
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role, UserRights, Verb
from liveserver.domain.people.user import Membership
from liveserver.store import tables
from liveserver.store.repositories.people import permissions
from tests.support.people_samples import joined
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog
from tests.support.transaction_pause import Pause

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from liveserver.domain.people.principal import Principal
    from liveserver.store import Store


def read(connection: Connection, user_id: str, slug: str | None, lock: bool) -> tuple[UserRights, int]:
    """Return the user's rights, and how many statements they took."""
    statements = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    rights = permissions.user_rights(connection, user_id, slug, lock=lock)
    event.remove(connection, "before_cursor_execute", note)
    return rights, len(statements)


async def test_rights_take_no_more_than_two_statements(store: Store) -> None:
    """One where the role on the whole site is enough; of memberships, the one on the live blog in question."""
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    there, elsewhere = Membership("match", Role.EDITOR), Membership("vote", Role.REPORTER)
    owner = await joined(store, "Olive", Role.OWNER, there)
    editor = await joined(store, "Ed", Role.EDITOR, there)
    guest = await joined(store, "Guest", None, there, elsewhere)
    viewer = await joined(store, "Vic", Role.VIEWER)
    await store.liveblogs.create(a_liveblog("own"), editor)
    expected = {
        (owner, "match"): (UserRights("Olive", Role.OWNER), 1),
        (owner, None): (UserRights("Olive", Role.OWNER), 1),
        (editor, "match"): (UserRights("Ed", Role.EDITOR, Role.EDITOR), 2),
        (editor, "own"): (UserRights("Ed", Role.EDITOR, opened=True), 2),
        (editor, "none"): (UserRights("Ed", Role.EDITOR), 2),
        (editor, None): (UserRights("Ed", Role.EDITOR), 1),
        (guest, "match"): (UserRights("Guest", None, Role.EDITOR), 2),
        (guest, "vote"): (UserRights("Guest", None, Role.REPORTER), 2),
        (guest, "own"): (UserRights("Guest", None), 2),
        (guest, None): (UserRights("Guest", None, highest=Role.EDITOR), 2),
        (viewer, "match"): (UserRights("Vic", Role.VIEWER), 2),
        (viewer, None): (UserRights("Vic", Role.VIEWER), 2),
    }
    for (user, slug), result in expected.items():
        assert await store._database.read(read, user.id, slug, False) == result
        assert await store._database.write(read, user.id, slug, True) == result
    on = await store.permissions.rights_on(guest.id, ["match", "own", "none"])
    assert on == {
        "match": UserRights("Guest", None, Role.EDITOR),
        "own": UserRights("Guest", None),
        "none": UserRights("Guest", None),
    }
    assert (await store.permissions.rights_on(editor.id, ["own"]))["own"].opened


@pytest.mark.parametrize("role", [Role.VIEWER, None])
@pytest.mark.parametrize("slug", ["match", None], ids=["there", "anywhere"])
async def test_a_membership_stays_until_the_transaction_that_relies_on_it_ends(
    store: Store, role: Role | None, slug: str | None
) -> None:
    """It is lowered or taken away afterwards."""
    guest = await joined(store, "Guest", None, Membership("match", Role.REPORTER))
    pause = Pause()

    def work(connection: Connection) -> None:
        permissions.confirm(connection, guest, Verb.WRITE, slug, anywhere=slug is None)
        pause.here(connection)

    working = asyncio.create_task(store._database.write(work))
    await pause.reached.wait()
    lowering = asyncio.create_task(store.users.set_membership("match", guest.id, role, NEWSROOM, now()))
    done, _ = await asyncio.wait([lowering], timeout=0.3)
    pause.end()
    assert not done
    await working
    await lowering
    assert (await store.permissions.rights_on(guest.id, ["match"]))["match"].membership is role


@pytest.mark.parametrize("slug", ["match", None], ids=["there", "anywhere"])
async def test_a_membership_that_is_being_lowered_is_waited_for(store: Store, slug: str | None) -> None:
    """What relies on it is refused then."""
    guest = await joined(store, "Guest", None, Membership("match", Role.REPORTER))
    pause = Pause()

    def lower(connection: Connection) -> None:
        of_guest = tables.memberships.c.user_id == guest.id
        connection.execute(update(tables.memberships).where(of_guest).values(role=Role.VIEWER.value))
        pause.here(connection)

    lowering = asyncio.create_task(store._database.write(lower))
    await pause.reached.wait()
    relying = asyncio.create_task(store._database.write(_relying, guest, slug))
    done, _ = await asyncio.wait([relying], timeout=0.3)
    pause.end()
    assert not done
    await lowering
    with pytest.raises(Forbidden, match="is a viewer here"):
        await relying


def _relying(connection: Connection, by: Principal, slug: str | None) -> None:
    permissions.confirm(connection, by, Verb.WRITE, slug, anywhere=slug is None)
