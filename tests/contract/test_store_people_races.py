"""Changes of people while others, or they themselves, are acting; on both databases.

Each race is forced: the first transaction is held up in its midst, and goes on once the second one waits for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.util import await_only
from structlog.testing import capture_logs

from liveserver.access.api_keys import new_key
from liveserver.domain.errors import Conflict, Forbidden, Unauthorized, VersionConflict
from liveserver.domain.ids import EntityVersion, now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind, UserState
from liveserver.store.repositories.people import acts, permissions, proofs, sessions
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.credentials import Credential, NewPasskey, OfferedWays
from liveserver.store.repositories.people.locking import lock_users
from liveserver.store.repositories.people.proofs import Proof, ProofOutdated
from liveserver.store.repositories.people.users import UserChange
from liveserver.utils.tokens import digest_of
from tests.support.people_samples import a_link, a_session, a_user, invited, joined
from tests.support.principals import NEWSROOM, key_principal
from tests.support.store_samples import an_entry
from tests.support.transaction_pause import Pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from sqlalchemy import Connection

    from liveserver.domain.people.user import Session
    from liveserver.store import Store

PASSWORD = Proof(password="hash")
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class Race:
    """Two transactions on one database, through two stores. The first one is held up until the second one waits."""

    def __init__(self, first: Store, second: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.first, self.second = first, second
        self._monkeypatch = monkeypatch
        self._pause = Pause()

    def hold(self, module: Any, name: str) -> None:
        """Hold up the first transaction that calls this function, after the call."""
        call, held = getattr(module, name), False

        def hold(connection: Connection, *args: Any, **fields: Any) -> Any:
            nonlocal held
            result = call(connection, *args, **fields)
            if not held:
                held = True
                self._pause.here(connection)
            return result

        self._monkeypatch.setattr(module, name, hold)

    async def run(self, first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
        """Return the results or errors of both. Neither may have been ended as a deadlock."""
        with capture_logs() as logs:
            one = asyncio.create_task(first)
            reached = asyncio.create_task(self._pause.reached.wait())
            await asyncio.wait({one, reached}, return_when=asyncio.FIRST_COMPLETED)
            assert not one.done(), await one
            two = asyncio.create_task(second)
            while not (two.done() or await self._someone_waits()):  # noqa: ASYNC110
                # Only the database knows who waits for a lock.
                await asyncio.sleep(0.01)
            assert not two.done(), "the second transaction didn't wait for the first one"
            self._pause.end()
            results = await asyncio.gather(one, two, return_exceptions=True)
        assert [each for each in logs if each["event"] == "store.deadlock"] == []
        return results

    async def _someone_waits(self) -> bool:
        # SQLite lets only one transaction write, by itself.
        database = self.first._database
        if database.writer.engine.dialect.name == "sqlite":
            return True
        return bool(await database.read(lambda connection: connection.execute(WAITING).scalar_one()))


@pytest.fixture
async def race(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Race]:
    race = Race(store, other, monkeypatch)
    yield race
    race._pause.end()


def of(user: Principal, session_id: str) -> Session:
    """A session of the user, which isn't in any store yet."""
    return replace(a_session(a_user("x")), user_id=user.id, id=session_id)


def reset(store: Store, user: Principal, by: Principal = NEWSROOM) -> Coroutine[Any, Any, object]:
    return store.credentials.reset(user.id, "r", a_link(a_user("x"), LinkKind.RESET)._replace(user_id=user.id), by)


async def disable(store: Store, user: Principal, by: Principal = NEWSROOM) -> None:
    await store.users.edit(user.id, UserChange(disabled=True), by, now())


async def enable(store: Store, user: Principal) -> None:
    await store.users.edit(user.id, UserChange(disabled=False), NEWSROOM, now())


async def actions(store: Store, **which: Any) -> list[str]:
    """The acts, the last that was written first."""
    found, _ = await store.acts.page(ActFilter(**which), limit=100)
    return [act.action for act in sorted(found, key=lambda act: act.id, reverse=True)]


IDENTITY = ("https://id.example.org", "4711")
OFFERED = OfferedWays(passkeys=True, issuer=None)
PASSKEY = NewPasskey("id", "key", 0, "Mac")


