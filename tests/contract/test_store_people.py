"""Users, roles, links and sessions in the store, and the record of acts; on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.errors import Conflict, Forbidden, LiveserverError, NotFound, Unauthorized, VersionConflict
from liveserver.domain.ids import EntityVersion, now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind, Membership, UserState, login_of
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.proofs import Proof
from liveserver.store.repositories.people.sessions import SESSIONS_MAX
from liveserver.store.repositories.people.users import NewUser, UserChange
from liveserver.utils.tokens import digest_of
from tests.support.people_samples import a_link, a_session, a_user, invited, joined
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_draft, a_liveblog, an_entry, at, fine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.store import Store


async def actions(store: Store, **which: Any) -> list[str]:
    """The actions of the audit log, the one that was recorded last first: the acts' own times are the tests'."""
    acts, _ = await store.acts.page(ActFilter(**which), limit=100)
    return [act.action for act in sorted(acts, key=lambda act: act.id, reverse=True)]


async def test_a_user_is_invited_and_joins_once(store: Store) -> None:
    """By the link; the link is then void, and the user has a session."""
    user = await invited(store, a_user("Ada Lovelace", Role.EDITOR, Membership("match", Role.OWNER)), "token")
    assert (await store.users.find(user.id)).state is UserState.INVITED
    assert (await store.users.find_by_name("  ada  LOVELACE ")).memberships == (Membership("match", Role.OWNER),)
    link, found = await store.credentials.link(digest_of("token"))
    assert (link.kind, found.name) == (LinkKind.JOIN, "Ada Lovelace")
    session = a_session(user)
    await store.credentials.join(digest_of("token"), Credential(password="hash"), "digest", session)
    assert (await store.users.find(user.id)).state is UserState.ACTIVE
    assert await store.credentials.password_of("ada lovelace") == (user.id, "hash")
    assert await store.sessions.find("digest") == session
    for again in (store.credentials.join(digest_of("token"), Credential(password="x"), "d2", session),):
        with pytest.raises(Unauthorized, match="used already"):
            await again
    assert await actions(store, principal_id=user.id) == ["session.began", "user.joined"]


async def test_many_use_a_link_at_once(store: Store, other: Store) -> None:
    """One of them joins."""
    user = await invited(store, a_user("Ada"), "token")
    answers = await asyncio.gather(
        *(
            (store, other)[n % 2].credentials.join(
                digest_of("token"), Credential(password=f"hash {n}"), f"digest {n}", replace(a_session(user), id=f"{n}")
            )
            for n in range(20)
        ),
        return_exceptions=True,
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert sum(isinstance(answer, Unauthorized) for answer in answers) == 19
    assert len(await store.sessions.of_user(user.id)) == 1


async def test_a_link_expires(store: Store) -> None:
    user = a_user("Ada", at=now() - timedelta(hours=73))
    await invited(store, user, "token")
    with pytest.raises(Unauthorized):
        await store.credentials.link(digest_of("token"))
    with pytest.raises(Unauthorized):
        await store.credentials.join(digest_of("token"), Credential(password="hash"), "digest", a_session(user))
    assert await store.sessions.find("digest") is None


async def test_names_are_unique(store: Store) -> None:
    """However they are written."""
    await invited(store, a_user("Élodie Ü"), "a")
    assert login_of("E\u0301LODIE  U\u0308") == login_of("Élodie Ü")
    with pytest.raises(Conflict, match="already a user"):
        await invited(store, a_user("E\u0301LODIE  U\u0308"), "b")
    other = await invited(store, a_user("Nadia"), "c")
    with pytest.raises(Conflict, match="already a user"):
        await store.users.edit(other.id, UserChange(name="élodie ü"), NEWSROOM, now())


async def test_only_owners_administer(store: Store) -> None:
    """Whoever else asks, nothing is done, nor recorded."""
    user = await invited(store, a_user("Nadia"), "c")
    for role in (None, Role.VIEWER, Role.REPORTER, Role.EDITOR):
        someone = await joined(store, f"someone {role}", role, Membership("match", Role.OWNER))
        before = await actions(store)
        new = a_user("Neu")
        for asked in (
            store.users.invite(NewUser(new, "d", a_link(new)), someone),
            store.users.edit(user.id, UserChange(disabled=True), someone, now()),
            store.credentials.reset(user.id, "e", a_link(user, LinkKind.RESET), someone),
        ):
            with pytest.raises(Forbidden):
                await asked
        assert await actions(store) == before
    owner = await joined(store, "owner", Role.OWNER)
    disabled, _ = await store.users.edit(user.id, UserChange(disabled=True), owner, now(), version=EntityVersion(1))
    assert disabled.state is UserState.DISABLED
    with pytest.raises(VersionConflict):
        await store.users.edit(user.id, UserChange(disabled=False), owner, now(), version=EntityVersion(1))
    assert (await actions(store))[0] == "user.disabled"


async def test_the_last_owner_stays(store: Store) -> None:
    """Unless the operator says otherwise, on the machine. An owner who hasn't joined doesn't count."""
    owner = await joined(store, "owner", Role.OWNER)
    await invited(store, a_user("next", Role.OWNER), "n")
    for change in (UserChange(role=Role.EDITOR), UserChange(no_role=True), UserChange(disabled=True)):
        with pytest.raises(Conflict, match="last owner"):
            await store.users.edit(owner.id, change, owner, now())
    await joined(store, "second", Role.OWNER)
    changed, _ = await store.users.edit(owner.id, UserChange(role=Role.EDITOR), owner, now())
    assert changed.role is Role.EDITOR


async def _write(store: Store, by: Principal) -> None:
    await store.entries.create("match", an_entry(), by=by)


@pytest.mark.parametrize(
    "take_away",
    [
        lambda store, user: store.sessions.end_all(user, now()),
        lambda store, user: store.users.edit(user.id, UserChange(disabled=True), NEWSROOM, now()),
        lambda store, user: store.users.edit(user.id, UserChange(role=Role.REPORTER), NEWSROOM, now()),
        lambda store, user: store.credentials.reset(
            user.id, "r", a_link(a_user("x"), LinkKind.RESET)._replace(user_id=user.id), NEWSROOM
        ),
    ],
    ids=["session", "disabled", "role", "reset"],
)
async def test_what_is_taken_away_is_gone_at_once(
    store: Store, take_away: Callable[[Store, Principal], Awaitable[object]]
) -> None:
    """A request under way writes nothing afterwards: neither an entry, nor a row of the audit log."""
    user = await joined(store, "Ada", Role.EDITOR)
    await _write(store, user)
    await take_away(store, user)
    before = await actions(store)
    with pytest.raises((Unauthorized, Forbidden)):
        await _write(store, user)
    assert await actions(store) == before
    assert (await store.liveblogs.find("match")).seq == 1


async def test_the_roles_on_a_live_blog(store: Store) -> None:
    """A membership raises the role there, and nowhere else; who opened a live blog may manage it while an editor."""
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    freelance = await joined(store, "Free", None, Membership("match", Role.EDITOR))
    await _write(store, freelance)
    with pytest.raises(Forbidden, match="has no role"):
        await store.entries.create("vote", an_entry(), by=freelance)
    with pytest.raises(Forbidden):
        await store.liveblogs.create(a_liveblog("own"), freelance)
    editor = await joined(store, "Ed", Role.EDITOR)
    await store.liveblogs.create(a_liveblog("own"), editor)
    await store.liveblogs.edit("own", lambda b: replace(b, title="Mine", updated_at=at(9)), editor)
    with pytest.raises(Forbidden):
        await store.liveblogs.edit("vote", lambda b: replace(b, title="Mine", updated_at=at(9)), editor)
    await store.users.set_membership("own", freelance.id, Role.REPORTER, editor, now())
    assert [(user.name, role) for user, role in await store.users.members("own")] == [("Free", Role.REPORTER)]
    await store.users.edit(editor.id, UserChange(role=Role.REPORTER), NEWSROOM, now())
    with pytest.raises(Forbidden):
        await store.liveblogs.edit("own", lambda b: replace(b, title="Still", updated_at=at(9)), editor)
    await store.users.set_membership("own", freelance.id, None, NEWSROOM, now())
    assert await store.users.members("own") == []
    with pytest.raises(NotFound):
        await store.users.set_membership("own", freelance.id, None, NEWSROOM, now())


async def test_a_reporter_writes_drafts_and_touches_their_own(store: Store) -> None:
    """Nothing that readers see, or will see; nothing of others."""
    reporter, another = await joined(store, "Rep", Role.REPORTER), await joined(store, "Other", Role.REPORTER)
    mine = (await store.entries.create("match", a_draft(), by=reporter)).entry
    theirs = (await store.entries.create("match", a_draft(), by=another)).entry
    public = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    await store.entries.edit("match", mine.id, lambda e: replace(e, body="2"), by=reporter)

    async def refused(work: Awaitable[object]) -> None:
        with pytest.raises(Forbidden):
            await work

    await refused(store.entries.create("match", an_entry(), by=reporter))
    await refused(store.entries.edit("match", theirs.id, lambda e: replace(e, body="2"), by=reporter))
    await refused(store.entries.edit("match", public.id, lambda e: replace(e, body="2"), by=reporter))
    await refused(store.entries.delete("match", theirs.id, fine, by=reporter, at=at(9)))
    await refused(store.entries.delete("match", public.id, fine, by=reporter, at=at(9)))
    publish = replace(an_entry(), id=mine.id)
    await refused(store.entries.edit("match", mine.id, lambda _: publish, by=reporter))
    await store.entries.delete("match", mine.id, fine, by=reporter, at=at(9))
    assert (await store.liveblogs.find("match")).seq == 1
    assert await actions(store, principal_id=reporter.id) == [
        "entry.deleted",
        "entry.edited",
        "entry.created",
        "session.began",
        "user.joined",
    ]


async def test_sessions_are_few_and_end(store: Store) -> None:
    """The one that was used least recently gives way; each can be ended, and all others."""
    user = a_user("Ada")
    await invited(store, user, "token")
    await store.credentials.join(digest_of("token"), Credential(password="hash"), "first", a_session(user))
    for number in range(SESSIONS_MAX):
        later = replace(a_session(user, now() + timedelta(seconds=number)), id=f"n{number}")
        await store.credentials.sign_in(f"digest {number}", later, Proof(password="hash"))
    assert len(await store.sessions.of_user(user.id)) == SESSIONS_MAX
    assert await store.sessions.find("first") is None
    me = Principal(PrincipalKind.USER, user.id, "Ada", "digest 1")
    ended = await store.sessions.end("n0", me, now())
    assert (ended.digest, await store.sessions.find("digest 0")) == ("digest 0", None)
    with pytest.raises(NotFound):
        await store.sessions.end("n0", me, now())
    assert len(await store.sessions.end_all(me, now(), but="digest 1")) == SESSIONS_MAX - 2
    assert [session.id for session in await store.sessions.of_user(user.id)] == ["n1"]
    assert await store.sessions.alive(["digest 1", "digest 2"]) == {"digest 1"}
    # More than databases take as the parameters of one statement.
    assert await store.sessions.alive([*map(str, range(40_000)), "digest 1"]) == {"digest 1"}


@pytest.mark.parametrize(("created", "seen"), [(-13, -12.01), (-30 * 24 - 0.1, -0.1)])
async def test_a_session_is_over(store: Store, created: float, seen: float) -> None:
    """After twelve idle hours, and after thirty days."""
    user = await joined(store, "Ada", Role.EDITOR)
    session = a_session(a_user("Ada"))
    moment = now()
    old = replace(
        session,
        id="old",
        user_id=user.id,
        created_at=moment + timedelta(hours=created),
        seen_at=moment + timedelta(hours=seen),
    )
    await store.credentials.sign_in("old", old, Proof(password="hash"))
    assert await store.sessions.find("old") is None
    assert await store.sessions.alive(["old"]) == set()
    with pytest.raises(Unauthorized, match="has ended"):
        await _write(store, user._replace(session="old"))


async def test_the_audit_log_in_pages(store: Store) -> None:
    """By person, live blog, entry and action; each act once, whatever the size of the pages."""
    user = await joined(store, "Ada", Role.EDITOR)
    entries = [(await store.entries.create("match", an_entry(at(n)), by=user)).entry for n in range(5)]
    await store.entries.edit("match", entries[0].id, lambda e: replace(e, body="2"), by=user)
    assert await actions(store, entry_id=entries[0].id) == ["entry.edited", "entry.published"]
    assert await actions(store, liveblog="match", action="entry") == ["entry.edited", *["entry.published"] * 5]
    seen, cursor = [], None
    while True:
        acts, cursor = await store.acts.page(ActFilter(), limit=2, cursor=cursor)
        seen += [act.id for act in acts]
        if cursor is None:
            break
    whole, _ = await store.acts.page(ActFilter(), limit=100)
    assert seen == [act.id for act in whole]
    assert len(set(seen)) == len(seen)
    assert whole[0].principal_id == user.id
    with pytest.raises(LiveserverError):
        await store.acts.page(ActFilter(), limit=2, cursor="x")


async def test_secrets_are_the_same_for_all(store: Store, other: Store) -> None:
    values = await asyncio.gather(*((store, other)[n % 2].secrets.get("challenges", now()) for n in range(20)))
    assert len(set(values)) == 1
    assert len(values[0]) == 43


async def test_when_people_were_last_seen(store: Store) -> None:
    """By their sessions, and after these by what they did last. People who never came aren't among them."""
    ada, bob = await joined(store, "Ada"), await joined(store, "Bob")
    never = await invited(store, a_user("Eve"), "token")
    await store.sessions.seen([ada.session or ""], now() + timedelta(hours=1))
    session = await store.sessions.find(ada.session or "")
    await store.sessions.end_all(bob, now())
    seen = await store.sessions.last_seen()
    assert session is not None
    assert seen[ada.id] == session.seen_at
    acts, _ = await store.acts.page(ActFilter(principal_id=bob.id), limit=1)
    assert seen[bob.id] == acts[0].at
    assert never.id not in seen


