"""The groups of queries about other parties: partners that embed us, sources that we follow, and API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories import partners, sources
from liveserver.store.repositories.people import api_key_changes, api_keys
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.partner import Partner
    from liveserver.domain.people.principal import Principal
    from liveserver.domain.source import Source
    from liveserver.store.repositories.people.api_keys import ApiKey


class Partners(QueryGroup):
    """The queries of partners. Each change is recorded in the audit log."""

    async def add(self, partner: Partner, by: Principal) -> Partner:
        """Insert a partner, with version 1, and return it. Raises Conflict if there are PARTNERS_MAX already.

        Raises Unauthorized or Forbidden if the principal `by` may not add this partner now.
        """
        return await self._commit(
            self._database.write(partners.add, partner, by),
            lambda added: audit_log.done("partner.created", partner=added.id, name=added.name),
        )

    find = Read(partners.find)

    find_for = Read(partners.find_for)

    page = Read(partners.page)

    page_for = Read(partners.page_for)
    """Return a page as `page` does, of the partners that the principal `by` may change now.

    Raises Unauthorized if the principal's session or API key isn't valid, and Forbidden if the principal may manage no
    live blog. Raises InvalidInput for a bad cursor.
    """

    async def edit(self, partner_id: str, edit: Callable[[Partner], Partner], by: Principal) -> Partner:
        """Replace the partner by the result of a function, as `Entries.edit` does, and return it. Raises NotFound.

        Raises Unauthorized or Forbidden if the principal `by` may not change this partner now.
        """
        before: list[Partner] = []

        def edit_noting_old(old: Partner) -> Partner:
            before[:] = [old]
            return edit(old)

        def record(new: Partner) -> None:
            if changed := partners.changed(before[0], new):
                audit_log.done("partner.edited", partner=new.id, name=new.name, version=new.version, changed=changed)

        return await self._commit(self._database.write(partners.edit, partner_id, edit_noting_old, by), record)

    async def delete(self, partner_id: str, by: Principal, at: datetime, *, version: EntityVersion | None) -> None:
        """Delete the partner. Raises NotFound.

        Raises Unauthorized or Forbidden if the principal `by` may not delete this partner now.
        Raises VersionConflict if `version` isn't the partner's current version (None: any version is deleted).
        """
        await self._commit(
            self._database.write(partners.remove, partner_id, by, at, version=version),
            lambda _: audit_log.done("partner.deleted", partner=partner_id),
        )

    rules = Read(partners.rules)


class Sources(QueryGroup):
    """The queries of sources. A source is a live blog of another server that one of our live blogs follows.

    A server process must hold a source to follow it. At any time, at most one process holds a source.
    """

    add = Write(sources.add)

    find = Read(sources.find)

    remove = Write(sources.remove)
    """Delete the source of a live blog. The entries that were copied from the source stay.

    Raises NotFound if there is no such live blog, or if the live blog follows no source.
    """

    async def hold(self, holder: str, at: datetime, lease: timedelta) -> list[Source]:
        """Let the process `holder` hold its present sources and all free sources until `at` plus `lease`.

        A source is free if no process holds it at the time `at`. Returns all sources that `holder` holds now.
        """
        if not await self._database.read(sources.exist):
            return []
        return await self._database.write(sources.hold, holder, at, lease)

    async def release(self, holder: str) -> None:
        """Free all sources that the process `holder` holds, so that another process can hold them."""
        if await self._database.read(sources.exist):
            await self._database.write(sources.release, holder)

    note = Write(sources.note)

    take_over = Write(sources.take)

    move = Write(sources.move)
    """Record a new position up to which the source's changes are in our store. No entry is written.

    Raises NotHeld as `take_over` does.
    """

    copies = Read(sources.copies)


class ApiKeys(QueryGroup):
    """The queries of API keys. The store has hashes of the secrets. Each change is recorded in the audit log."""

    async def add(self, key: ApiKey, by: Principal) -> None:
        """Insert an API key. Raises NotFound if the key is limited to a live blog that doesn't exist.

        Raises Unauthorized or Forbidden if the principal `by` may not make keys now.
        """
        limited = {"liveblogs": sorted(key.liveblogs)} if key.liveblogs else {}
        expires = {"expires_at": key.expires_at.isoformat()} if key.expires_at else {}
        fields = {"key": key.id, "name": key.name, "scopes": sorted(key.scopes), **limited, **expires}
        await self._commit(
            self._database.write(api_key_changes.add, key, by), lambda _: audit_log.done("key.created", **fields)
        )

    all = Read(api_keys.every)

    page = Read(api_keys.page)

    find = Read(api_keys.find)

    find_many = Read(api_keys.find_any)

    async def revoke(self, key_id: str, at: datetime, by: Principal) -> None:
        """Mark an API key as revoked at the time `at`. Raises NotFound.

        Raises Unauthorized or Forbidden if the principal `by` may not revoke keys now.

        A key that is revoked already keeps the time of its first revocation.
        """
        await self._commit(
            self._database.write(api_key_changes.revoke, key_id, at, by),
            lambda _: audit_log.done("key.revoked", key=key_id),
        )