@pytest.mark.parametrize(
    ("proof", "take_back"),
    [
        (PASSWORD, reset),
        (
            PASSWORD,
            lambda store, user: store.credentials.change(user, Credential(password="new"), now(), proof=PASSWORD),
        ),
        (Proof(passkey="id"), lambda store, user: store.credentials.remove_passkey(user, "id", now(), offered=OFFERED)),
        (Proof(passkey="id"), reset),
    ],
    ids=["reset", "password changed", "passkey removed", "passkey reset"],
)
async def test_a_proof_that_was_taken_back_begins_no_session(
    store: Store, proof: Proof, take_back: Callable[[Store, Principal], Awaitable[object]]
) -> None:
    """Though it was verified before. A session that goes on isn't confirmed by it, either."""
    user = await joined(store, "Ada", Role.EDITOR)
    await store.credentials.change(user, Credential(passkey=PASSKEY), now())
    await store.credentials.sign_in("early", of(user, "early"), proof)
    await store.sessions.confirmed(user, proof, now())
    await take_back(store, user)
    before = await actions(store)
    with pytest.raises(ProofOutdated):
        await store.credentials.sign_in("late", of(user, "late"), proof)
    with pytest.raises(Unauthorized):
        await store.sessions.confirmed(user, proof, now())
    assert await store.sessions.find("late") is None
    assert await store.sessions.find("early") is None
    assert await actions(store) == before


async def test_a_proof_is_one_user_s(store: Store) -> None:
    """Somebody else's passkey or identity confirms nobody."""
    ada, eve = await joined(store, "Ada"), await joined(store, "Eve")
    for credential in (Credential(passkey=PASSKEY), Credential(identity=IDENTITY)):
        await store.credentials.change(ada, credential, now())
    for proof in (Proof(passkey="id"), Proof(identity=IDENTITY), Proof(password="another hash")):
        with pytest.raises(ProofOutdated):
            await store.sessions.confirmed(eve, proof, now())
    await store.sessions.confirmed(ada, Proof(identity=IDENTITY), now())


async def test_a_password_is_replaced_only_by_those_who_have_given_it(store: Store) -> None:
    """A first one needs no other. Of two that are set at once, one is refused."""
    ada = await joined(store, "Ada")
    with pytest.raises(Conflict, match="already"):
        await store.credentials.change(ada, Credential(password="new"), now())
    await store.credentials.change(ada, Credential(password="new"), now(), proof=PASSWORD)
    with pytest.raises(ProofOutdated):
        await store.credentials.change(ada, Credential(password="newer"), now(), proof=PASSWORD)
    assert await store.credentials.own_password(ada.id) == "new"
    bare = a_user("Ben")
    await invited(store, bare, "b")
    await store.credentials.join(digest_of("b"), Credential(passkey=PASSKEY), "ben", a_session(bare))
    ben = Principal(PrincipalKind.USER, bare.id, "Ben", "ben")
    assert await store.credentials.own_password(ben.id) is None
    await store.credentials.change(ben, Credential(password="first"), now())
    assert await store.credentials.own_password(ben.id) == "first"


@pytest.mark.parametrize("shut_out", [disable, reset])
async def test_a_session_that_begins_meanwhile_ends(race: Race, shut_out: Callable[..., Any]) -> None:
    """A user who signs in while they are disabled, or reset, has no session afterwards, nor once they are enabled."""
    user = await joined(race.first, "Ada", Role.EDITOR)
    race.hold(proofs, "check")
    results = await race.run(
        race.first.credentials.sign_in("late", of(user, "late"), PASSWORD), shut_out(race.second, user)
    )
    assert [each for each in results if isinstance(each, BaseException)] == []
    await enable(race.first, user)
    assert await race.first.sessions.find("late") is None


async def test_a_user_who_joins_meanwhile_is_disabled_all_the_same(race: Race) -> None:
    """And isn't joined by a link that is used while it is void."""
    new = a_user("Ada")
    await invited(race.first, new, "token")
    user = Principal(PrincipalKind.USER, new.id, "Ada", "late")
    race.hold(sessions, "begin")
    joining = race.first.credentials.join(digest_of("token"), Credential(password="hash"), "late", of(user, "late"))
    results = await race.run(joining, disable(race.second, user))
    assert [each for each in results if isinstance(each, BaseException)] == []
    await enable(race.first, user)
    assert await race.first.sessions.find("late") is None


async def test_joining_waits_for_a_reset_that_makes_another_link(race: Race) -> None:
    new = a_user("Ada")
    await invited(race.first, new, "token")
    user = Principal(PrincipalKind.USER, new.id, "Ada")
    race.hold(sessions, "end_all")
    joining = race.second.credentials.join(digest_of("token"), Credential(password="hash"), "late", of(user, "late"))
    done, refused = await race.run(reset(race.first, user), joining)
    assert not isinstance(done, BaseException)
    assert isinstance(refused, Unauthorized)
    assert await race.first.sessions.find("late") is None


