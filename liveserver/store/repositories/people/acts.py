"""The queries of the audit log. An act is recorded in the transaction that does what the act says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import any_, func, insert, literal, select, tuple_
from sqlalchemy.dialects.postgresql import array

from liveserver.domain.ids import new_id
from liveserver.domain.people.act import Act
from liveserver.domain.people.principal import PrincipalKind
from liveserver.store import tables
from liveserver.store.cursors import SortKey

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, RowMapping, Select

    from liveserver.domain.people.principal import Principal

_t = tables.acts
_INSERT = insert(_t)


class ActFilter(NamedTuple):
    """Which acts a page of the audit log has. A field that is None filters nothing."""

    principal_id: str | None = None
    liveblog: str | None = None
    entry_id: str | None = None
    action: str | None = None
    """An action such as `entry.published`; or the part before its dot, such as `entry`: all actions with this part."""
    since: datetime | None = None
    until: datetime | None = None
    """Acts before this moment."""


def record(
    connection: Connection,
    by: Principal,
    action: str,
    at: datetime,
    *,
    liveblog: str | None = None,
    entry_id: str | None = None,
    version: int | None = None,
    **details: Any,
) -> None:
    """Insert an act. Details that are None are left out."""
    connection.execute(
        _INSERT,
        {
            "id": new_id(),
            "at": at,
            "kind": by.kind.value,
            "principal_id": by.id,
            "name": by.name,
            "action": action,
            "liveblog": liveblog,
            "entry_id": entry_id,
            "version": version,
            "details": {name: value for name, value in details.items() if value is not None} or None,
        },
    )


def page(
    connection: Connection, which: ActFilter, *, limit: int, cursor: str | None = None
) -> tuple[list[Act], str | None]:
    """Return a page of acts, newest first, and the cursor of the next page (None: no next page).

    A page reads its own acts only, as each filter by principal, live blog, entry and time has an index: see `_chosen`.
    A filter by action has none: a rare action is searched for among all acts that the other filters choose. Raises
    InvalidInput for a bad cursor.
    """
    query = _chosen(connection, which, SortKey.parse(cursor) if cursor is not None else None).limit(limit + 1)
    if which.action is not None:
        action = which.action.replace("\x00", "")
        query = query.where((_t.c.action == action) | _t.c.action.startswith(f"{action}.", autoescape=True))
    rows = connection.execute(query).mappings().all()
    acts = [_act(row) for row in rows[:limit]]
    return acts, SortKey(acts[-1].at, acts[-1].id).cursor() if len(rows) > limit else None


def _chosen(connection: Connection, which: ActFilter, before: SortKey | None) -> Select[Any]:
    """Return the query of the acts that all filters but `action` choose, newest first.

    `before`: only acts before this sort key; None for all. The query is written so that both databases take the index
    whose columns are those of the filters, then time and id.
    """
    given = {
        column: value.replace("\x00", "")
        for column, value in ((_t.c.liveblog, which.liveblog), (_t.c.principal_id, which.principal_id))
        if value is not None
    }
    query = select(_t)
    order = [_t.c.at.desc(), _t.c.id.desc()]
    if which.entry_id is not None:
        # An entry has few acts. `coalesce` keeps the database from using the indexes of these columns instead.
        query = query.where(*(func.coalesce(column, "") == value for column, value in given.items()))
        given = {_t.c.entry_id: which.entry_id.replace("\x00", "")}
    for number, (column, value) in enumerate(given.items()):
        if number == 0 and connection.dialect.name == "postgresql":
            # After a plain `=`, PostgreSQL would often take the index of time alone, and read all acts since the last
            # one of an old live blog. By `ANY`, it doesn't see that this column has one value only, and takes the index
            # that has the whole order.
            query = query.where(column == any_(array([literal(value, column.type)])))
            order.insert(0, column.desc())
        else:
            query = query.where(column == value)
    bounds: list[ColumnElement[bool]] = []
    if which.since is not None:
        bounds.append(_t.c.at >= which.since)
    if which.until is not None:
        bounds.append(_t.c.at < which.until)
    if before is not None:
        bounds.append(tuple_(_t.c.at, _t.c.id) < tuple_(literal(before.at, _t.c.at.type), before.name))
    if connection.dialect.name == "sqlite":
        # SQLite takes bounds for more selective than a second filter, and would take the index of one filter, if not
        # for this hint.
        bounds = [func.likely(bound) for bound in bounds]
    query = query.where(*bounds)
    return query.order_by(*order)


def _act(row: RowMapping) -> Act:
    return Act(
        id=row["id"],
        at=row["at"],
        kind=PrincipalKind(row["kind"]),
        principal_id=row["principal_id"],
        name=row["name"],
        action=row["action"],
        liveblog=row["liveblog"],
        entry_id=row["entry_id"],
        version=row["version"],
        details=row["details"] or {},
    )
