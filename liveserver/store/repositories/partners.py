"""The queries for partners, and for live blogs whose embedding is restricted."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from liveserver.domain.errors import Conflict, NotFound, check_version
from liveserver.domain.ids import PARTNER_ID
from liveserver.domain.partner import Attribution, Partner
from liveserver.domain.people.principal import PrincipalKind
from liveserver.domain.people.rights import Verb, allowed
from liveserver.store import tables
from liveserver.store.cursors import SortKey
from liveserver.store.mappers import embedding_from
from liveserver.store.pages import newest_page
from liveserver.store.repositories.people import acts, permissions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.liveblog import EmbedPolicy
    from liveserver.domain.people.principal import Principal
    from liveserver.store.mappers import Values

_t = tables.partners
_l = tables.liveblogs

PARTNERS_MAX = 1_000
"""The greatest number of partners. Every process has all partners in memory, and reads all of them from the store
again every second or two."""

_EVERY = select(_t)
_RESTRICTED = select(_l.c.slug, _l.c.embedding).where(_l.c.embedding.is_not(None))


class Rules(NamedTuple):
    """All rules that say who may embed which live blogs, as of one moment."""

    partners: dict[str, Partner]
    """All partners, by id."""
    restricted: dict[str, EmbedPolicy]
    """The embed policies of the live blogs that not everyone may embed, by slug."""


def rules(connection: Connection) -> Rules:
    """Return all partners, and, by slug, the embed policies of all live blogs that not everyone may embed."""
    partners = [_partner(row) for row in connection.execute(_EVERY).mappings()]
    restricted = {slug: embedding_from(document) for slug, document in connection.execute(_RESTRICTED)}
    return Rules({partner.id: partner for partner in partners}, restricted)


def add(connection: Connection, partner: Partner, by: Principal) -> Partner:
    """Insert a partner, with version 1, and return it. Raises Conflict if there are PARTNERS_MAX partners already.

    Raises Unauthorized or Forbidden if the principal `by` may not add this partner now.
    """
    _confirm(connection, by, partner)
    if connection.execute(select(func.count()).select_from(_t)).scalar_one() >= PARTNERS_MAX:
        raise Conflict(f"there are {PARTNERS_MAX} partners, as many as there may be: remove one")
    partner = replace(partner, version=1)
    connection.execute(insert(_t).values(_values(partner)))
    acts.record(
        connection, by, "partner.created", partner.created_at, version=1, partner=partner.id, partner_name=partner.name
    )
    return partner


def _confirm(connection: Connection, by: Principal, partner: Partner, *, lock: bool = True) -> None:
    """Check that a principal may add, change or delete this partner. Raises Unauthorized or Forbidden.

    The principal needs the verb `partners`. If the partner may show only certain live blogs, a user may instead have
    `manage` for all these live blogs. `lock`: False in a transaction that only reads.
    """
    rights = permissions.rights_of(connection, by, None, lock=lock)
    if by.kind is PrincipalKind.USER and partner.liveblogs and not allowed(rights, Verb.PARTNERS, None):
        for slug in partner.liveblogs:
            permissions.rights_of(connection, by, slug, lock=lock).require(Verb.MANAGE, slug)
        return
    rights.require(Verb.PARTNERS, None)


def find(connection: Connection, partner_id: str) -> Partner:
    """Return the partner with this id. Raises NotFound if there is none."""
    return _find(connection, partner_id)


def _find(connection: Connection, partner_id: str, *, lock: bool = False) -> Partner:
    """Return the partner with this id. With `lock`, its row is locked until the transaction ends. Raises NotFound."""
    if PARTNER_ID.fullmatch(partner_id):
        query = select(_t).where(_t.c.id == partner_id)
        row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
        if row is not None:
            return _partner(row)
    raise NotFound(f"there is no partner {partner_id!r}")


def page(connection: Connection, *, limit: int, cursor: str | None = None) -> tuple[list[Partner], str | None]:
    """Return a page of partners, newest first, and the cursor of the next page (None: no next page).

    Raises InvalidInput for a bad cursor.
    """
    return newest_page(connection, _EVERY, _t, _partner, limit=limit, cursor=cursor)


def find_for(connection: Connection, partner_id: str, by: Principal) -> Partner:
    """Return the partner with this id, if a principal may change it now. Raises NotFound if there is none.

    Raises Unauthorized or Forbidden if the principal may not change it.
    """
    partner = _find(connection, partner_id)
    _confirm(connection, by, partner, lock=False)
    return partner


def page_for(
    connection: Connection, by: Principal, *, limit: int, cursor: str | None = None
) -> tuple[list[Partner], str | None]:
    """Return a page of the partners that a principal may change now, in the order and with the cursor of `page`.

    Raises Unauthorized. Raises Forbidden if the principal lacks the verb `partners`, unless it is a user who may manage
    a live blog. Raises InvalidInput for a bad cursor.
    """
    rights = permissions.rights_of(connection, by, None)
    if by.kind is PrincipalKind.USER and not allowed(rights, Verb.PARTNERS, None):
        managed = permissions.managed(connection, by.id)
        if managed:
            # All partners are read: there are at most PARTNERS_MAX.
            every = (_partner(row) for row in connection.execute(_EVERY).mappings())
            mine = [partner for partner in every if partner.liveblogs and managed.issuperset(partner.liveblogs)]
            return _page_of(mine, limit=limit, cursor=cursor)
    rights.require(Verb.PARTNERS, None)
    return page(connection, limit=limit, cursor=cursor)


def _page_of(partners: list[Partner], *, limit: int, cursor: str | None) -> tuple[list[Partner], str | None]:
    """Return a page of these partners, in the order of `page`, and the cursor of the next page."""
    keys = {SortKey(partner.created_at, partner.id): partner for partner in partners}
    after = None if cursor is None else SortKey.parse(cursor)
    rest = [key for key in sorted(keys, reverse=True) if after is None or key < after]
    return [keys[key] for key in rest[:limit]], rest[limit - 1].cursor() if len(rest) > limit else None


def edit(connection: Connection, partner_id: str, change: Callable[[Partner], Partner], by: Principal) -> Partner:
    """Replace the partner by the result of `change`, and return the new partner. Raises NotFound.

    `change` is called with the partner as it is now. If `change` returns an equal partner, nothing is written. Raises
    Unauthorized or Forbidden if the principal `by` may not change this partner now.
    """
    old = _find(connection, partner_id, lock=True)
    _confirm(connection, by, old)
    new = replace(change(old), id=old.id, version=old.version, created_at=old.created_at)
    if new == old:
        return old
    _confirm(connection, by, new)
    new = replace(new, version=old.version + 1)
    connection.execute(update(_t).where(_t.c.id == partner_id).values(_values(new)))
    acts.record(
        connection,
        by,
        "partner.changed",
        new.updated_at,
        version=new.version,
        partner=new.id,
        partner_name=new.name,
        changed=changed(old, new),
    )
    return new


def changed(old: Partner, new: Partner) -> list[str]:
    """Return the names of the fields in which two states of a partner differ, except `version` and `updated_at`."""
    names = [field.name for field in fields(old) if field.name not in {"version", "updated_at"}]
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def remove(
    connection: Connection, partner_id: str, by: Principal, at: datetime, *, version: EntityVersion | None
) -> None:
    """Delete a partner. Raises NotFound.

    Raises Unauthorized or Forbidden if the principal `by` may not delete this partner now.
    Raises VersionConflict if `version` isn't the partner's current version (None: any version is deleted).
    """
    old = _find(connection, partner_id, lock=True)
    _confirm(connection, by, old)
    check_version(old, version, old.entity_version.history)
    connection.execute(delete(_t).where(_t.c.id == partner_id))
    acts.record(connection, by, "partner.deleted", at, partner=partner_id, partner_name=old.name)


def _partner(row: RowMapping) -> Partner:
    attribution = row["attribution"]
    return Partner(
        id=row["id"],
        name=row["name"],
        origins=tuple(row["origins"]),
        liveblogs=tuple(row["liveblogs"]),
        tags=tuple(row["tags"]),
        delay=row["delay"],
        expires_at=row["expires_at"],
        enabled=row["enabled"],
        theme=row["theme"],
        attribution=Attribution(**attribution) if attribution else None,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )


def _values(partner: Partner) -> Values:
    return {
        "id": partner.id,
        "name": partner.name,
        "origins": list(partner.origins),
        "liveblogs": list(partner.liveblogs),
        "tags": list(partner.tags),
        "delay": partner.delay,
        "expires_at": partner.expires_at,
        "enabled": partner.enabled,
        "theme": dict(partner.theme),
        "attribution": partner.attribution._asdict() if partner.attribution else None,
        "created_at": partner.created_at,
        "updated_at": partner.updated_at,
        "version": partner.version,
    }