@pytest.mark.parametrize(
    "take_away",
    [
        disable,
        reset,
        lambda store, user: store.users.edit(user.id, UserChange(role=Role.VIEWER), NEWSROOM, now()),
        lambda store, user: store.users.set_membership("match", user.id, Role.VIEWER, NEWSROOM, now()),
        lambda store, user: store.sessions.end_all(user, now()),
        lambda store, user: store.sessions.end(f"s{user.id[2:]}", user, now()),
        lambda store, user: store.credentials.change(user, Credential(password="x"), now(), proof=PASSWORD),
    ],
    ids=["disable", "reset", "role", "membership", "sessions", "session", "password"],
)
async def test_what_a_user_loses_is_lost_after_the_write_under_way(
    race: Race, take_away: Callable[[Store, Principal], Coroutine[Any, Any, object]]
) -> None:
    """The rights that were checked hold until the transaction ends, and neither of the two is a deadlock's victim."""
    user = await joined(race.first, "Ada", Role.EDITOR)
    race.hold(permissions, "user_rights")
    results = await race.run(race.first.entries.create("match", an_entry(), by=user), take_away(race.second, user))
    assert [each for each in results if isinstance(each, BaseException)] == []
    assert (await race.first.liveblogs.find("match")).seq == 1


@pytest.mark.parametrize(
    "take_away",
    [
        disable,
        reset,
        lambda store, user: store.users.edit(user.id, UserChange(role=Role.VIEWER), NEWSROOM, now()),
        lambda store, user: store.sessions.end_all(user, now()),
    ],
    ids=["disable", "reset", "role", "sessions"],
)
async def test_a_write_waits_for_what_is_being_taken_away(
    race: Race, take_away: Callable[[Store, Principal], Coroutine[Any, Any, object]]
) -> None:
    """And is refused then."""
    user = await joined(race.first, "Ada", Role.EDITOR)
    race.hold(acts, "record")
    _, refused = await race.run(take_away(race.first, user), race.second.entries.create("match", an_entry(), by=user))
    assert isinstance(refused, (Unauthorized, Forbidden))
    assert (await race.first.liveblogs.find("match")).seq == 0


async def test_a_key_is_revoked_after_the_write_under_way(race: Race) -> None:
    key, _ = new_key("key", ["publish"])
    await race.first.keys.add(key, NEWSROOM)
    race.hold(permissions, "key_rights")
    results = await race.run(
        race.first.entries.create("match", an_entry(), by=key_principal(key.id)),
        race.second.keys.revoke(key.id, now(), NEWSROOM),
    )
    assert [each for each in results if isinstance(each, BaseException)] == []
    assert (await race.first.liveblogs.find("match")).seq == 1
    assert (await actions(race.first, action="key"))[0] == "key.revoked"


async def test_a_key_is_revoked_once(race: Race) -> None:
    """By two who have both found it valid: the first time stays, and there is one act."""
    key, _ = new_key("key", ["publish"])
    await race.first.keys.add(key, NEWSROOM)
    race.hold(acts, "record")
    first, second = now(), now()
    results = await race.run(
        race.first.keys.revoke(key.id, first, NEWSROOM), race.second.keys.revoke(key.id, second, NEWSROOM)
    )
    assert [*results] == [None, None]
    assert (await actions(race.first, action="key")).count("key.revoked") == 1
    found = await race.first.keys.find(key.id)
    assert found is not None
    assert found.revoked_at == first


async def test_of_two_changes_of_one_version_one_is_refused(race: Race) -> None:
    user = await joined(race.first, "Ada")
    race.hold(acts, "record")
    done, refused = await race.run(
        race.first.users.edit(user.id, UserChange(name="Ada A."), NEWSROOM, now(), version=EntityVersion(1)),
        race.second.users.edit(user.id, UserChange(name="Ada B."), NEWSROOM, now(), version=EntityVersion(1)),
    )
    assert not isinstance(done, BaseException)
    assert isinstance(refused, VersionConflict)
    assert (await race.first.users.find(user.id)).name == "Ada A."