async def test_only_the_server_makes_links_that_sign_in(store: Store) -> None:
    """Not even an owner, who could sign in as somebody else. Password and sessions stay."""
    owner, ada = await joined(store, "Grace", Role.OWNER), await joined(store, "Ada")
    user = await store.users.find(ada.id)
    link = a_link(user, LinkKind.SIGN_IN)
    with pytest.raises(Forbidden):
        await store.credentials.offer_sign_in(ada.id, "digest", link, owner)
    assert (await store.credentials.offer_sign_in(ada.id, "digest", link, NEWSROOM)).name == "Ada"
    assert (await store.credentials.link("digest"))[0].kind is LinkKind.SIGN_IN
    assert await store.credentials.password_of("Ada") is not None
    assert await store.sessions.find(ada.session or "") is not None
    assert (await actions(store))[0] == "user.link_made"


async def test_live_blogs_by_their_slugs(store: Store) -> None:
    """Newest first; slugs that no live blog has are left out."""
    for number, slug in enumerate(("un", "deux", "trois")):
        await store.liveblogs.create(replace(a_liveblog(slug), created_at=at(number)), NEWSROOM)
    found = await store.liveblogs.named(["un", "trois", "rien", "\x00", "Un"])
    assert [liveblog.slug for liveblog in found] == ["trois", "un"]
    assert await store.liveblogs.named([]) == []


