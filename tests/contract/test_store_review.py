"""The steps of a review, and two persons for breaking news, in the store; on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.change import EntryChanged
from liveserver.domain.entry import Correction, EntryStatus, Review, Verification
from liveserver.domain.errors import Conflict, Forbidden, InvalidInput, KeyReused, VersionConflict
from liveserver.domain.ids import new_id
from liveserver.domain.liveblog import TwoPersons
from liveserver.domain.people.principal import SCHEDULE
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from liveserver.store import ApiKey, Idempotency
from liveserver.store.repositories.people.acts import ActFilter
from tests.support.people_samples import joined
from tests.support.principals import NEWSROOM, key_principal
from tests.support.review_samples import actions, asks_for, drafted, published, removal, step, submitted
from tests.support.store_samples import a_liveblog, a_scheduled, an_entry, at

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from liveserver.domain.entry import Entry
    from liveserver.domain.people.principal import Principal
    from liveserver.store import Store


async def test_a_review(store: Store) -> None:
    """Handed in, returned with a reason, handed in again, approved: each with its revision and its act."""
    ada, bob = await joined(store, "Ada"), await joined(store, "Bob", Role.EDITOR)
    entry = await drafted(store, ada)
    first = await store.reviews.submit(step(entry, ada))
    assert (first.entry.status, first.entry.version, first.change) == (EntryStatus.REVIEW, 2, None)
    assert first.entry.review == Review("publish", ada.ref, "Ada", at(9), 2)
    assert (await store.entries.find("match", entry.id))[1] == first.entry
    returned = await store.reviews.give_back(step(entry, bob), "Who says so?")
    review = Review("publish", bob.ref, "Bob", at(9), 3, reason="Who says so?")
    assert (returned.entry.status, returned.entry.review) == (EntryStatus.DRAFT, review)
    edited = await store.entries.edit("match", entry.id, lambda e: replace(e, source="Eve", updated_at=at(5)), by=ada)
    assert edited.entry.review == returned.entry.review, "until it is handed in again"
    again = await store.reviews.submit(step(entry, ada))
    approved = await store.reviews.approve(step(entry, bob, version=again.entry.version))
    assert (approved.entry.status, approved.entry.published_at, approved.entry.review) == ("published", at(9), None)
    assert approved.change == EntryChanged(1, approved.entry)
    revisions, _ = await store.entries.revisions("match", entry.id)
    assert [revision.action for revision in revisions] == [
        *("created", "submitted", "returned", "edited", "submitted", "approved")
    ]
    assert await actions(store, entry) == [f"entry.{revision.action}" for revision in revisions]


async def test_steps_need_their_rights(store: Store) -> None:
    """A reporter hands in and takes back what is their own, and publishes nothing."""
    ada, eve, bob = await joined(store, "Ada"), await joined(store, "Eve"), await joined(store, "Bob", Role.EDITOR)
    viewer = await joined(store, "Vic", Role.VIEWER)
    entry = await submitted(store, ada)
    for refused in (
        store.reviews.approve(step(entry, ada, version=2)),
        store.reviews.give_back(step(entry, ada), "no"),
        store.reviews.withdraw(removal(entry, eve)),
        store.reviews.erase(removal(entry, ada)),
        store.reviews.withdraw(removal(entry, viewer)),
        store.entries.edit("match", entry.id, lambda e: replace(e, status=EntryStatus.PUBLISHED), by=ada),
    ):
        with pytest.raises(Forbidden):
            await refused
    assert (await store.reviews.withdraw(removal(entry, ada))).entry.status is EntryStatus.DRAFT
    with pytest.raises(Forbidden):
        await store.reviews.submit(step(entry, eve))
    await store.reviews.submit(step(entry, bob))


async def test_states_that_a_step_refuses(store: Store) -> None:
    """Nothing is written then."""
    draft, public = await drafted(store, NEWSROOM), await published(store)
    waiting = await submitted(store, NEWSROOM)
    empty = await drafted(store, NEWSROOM, body=" ")
    seq = (await store.liveblogs.find("match")).seq
    for refused in (
        store.reviews.submit(step(public, NEWSROOM)),
        store.reviews.submit(step(waiting, NEWSROOM)),
        store.reviews.approve(step(draft, NEWSROOM)),
        store.reviews.give_back(step(public, NEWSROOM), "x"),
        store.reviews.withdraw(removal(draft, NEWSROOM)),
        store.entries.create("match", replace(draft, status=EntryStatus.REVIEW, id=new_id()), by=NEWSROOM),
        store.entries.edit("match", draft.id, lambda e: replace(e, status=EntryStatus.REVIEW), by=NEWSROOM),
    ):
        with pytest.raises(Conflict):
            await refused
    for bad in (
        store.reviews.submit(step(empty, NEWSROOM)),
        store.reviews.submit(step(draft, NEWSROOM), publish_at=at(9)),
        store.entries.create("match", an_entry(body=""), by=NEWSROOM),
        store.entries.edit("match", public.id, lambda e: replace(e, body=""), by=NEWSROOM),
    ):
        with pytest.raises(InvalidInput):
            await bad
    with pytest.raises(VersionConflict):
        await store.reviews.submit(step(draft, NEWSROOM, version=2))
    assert (await store.liveblogs.find("match")).seq == seq
    assert (await store.entries.create("match", an_entry(body="", heading="Flash"), by=NEWSROOM)).change is not None


async def test_what_is_handed_in_for_later_is_scheduled(store: Store) -> None:
    entry = await drafted(store, NEWSROOM)
    await store.reviews.submit(step(entry, NEWSROOM), publish_at=at(60))
    approved = await store.reviews.approve(step(entry, NEWSROOM, version=2))
    assert (approved.entry.status, approved.entry.publish_at, approved.change) == ("scheduled", at(60), None)
    assert (await store.entries.scheduled(limit=9))[0].publish_at == at(60)


async def test_an_approval_against_an_edit(store: Store, other: Store) -> None:
    """In either order: either the text that the approver has read is published, or nothing is."""
    ada, bob = await joined(store, "Ada"), await joined(store, "Bob", Role.EDITOR)
    for _ in range(8):
        entry = await submitted(store, ada)
        approval: object
        edit: object
        approval, edit = await asyncio.gather(
            store.reviews.approve(step(entry, bob, version=2)),
            other.entries.edit("match", entry.id, lambda e: replace(e, body="<p>else</p>"), by=ada),
            return_exceptions=True,
        )
        _, found = await store.entries.find("match", entry.id)
        if isinstance(approval, BaseException):
            assert isinstance(approval, VersionConflict)
            assert (found.status, found.body) == (EntryStatus.REVIEW, "<p>else</p>")
        else:
            assert isinstance(edit, Forbidden), "it isn't the reporter's any more"
            assert (found.status, found.body) == (EntryStatus.PUBLISHED, entry.body)


async def test_two_approvals_at_once(store: Store, other: Store) -> None:
    """One publishes it, with one seq; the other learns that it isn't that version any more."""
    ada, bob = await joined(store, "Ada"), await joined(store, "Bob", Role.EDITOR)
    eve = await joined(store, "Eve", Role.EDITOR)
    entry = await submitted(store, ada)
    answers = await asyncio.gather(
        store.reviews.approve(step(entry, bob, version=2)),
        other.reviews.approve(step(entry, eve, version=2)),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["VersionConflict", "Written"]
    assert (await store.liveblogs.find("match")).seq == 1


async def test_a_repeated_step_is_done_once(store: Store) -> None:
    """It is answered with the entry as it is; another request with the key is refused."""
    entry, keys = await drafted(store, NEWSROOM), [Idempotency(f"k{number}", "hash") for number in range(4)]
    first = await store.reviews.submit(step(entry, NEWSROOM, key=keys[0]))
    again = await store.reviews.submit(step(entry, NEWSROOM, key=keys[0]))
    assert (again.entry, again.replayed) == (first.entry, True)
    with pytest.raises(KeyReused):
        await store.reviews.submit(step(entry, NEWSROOM, key=Idempotency("k0", "another")))
    await store.reviews.give_back(step(entry, NEWSROOM, key=keys[1]), "x")
    assert (await store.reviews.give_back(step(entry, NEWSROOM, key=keys[1]), "x")).replayed
    await store.reviews.submit(step(entry, NEWSROOM))
    await store.reviews.approve(step(entry, NEWSROOM, version=4, key=keys[2]))
    assert (await store.reviews.approve(step(entry, NEWSROOM, version=4, key=keys[2]))).entry.version == 5
    await store.reviews.withdraw(removal(entry, NEWSROOM, key=keys[3]))
    last = await store.reviews.withdraw(removal(entry, NEWSROOM, key=keys[3]))
    assert (last.entry.status, last.replayed, last.change) == (EntryStatus.DRAFT, True, None)
    assert (await store.liveblogs.find("match")).seq == 2


async def test_breaking_news_needs_two_persons(store: Store) -> None:
    """None of the ways to publish it alone is open; another person approves it."""
    await asks_for(store, TwoPersons.BREAKING)
    ada, bob = await joined(store, "Ada", Role.EDITOR), await joined(store, "Bob", Role.EDITOR)
    eve = await joined(store, "Eve", Role.EDITOR)
    draft = await drafted(store, ada, breaking=True)
    plain = (await store.entries.create("match", an_entry(), by=ada)).entry

    def publish(entry: Entry) -> Entry:
        return replace(entry, status=EntryStatus.PUBLISHED, published_at=at(1))

    for refused in (
        store.entries.create("match", an_entry(breaking=True), by=ada),
        store.entries.create("match", a_scheduled(at(60), breaking=True), by=ada),
        store.entries.edit("match", draft.id, publish, by=ada),
        store.entries.edit("match", plain.id, lambda e: replace(e, breaking=True), by=ada),
    ):
        with pytest.raises(Conflict, match="two persons"):
            await refused
    entry = (await store.reviews.submit(step(draft, ada))).entry
    with pytest.raises(Conflict, match="somebody else"):
        await store.reviews.approve(step(entry, ada, version=2))
    with pytest.raises(Conflict, match="two persons"):
        await store.entries.edit("match", entry.id, publish, by=bob)
    # Somebody who has edited it since isn't the second person.
    await store.entries.edit("match", entry.id, lambda e: replace(e, body="<p>2</p>"), by=bob)
    await store.entries.edit("match", entry.id, lambda e: replace(e, tags=("x",)), by=ada)
    with pytest.raises(Conflict, match="somebody else"):
        await store.reviews.approve(step(entry, bob, version=4))
    assert (await store.reviews.approve(step(entry, eve, version=4))).entry.status is EntryStatus.PUBLISHED


async def test_nobody_approves_what_they_wrote_before_it_was_handed_in(store: Store) -> None:
    """Not an editor who rewrote a reporter's draft either. Returning it with a reason is no writing."""
    await asks_for(store, TwoPersons.BREAKING)
    ada, bob = await joined(store, "Ada"), await joined(store, "Bob", Role.EDITOR)
    eve = await joined(store, "Eve", Role.EDITOR)
    draft = await drafted(store, ada, breaking=True)
    await store.entries.edit("match", draft.id, lambda e: replace(e, body="<p>Bob's</p>"), by=bob)
    await store.reviews.submit(step(draft, ada, version=2))
    with pytest.raises(Conflict, match="somebody else"):
        await store.reviews.approve(step(draft, bob, version=3))
    await store.reviews.give_back(step(draft, eve), "Who says so?")
    await store.reviews.submit(step(draft, ada, version=4))
    with pytest.raises(Conflict, match="somebody else"):
        await store.reviews.approve(step(draft, bob, version=5))
    assert (await store.reviews.approve(step(draft, eve, version=5))).change is not None


@pytest.mark.parametrize("later", [False, True])
async def test_a_new_round_begins_once_an_entry_was_outgoing(store: Store, later: bool) -> None:
    """The versions since its withdrawal count; a withdrawal from review takes nothing out of the count."""
    await asks_for(store, TwoPersons.BREAKING)
    ada, bob = await joined(store, "Ada", Role.EDITOR), await joined(store, "Bob", Role.EDITOR)
    draft = await drafted(store, ada, breaking=True)
    await store.reviews.submit(step(draft, ada))
    await store.reviews.withdraw(removal(draft, bob))
    await store.reviews.submit(step(draft, bob, version=3), publish_at=at(60) if later else None)
    with pytest.raises(Conflict, match="somebody else"):
        await store.reviews.approve(step(draft, ada, version=4))
    eve = await joined(store, "Eve", Role.EDITOR)
    out = (await store.reviews.approve(step(draft, eve, version=4))).entry
    assert out.status is (EntryStatus.SCHEDULED if later else EntryStatus.PUBLISHED)
    await store.reviews.withdraw(removal(draft, bob))
    await store.reviews.submit(step(draft, bob, version=6))
    with pytest.raises(Conflict, match="somebody else"):
        await store.reviews.approve(step(draft, bob, version=7))
    assert (await store.reviews.approve(step(draft, ada, version=7))).change is not None


async def test_no_key_approves_breaking_news(store: Store) -> None:
    """It approves other entries."""
    await store.keys.add(ApiKey("robot", "robot", "0" * 64, frozenset({"publish"}), at(0), None, None), NEWSROOM)
    robot, ada = key_principal("robot"), await joined(store, "Ada")
    await asks_for(store, TwoPersons.BREAKING)
    breaking, other = await submitted(store, ada, breaking=True), await submitted(store, ada)
    with pytest.raises(Conflict, match="signed in"):
        await store.reviews.approve(step(breaking, robot, version=2))
    assert (await store.reviews.approve(step(other, robot, version=2))).change is not None


async def test_breaking_news_is_corrected_alone_without_its_label(store: Store) -> None:
    """At once; other fields may change beside the label."""
    entry = await published(store, breaking=True)
    ada = await joined(store, "Ada", Role.EDITOR)
    await asks_for(store, TwoPersons.BREAKING)
    for change in (
        lambda e: replace(e, body="2"),
        lambda e: replace(e, heading="2"),
        lambda e: replace(e, verification=Verification.CONFIRMED),
        lambda e: replace(e, source="AFP"),
        lambda e: replace(e, corrections=(Correction(at(5), "Il est en vie."),)),
    ):
        with pytest.raises(Conflict, match="two persons"):
            await store.entries.edit("match", entry.id, change, by=ada)
    await store.entries.edit("match", entry.id, lambda e: replace(e, pinned=True), by=ada)
    edited = await store.entries.edit("match", entry.id, lambda e: replace(e, body="2", breaking=False), by=ada)
    assert (edited.entry.body, edited.entry.breaking) == ("2", False)


async def test_what_is_scheduled_counts_as_published(store: Store) -> None:
    """It was approved; but the rule can't begin while one person's breaking news waits for its time."""
    entry = (await store.entries.create("match", a_scheduled(at(60), breaking=True), by=NEWSROOM)).entry
    with pytest.raises(Conflict, match="scheduled"):
        await asks_for(store, TwoPersons.BREAKING)
    await store.reviews.withdraw(removal(entry, NEWSROOM))
    await asks_for(store, TwoPersons.BREAKING)
    ada, bob = await joined(store, "Ada", Role.EDITOR), await joined(store, "Bob", Role.EDITOR)
    await store.reviews.submit(step(entry, ada), publish_at=at(60))
    await store.reviews.approve(step(entry, bob, version=3))
    with pytest.raises(Conflict, match="two persons"):
        await store.entries.edit("match", entry.id, lambda e: replace(e, body="else"), by=ada)

    def publish(due: Entry) -> Entry:
        return replace(due, status=EntryStatus.PUBLISHED, published_at=at(60), publish_at=None)

    # The time was approved, too.
    for change in (publish, lambda e: replace(e, publish_at=at(59)), lambda e: replace(e, publish_at=at(61))):
        with pytest.raises(Conflict, match="for this time"):
            await store.entries.edit("match", entry.id, change, by=bob)
    assert (await store.entries.edit("match", entry.id, publish, by=SCHEDULE)).change is not None


async def test_an_owner_of_the_site_takes_a_rule_away(store: Store) -> None:
    """Nobody else: not the editor who opened the live blog, not an owner there, and no key. The act has the rules."""
    scopes = frozenset({"publish", "manage"})
    await store.keys.add(ApiKey("robot", "robot", "0" * 64, scopes, at(0), None, None), NEWSROOM)
    bob = await joined(store, "Bob", Role.EDITOR)
    await store.liveblogs.create(a_liveblog("own"), bob)
    eve = await joined(store, "Eve", Role.EDITOR, Membership("own", Role.OWNER))
    ada = await joined(store, "Ada", Role.OWNER)
    checked: list[bool] = []

    def rules(by: Principal, *kinds: TwoPersons) -> Awaitable[object]:
        change = partial(replace, two_persons=kinds)
        return store.liveblogs.edit("own", change, by, check_loosening=lambda: checked.append(True))

    both = (TwoPersons.BREAKING, TwoPersons.TAKEDOWNS)
    await rules(bob, TwoPersons.BREAKING)
    await rules(key_principal("robot"), *both)
    assert not checked
    for refused in (bob, eve, key_principal("robot")):
        for kinds in ((), (TwoPersons.TAKEDOWNS,), (TwoPersons.BREAKING, TwoPersons.ALERTS)):
            with pytest.raises(Forbidden):
                await rules(refused, *kinds)
    assert not checked

    def refuse() -> None:
        raise Conflict("prove it")

    with pytest.raises(Conflict, match="prove it"):
        await store.liveblogs.edit("own", lambda b: replace(b, two_persons=()), ada, check_loosening=refuse)
    assert (await store.liveblogs.find("own")).two_persons == both
    await rules(ada, TwoPersons.TAKEDOWNS)
    assert checked == [True]
    act = max((await store.acts.page(ActFilter(liveblog="own"), limit=50))[0], key=lambda act: act.id)
    assert (act.action, act.principal_id) == ("liveblog.changed", ada.id)
    assert act.details == {
        "changed": ["two_persons"],
        "two_persons": ["takedowns"],
        "two_persons_before": ["breaking", "takedowns"],
    }
