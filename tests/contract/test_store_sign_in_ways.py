"""The ways to sign in, and the use of sessions, in the store; on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import Conflict, NotFound, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import UserState
from liveserver.store.repositories.people import credentials
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.credentials import Credential, NewPasskey, OfferedWays
from liveserver.store.repositories.people.identities import IDENTITIES_MAX, TooManyIdentities
from liveserver.store.repositories.people.sessions import IDLE, LONGEST
from liveserver.utils.tokens import digest_of
from tests.contract.test_store_people import actions
from tests.support.people_samples import a_session, a_user, invited, joined
from tests.support.transaction_pause import Pause

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from liveserver.store import Store

ISSUER = "https://id.example.org"
NOTHING, EVERYTHING = OfferedWays(passkeys=False, issuer=None), OfferedWays(passkeys=True, issuer=ISSUER)


async def test_passkeys(store: Store) -> None:
    """The last way to sign in stays."""
    user = await joined(store, "Ada")
    await store.credentials.change(user, Credential(passkey=NewPasskey("id", "key", 0, "Téléphone")), now())
    with pytest.raises(Conflict, match="known already"):
        await store.credentials.change(user, Credential(passkey=NewPasskey("id", "key", 0, "x")), now())
    await store.credentials.used_passkey("id", 7, now())
    found = await store.credentials.passkey("id")
    assert found is not None
    assert (found.user_id, found.sign_count, found.label) == (user.id, 7, "Téléphone")
    await store.credentials.remove_passkey(user, "id", now(), offered=NOTHING)
    assert await store.credentials.passkeys(user.id) == []
    bare = a_user("Ben")
    await invited(store, bare, "b")
    await store.credentials.join(
        digest_of("b"), Credential(passkey=NewPasskey("only", "key", 0, "x")), "ben", a_session(bare)
    )
    with pytest.raises(Conflict, match="only way"):
        await store.credentials.remove_passkey(
            Principal(PrincipalKind.USER, bare.id, "Ben", "ben"), "only", now(), offered=EVERYTHING
        )
    assert len(await store.credentials.passkeys(bare.id)) == 1


async def test_a_passkey_s_counter_goes_up_or_the_use_is_refused(store: Store) -> None:
    user = a_user("Ada")
    await invited(store, user, "t")
    key = Credential(passkey=NewPasskey("id", "key", 0, "Mac"))
    await store.credentials.join(digest_of("t"), key, digest_of("s"), a_session(user))
    for count in (0, 0, 3, 4):
        await store.credentials.used_passkey("id", count, now())
    for count in (4, 2, 0):
        with pytest.raises(Unauthorized):
            await store.credentials.used_passkey("id", count, now())
    with pytest.raises(Unauthorized):
        await store.credentials.used_passkey("other", 9, now())


async def test_a_person_whom_a_provider_knows_is_admitted_once(store: Store) -> None:
    identity = ("https://id.example.org", "4711")
    await joined(store, "ADA")
    first, second = a_user("Ada"), a_user("Ada")
    admitted = await store.credentials.admit(first, identity, digest_of("1"), a_session(first))
    assert (admitted.name, admitted.state, admitted.role) == ("Ada 2", UserState.ACTIVE, Role.REPORTER)
    with pytest.raises(Conflict):
        await store.credentials.admit(second, identity, digest_of("2"), a_session(second))
    # Neither a user nor a session is left of the second try.
    assert len(await store.users.all()) == 2
    assert await store.sessions.find(digest_of("2")) is None
    assert await store.credentials.user_of_identity(*identity) == first.id
    acts, _ = await store.acts.page(ActFilter(principal_id=first.id), limit=10)
    assert [act.action for act in acts] == ["session.began", "user.admitted"]


async def test_identities(store: Store) -> None:
    """Each is listed and removed by its user only, and the act is recorded. The time of the last use is noted."""
    ada, eve = await joined(store, "Ada"), await joined(store, "Eve")
    for subject in ("1", "2"):
        await store.credentials.change(ada, Credential(identity=(ISSUER, subject)), now() - timedelta(hours=1))
    first, second = await store.credentials.identities(ada.id)
    assert [(each.issuer, each.subject, each.user_id) for each in (first, second)] == [
        (ISSUER, "1", ada.id),
        (ISSUER, "2", ada.id),
    ]
    assert first.used_at == first.created_at
    moment = now()
    assert await store.credentials.used_identity(ISSUER, "2", moment) == ada.id
    assert await store.credentials.used_identity(ISSUER, "3", moment) is None
    assert [each.used_at for each in await store.credentials.identities(ada.id)] == [first.used_at, moment]
    for by, identity_id in ((eve, first.id), (ada, "0" * 16)):
        with pytest.raises(NotFound):
            await store.credentials.remove_identity(by, identity_id, now(), offered=EVERYTHING)
    await store.credentials.remove_identity(ada, first.id, now(), offered=EVERYTHING)
    assert await store.credentials.identities(ada.id) == [second._replace(used_at=moment)]
    assert await store.credentials.user_of_identity(ISSUER, "1") is None
    [act] = (await store.acts.page(ActFilter(action="user.identity_removed"), limit=10))[0]
    assert (act.principal_id, act.details) == (ada.id, {"issuer": ISSUER})
    await store.sessions.end_all(ada, now())
    with pytest.raises(Unauthorized):
        await store.credentials.remove_identity(ada, second.id, now(), offered=EVERYTHING)


async def test_the_number_of_identities_has_a_bound(store: Store) -> None:
    ada = await joined(store, "Ada")
    for number in range(IDENTITIES_MAX):
        await store.credentials.change(ada, Credential(identity=(ISSUER, f"{number}")), now())
    with pytest.raises(TooManyIdentities):
        await store.credentials.change(ada, Credential(identity=(ISSUER, "more")), now())
    assert len(await store.credentials.identities(ada.id)) == IDENTITIES_MAX


async def with_every_way_but_a_password(store: Store) -> Principal:
    """Ben, who has the passkey `key` and an identity."""
    ben = a_user("Ben")
    await invited(store, ben, "b")
    key = Credential(passkey=NewPasskey("key", "key", 0, "x"))
    await store.credentials.join(digest_of("b"), key, "ben", a_session(ben))
    by = Principal(PrincipalKind.USER, ben.id, "Ben", "ben")
    await store.credentials.change(by, Credential(identity=(ISSUER, "1")), now())
    return by


@pytest.mark.parametrize("issuer", [None, "https://other.example"])
async def test_what_the_site_does_not_offer_is_no_way_to_sign_in(store: Store, issuer: str | None) -> None:
    """A passkey stays if the provider isn't the site's any more, and an identity if the site offers no passkeys."""
    by = await with_every_way_but_a_password(store)
    [identity] = await store.credentials.identities(by.id)
    with pytest.raises(Conflict, match="only way"):
        await store.credentials.remove_passkey(by, "key", now(), offered=OfferedWays(True, issuer))
    with pytest.raises(Conflict, match="only way"):
        await store.credentials.remove_identity(by, identity.id, now(), offered=OfferedWays(False, ISSUER))
    assert len(await store.credentials.passkeys(by.id)) == len(await store.credentials.identities(by.id)) == 1
    assert await actions(store, action="user.passkey_removed") == []
    assert await actions(store, action="user.identity_removed") == []
    await store.credentials.remove_passkey(by, "key", now(), offered=EVERYTHING)
    with pytest.raises(Conflict, match="only way"):
        await store.credentials.remove_identity(by, identity.id, now(), offered=EVERYTHING)


async def test_two_ways_that_are_removed_at_once_are_not_both_the_other_one(store: Store, other: Store) -> None:
    """The second request waits until the first one is committed, and then finds the last way."""
    by = await with_every_way_but_a_password(store)
    [identity] = await store.credentials.identities(by.id)
    pause = Pause()

    def remove_slowly(connection: Connection) -> None:
        credentials.remove_passkey(connection, by, "key", now(), offered=EVERYTHING)
        pause.here(connection)

    first = asyncio.create_task(store.users._database.write(remove_slowly))
    await pause.reached.wait()
    second = asyncio.create_task(other.credentials.remove_identity(by, identity.id, now(), offered=EVERYTHING))
    # It doesn't end before the first one: were it not to wait, it would be done at once.
    await asyncio.wait({second}, timeout=0.5)
    assert not second.done()
    pause.end()
    await first
    with pytest.raises(Conflict, match="only way"):
        await second
    assert await store.credentials.identities(by.id) == [identity]


async def test_the_use_of_sessions_is_noted_unless_they_are_over(store: Store) -> None:
    """Also of several at once, and never an earlier time than the one that is noted."""
    ada, bob = await joined(store, "Ada"), await joined(store, "Bob")
    digests = [ada.session or "", bob.session or ""]
    later = now() + timedelta(hours=11)
    await store.sessions.seen(digests, later)
    await store.sessions.seen(digests, now())
    assert [found.seen_at for digest in digests if (found := await store.sessions.find(digest))] == [later, later]
    await store.sessions.seen(digests[:1], later + IDLE)
    assert [found.seen_at for digest in digests if (found := await store.sessions.find(digest))] == [later, later]
    steps = [timedelta(hours=11 * step) for step in range(2, 80)]
    for step in steps:
        await store.sessions.seen(digests[1:], now() + step)
    found = await store.sessions.find(digests[1])
    assert found is not None
    assert LONGEST - timedelta(hours=11) <= found.seen_at - found.created_at < LONGEST