async def test_many_sessions_are_asked_for_at_once(store: Store) -> None:
    """Whether each may see its live blog; sessions that have ended are left out, and users who were disabled."""
    await store.liveblogs.create(a_liveblog("port"), NEWSROOM)
    owner = await joined(store, "Ada", Role.OWNER)
    guest = await joined(store, "Bo", None, Membership("match", Role.VIEWER))
    left, disabled = await joined(store, "Cy"), await joined(store, "Di")
    await store.sessions.end_all(left, now())
    await store.users.edit(disabled.id, UserChange(disabled=True), NEWSROOM, now())
    pairs = {(str(who.session), slug) for who in (owner, guest, left, disabled) for slug in ("match", "port", "rien")}
    found = await store.permissions.seeing(pairs)
    assert {pair for pair, may_see in found.items() if may_see} == {
        (owner.session, "match"),
        (owner.session, "port"),
        (owner.session, "rien"),
        (guest.session, "match"),
    }
    assert len(found) == 6
    assert await store.permissions.seeing(set()) == {}


async def test_the_tag_of_a_board_changes_with_every_change(store: Store) -> None:
    """Of unpublished entries too, and only of that live blog's; many boards are asked for at once."""
    await store.liveblogs.create(a_liveblog("port"), NEWSROOM)
    tags = [await store.liveblogs.board_tag("match")]
    draft = await store.entries.create("match", a_draft(), by=NEWSROOM)
    tags.append(await store.liveblogs.board_tag("match"))
    await store.entries.edit("match", draft.entry.id, lambda entry: replace(entry, heading="Autre"), by=NEWSROOM)
    tags.append(await store.liveblogs.board_tag("match"))
    await store.entries.delete("match", draft.entry.id, fine, by=NEWSROOM, at=now())
    tags.append(await store.liveblogs.board_tag("match"))
    await store.entries.create("port", an_entry(), by=NEWSROOM)
    both = await store.liveblogs.board_tags(["match", "port", "rien", "No slug"])
    assert len(set(tags)) == 4
    assert both.keys() == {"match", "port"}
    assert both["match"] == tags[-1]
    with pytest.raises(NotFound):
        await store.liveblogs.board_tag("rien")
