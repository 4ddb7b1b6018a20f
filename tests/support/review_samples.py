"""Drafts, entries in review, and the steps that are taken with them, for tests of the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from liveserver.domain.ids import EntityVersion
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.review.removals import Removal
from liveserver.store.repositories.review.steps import Step
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_draft, an_entry, at

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import TwoPersons
    from liveserver.domain.people.principal import Principal
    from liveserver.store import Idempotency, Store


def step(entry: Entry, by: Principal, *, version: int | None = None, key: Idempotency | None = None) -> Step:
    """A step of the entry's review."""
    return Step("match", entry.id, by, at(9), EntityVersion(version) if version else None, key)


def removal(entry: Entry, by: Principal, *, version: int | None = None, key: Idempotency | None = None) -> Removal:
    """A takedown of the entry."""
    return Removal("match", entry.id, by, at(20), EntityVersion(version) if version else None, key)


async def asks_for(store: Store, *kinds: TwoPersons) -> None:
    """The live blog asks for two persons."""
    await store.liveblogs.edit("match", lambda b: replace(b, two_persons=kinds), NEWSROOM)


async def drafted(store: Store, by: Principal, **fields: Any) -> Entry:
    """A draft of somebody."""
    return (await store.entries.create("match", a_draft(**fields), by=by)).entry


async def submitted(store: Store, by: Principal, **fields: Any) -> Entry:
    """An entry that was handed in."""
    return (await store.reviews.submit(step(await drafted(store, by, **fields), by))).entry


async def published(store: Store, **fields: Any) -> Entry:
    """A published entry."""
    return (await store.entries.create("match", an_entry(**fields), by=NEWSROOM)).entry


async def actions(store: Store, entry: Entry) -> list[str]:
    """The actions on the entry in the audit log, in the order of recording: the acts' own times are the tests'."""
    acts, _ = await store.acts.page(ActFilter(entry_id=entry.id), limit=100)
    return [act.action for act in sorted(acts, key=lambda act: act.id)]
