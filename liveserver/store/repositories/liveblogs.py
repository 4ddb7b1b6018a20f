"""The queries of live blogs themselves. The queries of their entries are in other modules."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, func, insert, literal, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from liveserver.domain.change import LiveblogChanged, Position
from liveserver.domain.entry import EntryStatus
from liveserver.domain.errors import Conflict, NotFound
from liveserver.domain.ids import SLUG_MAX, SLUG_PATTERN
from liveserver.domain.liveblog import TwoPersons
from liveserver.domain.people.rights import Verb
from liveserver.domain.snapshot import Listing
from liveserver.store import tables
from liveserver.store.chunks import chunks
from liveserver.store.cursors import SortKey, bad_cursor
from liveserver.store.mappers import liveblog_from, liveblog_values
from liveserver.store.repositories import change_times
from liveserver.store.repositories.people import acts, permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from sqlalchemy import Connection, Executable, RowMapping, Select

    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.people.principal import Principal

_t = tables.liveblogs
_SLUG = re.compile(SLUG_PATTERN)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)

# These statements are made once: making one takes longer than SQLite needs to execute it.
_FIND = select(_t).where(_t.c.slug == bindparam("slug"))
# Locks with FOR NO KEY UPDATE, not with FOR UPDATE: the latter would also block transactions that insert drafts, which
# only refer to the live blog's row.
_FIND_LOCKED = _FIND.with_for_update(key_share=True)
_INSERT = insert(_t)
_POSITIONS = select(_t.c.slug, _t.c.epoch, _t.c.seq)
_BOARD_TAGS = select(_t.c.slug, _t.c.epoch, _t.c.version, _t.c.work)

# `_last` is the entry that changed last: its seq is the live blog's seq. If the live blog's own fields changed last,
# there is no such entry.
_last = tables.entries.alias("last")
_any = tables.entries.alias("any")
# Later edits of an entry that was withdrawn are nothing that readers see.
_changed_at = func.coalesce(_last.c.withdrawn_at, _last.c.updated_at, _t.c.updated_at)
_began_at = (
    select(func.min(_any.c.sort_at))
    .where(_any.c.liveblog_id == _t.c.id, _any.c.status == EntryStatus.PUBLISHED.value)
    .scalar_subquery()
)
_LISTINGS: Select[Any] = select(_t, _began_at.label("began_at"), _changed_at.label("changed_at")).outerjoin(
    _last, and_(_last.c.liveblog_id == _t.c.id, _last.c.seq == _t.c.seq)
)
_LISTING = _LISTINGS.where(_t.c.id == bindparam("liveblog_id"))


_SETTINGS = ("title", "summary", "language", "timezone", "status", "embedding", "two_persons")


class Found(NamedTuple):
    """A live blog and its internal id."""

    id: int
    liveblog: Liveblog


def _found(row: RowMapping) -> Found:
    return Found(row["id"], liveblog_from(row))


def _is_slug(text: str) -> bool:
    return len(text) <= SLUG_MAX and _SLUG.fullmatch(text) is not None


def find(connection: Connection, slug: str, *, lock: bool = False) -> Found:
    """Return the live blog with this slug. Raises NotFound if there is none.

    With `lock`, the live blog's row is locked until the transaction ends.
    """
    return fetch(connection, _FIND_LOCKED if lock else _FIND, {"slug": slug}, slug)


def fetch(connection: Connection, statement: Executable, values: dict[str, str], slug: str) -> Found:
    """Execute a statement that returns the row of the live blog with this slug, and return the live blog.

    `values`: the statement's parameters. Raises NotFound if the statement returns no row. If `slug` can't be a slug,
    raises NotFound without executing the statement.
    """
    if _is_slug(slug):
        row = connection.execute(statement, values).mappings().one_or_none()
        if row is not None:
            return _found(row)
    raise NotFound(f"there is no live blog {slug!r}")


def find_by_id(connection: Connection, liveblog_id: int) -> Liveblog:
    """Return the live blog with this internal id. The live blog must exist."""
    return liveblog_from(connection.execute(select(_t).where(_t.c.id == liveblog_id)).mappings().one())


def create(connection: Connection, liveblog: Liveblog, by: Principal) -> Liveblog:
    """Insert a live blog, with version 1 and seq 0, and return it. Raises Conflict if the slug is taken.

    Raises Unauthorized or Forbidden if the principal `by` may not open a live blog now.
    """
    permissions.confirm(connection, by, Verb.OPEN, None)
    liveblog = replace(liveblog, version=1, seq=0, changed_seq=0)
    try:
        connection.execute(_INSERT, {**liveblog_values(liveblog), "opened_by": by.ref})
    except IntegrityError as error:
        raise Conflict(f"there is already a live blog {liveblog.slug!r}") from error
    acts.record(connection, by, "liveblog.opened", liveblog.created_at, liveblog=liveblog.slug, version=1)
    return liveblog


def page(connection: Connection, *, limit: int, cursor: str | None = None) -> tuple[list[Liveblog], str | None]:
    """Return a page of live blogs, and the cursor of the next page (None: no next page).

    The live blog that was created last comes first. A cursor contains the number of a live blog, not its slug: a client
    that gets the cursor may not be allowed to see this live blog. Raises InvalidInput for a bad cursor.
    """
    query = select(_t).order_by(_t.c.created_at.desc(), _t.c.slug.desc()).limit(limit + 1)
    if cursor is not None:
        at, number = SortKey.parse(cursor)
        if not _NUMBER.fullmatch(number):
            raise bad_cursor()
        slug = func.coalesce(select(_t.c.slug).where(_t.c.id == int(number)).scalar_subquery(), "")
        query = query.where(tuple_(_t.c.created_at, _t.c.slug) < tuple_(literal(at, _t.c.created_at.type), slug))
    rows = connection.execute(query).mappings().all()
    items = [liveblog_from(row) for row in rows[:limit]]
    more = len(rows) > limit
    return items, SortKey(items[-1].created_at, str(rows[limit - 1]["id"])).cursor() if more else None


def listing(connection: Connection, liveblog_id: int) -> Listing:
    """Return the live blog with this internal id, with the times when it began and when it last changed."""
    return _listing(connection.execute(_LISTING, {"liveblog_id": liveblog_id}).mappings().one())


def changed_since(connection: Connection, since: datetime, *, limit: int) -> list[Listing]:
    """Return at most `limit` live blogs that have changed since a moment. The newest change comes first.

    A change of an entry counts as well as a change of the live blog's own fields.
    """
    query = _LISTINGS.where(_changed_at >= literal(since, _t.c.updated_at.type))
    query = query.order_by(_changed_at.desc(), _t.c.id.desc()).limit(limit)
    return [_listing(row) for row in connection.execute(query).mappings()]


def numbered(connection: Connection, numbers: range) -> list[Listing]:
    """Return the live blogs whose numbers (internal ids) are in a range, ascending by number."""
    query = _LISTINGS.where(_t.c.id >= numbers.start, _t.c.id < numbers.stop).order_by(_t.c.id)
    return [_listing(row) for row in connection.execute(query).mappings()]


def highest_number(connection: Connection) -> int:
    """Return the greatest number (internal id) that any live blog has; 0 if there is no live blog."""
    return connection.scalar(select(func.max(_t.c.id))) or 0


def _listing(row: RowMapping) -> Listing:
    return Listing(liveblog_from(row), row["began_at"], row["changed_at"])


def edit(
    connection: Connection,
    slug: str,
    change: Callable[[Liveblog], Liveblog],
    by: Principal,
    *,
    check_loosening: Callable[[], None] | None = None,
) -> tuple[Liveblog, LiveblogChanged | None]:
    """Replace the live blog's own fields by the result of `change`. Raises NotFound.

    `change` is called with the live blog as it is now. Returns the new live blog, and the change that readers see. If
    `change` returns an equal live blog, nothing is written, and the change that readers see is None. Raises Conflict
    if breaking news is scheduled, and will need two persons after the change. Raises Unauthorized or Forbidden if the
    principal `by` may not change the live blog's settings now.

    A rule that asks for two persons binds those who manage the live blog. So only an owner of the site may take such a
    rule away. `check_loosening`: is called before a rule is taken away; if it raises, nothing is written.
    """
    rights = permissions.confirm(connection, by, Verb.MANAGE, slug)
    liveblog_id, old = find(connection, slug, lock=True)
    new = replace(
        change(old),
        slug=old.slug,
        version=old.version,
        epoch=old.epoch,
        seq=old.seq,
        changed_seq=old.changed_seq,
        created_at=old.created_at,
    )
    if new == old:
        return old, None
    if set(old.two_persons) - set(new.two_persons):
        rights.require(Verb.ADMINISTER, None)
        if check_loosening is not None:
            check_loosening()
    if TwoPersons.BREAKING in set(new.two_persons) - set(old.two_persons):
        _check_scheduled(connection, liveblog_id)
    seq = old.seq + 1
    new = replace(new, version=old.version + 1, seq=seq, changed_seq=seq)
    connection.execute(update(_t).where(_t.c.id == liveblog_id).values(liveblog_values(new)))
    change_times.record_liveblog(connection, liveblog_id, seq, old)
    changed = [name for name in _SETTINGS if getattr(new, name) != getattr(old, name)]
    rules_changed = "two_persons" in changed
    acts.record(
        connection,
        by,
        "liveblog.changed",
        new.updated_at,
        liveblog=slug,
        version=new.version,
        changed=changed,
        two_persons=new.two_persons if rules_changed else None,
        two_persons_before=old.two_persons if rules_changed else None,
    )
    return new, LiveblogChanged(seq, new)


def named(connection: Connection, slugs: Collection[str]) -> list[Liveblog]:
    """Return the live blogs with these slugs. The one that was created last comes first.

    A slug that no live blog has is left out.
    """
    found: list[Liveblog] = []
    for chunk in chunks([slug for slug in slugs if _is_slug(slug)]):
        rows = connection.execute(select(_t).where(_t.c.slug.in_(chunk))).mappings()
        found += [liveblog_from(row) for row in rows]
    return sorted(found, key=lambda liveblog: (liveblog.created_at, liveblog.slug), reverse=True)


def _check_scheduled(connection: Connection, liveblog_id: int) -> None:
    """Raise Conflict if breaking news is scheduled: perhaps no second person has approved it."""
    entries = tables.entries
    query = select(entries.c.id).where(
        entries.c.liveblog_id == liveblog_id,
        entries.c.status == EntryStatus.SCHEDULED.value,
        entries.c.breaking,
    )
    if connection.execute(query.limit(1)).first() is not None:
        raise Conflict("breaking news is scheduled that no second person has approved: withdraw it first")


def positions(connection: Connection, slugs: Collection[str]) -> dict[str, Position]:
    """Return the positions of live blogs, by slug. A slug that no live blog has is left out."""
    valid = [slug for slug in slugs if _is_slug(slug)]
    positions_found: dict[str, Position] = {}
    for chunk in chunks(valid):
        query = _POSITIONS.where(_t.c.slug.in_(chunk))
        positions_found.update({slug: Position(epoch, seq) for slug, epoch, seq in connection.execute(query)})
    return positions_found


def board_tags(connection: Connection, slugs: Collection[str]) -> dict[str, str]:
    """Return the tags of live blogs' boards, by slug. A slug that no live blog has is left out.

    The board is the list of all entries, unpublished ones too. Its tag changes with every write of the live blog, its
    entries and notes, and never comes back.
    """
    valid = [slug for slug in slugs if _is_slug(slug)]
    tags: dict[str, str] = {}
    for chunk in chunks(valid):
        rows = connection.execute(_BOARD_TAGS.where(_t.c.slug.in_(chunk)))
        tags.update({slug: f"{epoch}-{version}-{work}" for slug, epoch, version, work in rows})
    return tags


def board_tag(connection: Connection, slug: str) -> str:
    """Return the tag of a live blog's board (see `board_tags`). Raises NotFound if there is no such live blog."""
    tag = board_tags(connection, [slug]).get(slug)
    if tag is None:
        raise NotFound(f"there is no live blog {slug!r}")
    return tag