async def test_two_owners_change_each_other(race: Race) -> None:
    """One after the other; the one who loses the role first changes nothing more."""
    ada, bob = await joined(race.first, "Ada", Role.OWNER), await joined(race.first, "Bob", Role.OWNER)
    race.hold(permissions, "confirm")
    done, refused = await race.run(
        race.first.users.edit(bob.id, UserChange(role=Role.EDITOR), ada, now()),
        race.second.users.edit(ada.id, UserChange(role=Role.EDITOR), bob, now()),
    )
    assert not isinstance(done, BaseException)
    assert isinstance(refused, Forbidden)
    assert (await race.first.users.find(ada.id)).role is Role.OWNER


async def test_two_owners_reset_each_other(race: Race) -> None:
    """One after the other; the one who is reset first resets nobody."""
    ada, bob = await joined(race.first, "Ada", Role.OWNER), await joined(race.first, "Bob", Role.OWNER)
    race.hold(permissions, "confirm")
    done, refused = await race.run(reset(race.first, bob, ada), reset(race.second, ada, bob))
    assert not isinstance(done, BaseException)
    assert isinstance(refused, Unauthorized)
    assert await race.first.credentials.own_password(ada.id) == "hash"


async def test_the_last_owner_stays_whoever_goes_at_the_same_time(race: Race) -> None:
    """Two owners, who both give up the role: one of them must keep it."""
    ada, bob = await joined(race.first, "Ada", Role.OWNER), await joined(race.first, "Bob", Role.OWNER)
    race.hold(permissions, "confirm")
    done, refused = await race.run(
        race.first.users.edit(ada.id, UserChange(no_role=True), ada, now()),
        race.second.users.edit(bob.id, UserChange(no_role=True), bob, now()),
    )
    assert not isinstance(done, BaseException)
    assert isinstance(refused, Conflict)
    assert (await race.first.users.find(bob.id)).role is Role.OWNER


async def test_the_last_passkey_stays_whatever_is_removed_at_the_same_time(race: Race) -> None:
    user = a_user("Ben")
    await invited(race.first, user, "b")
    one = Credential(passkey=PASSKEY._replace(id="one"))
    await race.first.credentials.join(digest_of("b"), one, "ben", a_session(user))
    ben = Principal(PrincipalKind.USER, user.id, "Ben", "ben")
    await race.first.credentials.change(ben, Credential(passkey=PASSKEY._replace(id="two")), now())
    race.hold(acts, "record")
    done, refused = await race.run(
        race.first.credentials.remove_passkey(ben, "one", now(), offered=OFFERED),
        race.second.credentials.remove_passkey(ben, "two", now(), offered=OFFERED),
    )
    assert not isinstance(done, BaseException)
    assert isinstance(refused, Conflict)
    assert [passkey.id for passkey in await race.first.credentials.passkeys(user.id)] == ["two"]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_two_sign_in_at_once_though_others_sessions_are_over(race: Race) -> None:
    """Each deletes what is over, of everybody; what one of them deletes, the other leaves alone."""
    ada, bob = await joined(race.first, "Ada"), await joined(race.first, "Bob")
    old = replace(of(ada, "old"), seen_at=now() - 2 * sessions.IDLE)
    await race.first.credentials.sign_in("old", old, PASSWORD)
    race.hold(sessions, "delete_over")
    held = asyncio.create_task(race.first.credentials.sign_in("a", of(ada, "a"), PASSWORD))
    await race._pause.reached.wait()
    await race.second.credentials.sign_in("b", of(bob, "b"), PASSWORD)
    race._pause.end()
    await held
    assert await race.first.sessions.alive(["a", "b", "old"]) == {"a", "b"}


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_after_a_deadlock_the_victim_is_run_once_more(race: Race) -> None:
    """All that we know of take their locks in one order. If two don't, both succeed, and the log says so."""
    ada, bob = await joined(race.first, "Ada"), await joined(race.first, "Bob")
    both_have_one = asyncio.Barrier(2)
    calls: list[str] = []

    def work(connection: Connection, one: Principal, two: Principal) -> str:
        lock_users(connection, one.id)
        calls.append(one.id)
        if calls.count(one.id) == 1:
            await_only(both_have_one.wait())
        lock_users(connection, two.id)
        return one.id

    with capture_logs() as logs:
        done = await asyncio.gather(
            race.first._database.write(work, ada, bob), race.second._database.write(work, bob, ada)
        )
    assert [*done] == [ada.id, bob.id]
    assert len(calls) == 3
    assert [each["event"] for each in logs] == ["store.deadlock"]
    assert (await race.first.users.find(ada.id)).state is UserState.ACTIVE
