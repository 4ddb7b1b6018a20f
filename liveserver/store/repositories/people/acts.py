"""The queries of the audit log. An act is recorded in the transaction that does what the act says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select

from liveserver.domain.ids import new_id
from liveserver.domain.people.act import Act
from liveserver.domain.people.principal import PrincipalKind
from liveserver.store import tables
from liveserver.store.cursors import SortKey

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

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

    Raises InvalidInput for a bad cursor.
    """
    query = select(_t).order_by(_t.c.id.desc()).limit(limit + 1)
    for column, value in (
        (_t.c.principal_id, which.principal_id),
        (_t.c.liveblog, which.liveblog),
        (_t.c.entry_id, which.entry_id),
    ):
        if value is not None:
            query = query.where(column == value.replace("\x00", ""))
    if which.action is not None:
        action = which.action.replace("\x00", "")
        query = query.where((_t.c.action == action) | _t.c.action.startswith(f"{action}.", autoescape=True))
    if which.since is not None:
        query = query.where(_t.c.at >= which.since)
    if which.until is not None:
        query = query.where(_t.c.at < which.until)
    if cursor is not None:
        query = query.where(_t.c.id < SortKey.parse(cursor).name)
    rows = connection.execute(query).mappings().all()
    acts = [_act(row) for row in rows[:limit]]
    return acts, SortKey(acts[-1].at, acts[-1].id).cursor() if len(rows) > limit else None


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
