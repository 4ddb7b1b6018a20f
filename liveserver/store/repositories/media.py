"""The queries of pictures: their ids, sizes and texts. The pictures' files aren't in the store."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from liveserver.domain.errors import Gone, NotFound, check_version
from liveserver.domain.ids import ID_PATTERN
from liveserver.domain.media import Media
from liveserver.domain.people.rights import Verb
from liveserver.store import tables
from liveserver.store.chunks import chunks
from liveserver.store.pages import newest_page
from liveserver.store.repositories.idempotency import claim, target_of
from liveserver.store.repositories.people import acts, permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.people.principal import Principal
    from liveserver.store.repositories.idempotency import Idempotency

_t = tables.media
_ID = re.compile(ID_PATTERN, re.ASCII)


def _media(row: RowMapping) -> Media:
    return Media(**row)


def add(connection: Connection, media: Media, by: Principal, *, idempotency: Idempotency | None = None) -> Media:
    """Insert a picture, and return it.

    If an earlier request with the same idempotency key inserted a picture, returns that picture instead.

    Raises Unauthorized or Forbidden if the principal `by` may not add pictures now. Raises KeyReused if a different
    request came with the idempotency key before. Raises Gone if the earlier request's picture was deleted.
    """
    permissions.confirm(connection, by, Verb.WRITE, None, anywhere=True)
    if idempotency is not None and not claim(connection, by, idempotency, media.id, media.created_at):
        return find(connection, target_of(connection, by, idempotency))
    media = replace(media, created_by=by.ref)
    connection.execute(insert(_t).values(asdict(media)))
    acts.record(connection, by, "picture.added", media.created_at, version=1, picture=media.id)
    return media


def find(connection: Connection, media_id: str) -> Media:
    """Return the picture with this id. Raises NotFound if there is none. Raises Gone if the picture was deleted."""
    return _find(connection, media_id)


def _find(connection: Connection, media_id: str, *, lock: bool = False) -> Media:
    """Return the picture with this id. With `lock`, the picture's row is locked until the transaction ends.

    Raises NotFound if there is no such picture. Raises Gone if the picture was deleted.
    """
    if _ID.fullmatch(media_id):
        query = select(_t).where(_t.c.id == media_id)
        row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
        if row is not None:
            media = _media(row)
            if media.deleted_at is not None:
                raise Gone(f"picture {media_id} was deleted")
            return media
    raise NotFound(f"there is no picture {media_id!r}")


def deleted(connection: Connection, digests: Sequence[str]) -> set[str]:
    """Filter the digests of pictures: return those digests whose pictures were deleted."""
    digests_deleted: set[str] = set()
    for chunk in chunks(digests):
        query = select(_t.c.digest).where(_t.c.digest.in_(chunk), _t.c.deleted_at.is_not(None))
        digests_deleted.update(connection.execute(query).scalars())
    return digests_deleted


def size(connection: Connection) -> int:
    """Return the total size in bytes of the pictures that aren't deleted. A picture's size is its largest file's."""
    query = select(func.coalesce(func.sum(_t.c.size), 0)).where(_t.c.deleted_at.is_(None))
    return int(connection.execute(query).scalar_one())


def page(connection: Connection, *, limit: int, cursor: str | None = None) -> tuple[list[Media], str | None]:
    """Return a page of pictures, newest first, and the cursor of the next page (None: no next page).

    Deleted pictures are left out. Raises InvalidInput for a bad cursor.
    """
    query = select(_t).where(_t.c.deleted_at.is_(None))
    return newest_page(connection, query, _t, _media, limit=limit, cursor=cursor)


def edit(connection: Connection, media_id: str, change: Callable[[Media], Media], by: Principal) -> Media:
    """Replace the picture by the result of `change`, and return the new picture.

    `change` is called with the picture as it is now. If `change` returns an equal picture, nothing is written. Raises
    NotFound if there is no such picture. Raises Gone if the picture was deleted. Raises Unauthorized or Forbidden if
    the principal `by` may not change this picture now.
    """
    rights = permissions.confirm(connection, by, Verb.WRITE, None)
    old = _find(connection, media_id, lock=True)
    rights.require(_verb_for(old, by), None)
    new = replace(
        change(old),
        id=old.id,
        version=old.version,
        digest=old.digest,
        created_at=old.created_at,
        created_by=old.created_by,
    )
    if new == old:
        return old
    new = replace(new, version=old.version + 1)
    connection.execute(update(_t).where(_t.c.id == media_id).values(asdict(new)))
    acts.record(connection, by, "picture.changed", new.updated_at, version=new.version, picture=new.id)
    return new


def remove(
    connection: Connection, media_id: str, by: Principal, *, version: EntityVersion | None, at: datetime
) -> None:
    """Replace the picture by a tombstone, which has no texts.

    Raises NotFound if there is no such picture. Raises Gone if the picture was deleted already. Raises VersionConflict
    if `version` isn't the picture's current version (None: any version may be deleted). Raises Unauthorized or
    Forbidden if the principal `by` may not delete this picture now.
    """
    old = confirm_deletion(connection, media_id, by)
    check_version(old, version, old.entity_version.history)
    new = replace(old, version=old.version + 1, alt="", credit=None, updated_at=at, deleted_at=at)
    connection.execute(update(_t).where(_t.c.id == media_id).values(asdict(new)))
    acts.record(connection, by, "picture.deleted", at, version=new.version, picture=media_id)


def confirm_deletion(connection: Connection, media_id: str, by: Principal) -> Media:
    """Return a picture that the principal may delete now. Raises NotFound, Gone, Unauthorized and Forbidden.

    The picture's row is locked until the transaction ends.
    """
    rights = permissions.confirm(connection, by, Verb.WRITE, None)
    media = _find(connection, media_id, lock=True)
    rights.require(_verb_for(media, by), None)
    return media


def _verb_for(media: Media, by: Principal) -> Verb:
    return Verb.WRITE if media.created_by == by.ref else Verb.PUBLISH
