"""A store with everything that a backup has to hold, and all that anybody can read of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from liveserver.domain.audience import ConfirmationCounts, ReachHour, Takedown
from liveserver.domain.change import EntryDeleted, Position
from liveserver.domain.entry import Correction, EntryStatus, Verification, Via
from liveserver.domain.ids import EntityVersion, new_id
from liveserver.domain.liveblog import EmbedPolicy, LiveblogStatus
from liveserver.domain.partner import Attribution
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from liveserver.store import ApiKey, Hold, Idempotency, Incoming, ReachLink, Store
from liveserver.store.backup.dump import backup
from liveserver.store.repositories.people.credentials import Credential, NewPasskey
from tests.support.people_samples import a_user, invited, joined
from tests.support.principals import NEWSROOM, named
from tests.support.store_samples import (
    TYPOGRAPHY,
    a_draft,
    a_liveblog,
    a_partner,
    a_picture,
    a_scheduled,
    a_source,
    an_entry,
    at,
    fine,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Executable

    from liveserver.store.backup.archive import Manifest

LINK = ReachLink("vote", "key:abc", at(0), at(99))
KEY = ApiKey("abc", "Rédaction", "0" * 64, frozenset({"publish", "manage"}), at(0), at(99), None)
REQUEST = Idempotency("retry", "hash")


async def back_up(url: str, path: Path) -> Manifest:
    with await asyncio.to_thread(path.open, "wb") as file:
        return await backup(url, file)


def execute(connection: Connection, statement: Executable) -> list[Any]:
    """A transaction of one statement; its rows."""
    result: Any = connection.execute(statement)
    return list(result) if result.returns_rows else []


async def query(store: Store, statement: str) -> list[Any]:
    return await store._database.read(execute, text(statement))


async def fill(store: Store) -> None:
    """Everything there is to have: states, fields, texts, deleted things, keys."""
    await store.liveblogs.create(
        a_liveblog("vote", title=TYPOGRAPHY, summary=TYPOGRAPHY, created_at=at(0.123456)), NEWSROOM
    )
    ended, nobody = LiveblogStatus.ENDED, EmbedPolicy("nobody")
    await store.liveblogs.edit(
        "vote", lambda b: replace(b, status=ended, embedding=nobody, updated_at=at(50)), NEWSROOM
    )
    full = an_entry(
        at(0.987),
        heading=TYPOGRAPHY,
        body=TYPOGRAPHY,
        authors=("Anna", "Zoé"),
        tags=("mer", TYPOGRAPHY),
        key_event=True,
        pinned=True,
        breaking=True,
        verification=Verification.CLAIMED,
        source=TYPOGRAPHY,
        corrections=(Correction(at(3), TYPOGRAPHY),),
    )
    await store.entries.create("match", full, by=named(TYPOGRAPHY), idempotency=REQUEST)
    entries = [(await store.entries.create("match", an_entry(at(n)), by=NEWSROOM)).entry for n in range(7)]
    await store.sources.add(a_source(), NEWSROOM)
    await store.sources.hold("node", at(0), timedelta(seconds=5))
    taken = Incoming(new_id(), 3, an_entry(at(7), id="", via=Via(TYPOGRAPHY, "https://there.example/live/x")))
    hold = Hold(a_source().id, "node", None)
    await store.sources.take_over("match", hold, Position("k3f9x2ab", 3), taken, by=named("via there"), at=at(7))
    await store.entries.edit("match", entries[2].id, lambda e: replace(e, body="2", updated_at=at(9)), by=named("bob"))
    deletion = (await store.entries.delete("match", entries[3].id, fine, by=named("bob"), at=at(10))).change
    assert deletion is not None
    await store.takedowns.keep(
        Takedown(entries[3].id, deletion.seq, at(10), at(11), {"": ConfirmationCounts(3, 1, 2, 1)})
    )
    await store.reach.add([("vote", ReachHour("p_a", at(3600), 4, 5, 6))])
    await store.entries.create("match", a_draft(body="draft"), by=NEWSROOM)
    await store.entries.create("match", a_scheduled(at(3600)), by=NEWSROOM)
    await store.media.add(a_picture(), NEWSROOM)
    deleted = await store.media.add(a_picture(at(1)), NEWSROOM)
    await store.media.delete(deleted.id, NEWSROOM, version=EntityVersion(1), at=at(12))
    await store.partners.add(
        a_partner(attribution=Attribution(TYPOGRAPHY, "https://a.example/"), expires_at=at(99)), NEWSROOM
    )
    await store.keys.add(replace(KEY, liveblogs=frozenset({"vote"})), NEWSROOM)
    await store.reach.add_link("0" * 64, LINK, NEWSROOM)
    zoe = await joined(store, TYPOGRAPHY[:20], Role.REPORTER, Membership("vote", Role.EDITOR))
    await store.credentials.change(zoe, Credential(passkey=NewPasskey("id", "key", 0, TYPOGRAPHY)), at(13))
    await invited(store, a_user("Nadia", Role.OWNER), "token")


async def seen(store: Store) -> dict[str, Any]:
    """All that anybody can read, but the epochs."""

    def plain(value: Any) -> Any:
        """Without the epochs, wherever a live blog stands."""
        if hasattr(value, "epoch"):
            return replace(value, epoch="")
        if hasattr(value, "_replace"):
            return value._replace(**{name: plain(part) for name, part in value._asdict().items()})
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value

    found: dict[str, Any] = {
        "liveblogs": plain(await store.liveblogs.page(limit=9)),
        "keys": await store.keys.all(),
        "users": await store.users.all(),
        "passkeys": [await store.credentials.passkeys(user.id) for user in await store.users.all()],
        "link": await store.reach.find_link("0" * 64),
        "media": await store.media.page(limit=9),
        "rules": await store.partners.rules(),
        "scheduled": await store.entries.scheduled(limit=9),
        "source": await store.sources.find("match", at(9999)),
        "copies": await store.sources.copies("match"),
    }
    for liveblog in (await store.liveblogs.page(limit=9))[0]:
        slug = liveblog.slug
        changes = await store.changes.after(slug, 0, limit=999)
        page = await store.entries.page(slug, limit=999, statuses=set(EntryStatus))
        found[slug] = {
            "snapshot": plain(await store.liveblogs.snapshot(slug, limit=5)),
            "changes": plain(changes),
            "entries": plain(page),
            "reach": await store.reach.find(slug, at(-9999), at(9999)),
            "revisions": [(await store.entries.revisions(slug, entry.id))[0] for entry in page.items],
            "takedowns": [await store.takedowns.find(slug, c.id) for c in changes.items if isinstance(c, EntryDeleted)],
        }
    return found
