"""Pages of a table's rows. The row that was created last comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import literal, tuple_

from liveserver.store.cursors import SortKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, RowMapping, Select, Table

T = TypeVar("T")


def newest_page(
    connection: Connection,
    query: Select[Any],
    table: Table,
    item_of: Callable[[RowMapping], T],
    *,
    limit: int,
    cursor: str | None,
) -> tuple[list[T], str | None]:
    """Return a page of the rows that a query finds, and the cursor of the next page (None: no next page).

    `query`: selects rows from `table`, whose columns `created_at` and `id` order the page. `item_of`: a function
    that makes an item of the page from a row. Raises InvalidInput for a bad cursor.
    """
    created_at, row_id = table.c.created_at, table.c.id
    query = query.order_by(created_at.desc(), row_id.desc()).limit(limit + 1)
    if cursor is not None:
        at, name = SortKey.parse(cursor)
        query = query.where(tuple_(created_at, row_id) < tuple_(literal(at, created_at.type), name))
    rows = connection.execute(query).mappings().all()
    items = [item_of(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return items, None
    last = rows[limit - 1]
    return items, SortKey(last["created_at"], last["id"]).cursor()
