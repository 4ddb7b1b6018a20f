"""The audit log's pages, by each filter; on both databases."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert, text

from liveserver.domain.ids import new_id
from liveserver.store import tables
from liveserver.store.cursors import SortKey
from liveserver.store.repositories.people import acts
from liveserver.store.repositories.people.acts import ActFilter
from tests.support.store_samples import at

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from liveserver.domain.people.act import Act
    from liveserver.store import Store

LIVEBLOGS = ("old", "new", None)
PEOPLE = ("u_ada", "u_bob")
ENTRIES = (new_id(), new_id(), None)
ACTIONS = ("entry.published", "entry.edited", "user.invited")
COUNT = 600


def fill(connection: Connection) -> None:
    """Add acts, two at each second; those on “old” are all before the others."""
    rows = []
    for number in range(COUNT):
        liveblog = "old" if number < COUNT // 2 else LIVEBLOGS[number % 3]
        rows.append(
            {
                "id": new_id(),
                "at": at(number // 2),
                "kind": "user",
                "principal_id": PEOPLE[number // 3 % 2],
                "name": "Ada",
                "action": ACTIONS[number // 5 % 3],
                "liveblog": liveblog,
                "entry_id": ENTRIES[number // 7 % 3],
                "version": 1,
                "details": None,
            }
        )
    connection.execute(insert(tables.acts), rows)
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE acts"))


@pytest.fixture
async def recorded(store: Store) -> Store:
    """A store with many acts, and no others."""
    await store._database.write(lambda connection: connection.execute(tables.acts.delete()))
    await store._database.write(fill)
    return store


def matches(act: Act, which: ActFilter) -> bool:
    return (
        which.principal_id in {None, act.principal_id}
        and which.liveblog in {None, act.liveblog}
        and which.entry_id in {None, act.entry_id}
        and which.action in {None, act.action, act.action.partition(".")[0]}
        and (which.since is None or act.at >= which.since)
        and (which.until is None or act.at < which.until)
    )


async def all_pages(store: Store, which: ActFilter, limit: int) -> list[Act]:
    items: list[Act] = []
    cursor = None
    while True:
        page, cursor = await store.acts.page(which, limit=limit, cursor=cursor)
        assert len(page) <= limit
        items += page
        if cursor is None:
            return items


async def test_filters_choose_together(recorded: Store) -> None:
    """Each combination of them chooses the acts that all of them choose, page by page, the last act first."""
    whole = await all_pages(recorded, ActFilter(), COUNT)
    assert len(whole) == COUNT
    assert whole == sorted(whole, key=lambda act: (act.at, act.id), reverse=True)
    times = ((None, None), (at(200), None), (None, at(100)), (at(40), at(250)), (at(90), at(90)))
    choices: tuple[Collection[Any], ...] = ((None, "u_ada"), (None, "old", "new"), (None, ENTRIES[0]))
    for person, liveblog, entry, action, (since, until) in product(*choices, (None, "entry", ACTIONS[2]), times):
        which = ActFilter(person, liveblog, entry, action, since, until)
        assert await all_pages(recorded, which, 150) == [act for act in whole if matches(act, which)], which


async def test_pages_end_between_acts_of_one_moment(recorded: Store) -> None:
    """None is left out, and none comes twice."""
    which = ActFilter("u_ada", "old", since=at(10), until=at(40))
    expected = await all_pages(recorded, which, 100)
    assert len(expected) > len({act.at for act in expected})
    for limit in (1, 2, 3):
        assert await all_pages(recorded, which, limit) == expected


def explained(connection: Connection, which: ActFilter) -> str:
    """Return the database's plan for a page of acts. It sorts, or reads the whole table, only if no index will do."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    acts.page(connection, which, limit=10, cursor=SortKey(at(290), new_id()).cursor())
    event.remove(connection, "before_cursor_execute", note)
    [(statement, parameters)] = statements
    if connection.dialect.name == "sqlite":
        return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
    for name in ("seqscan", "bitmapscan", "sort"):
        connection.execute(text(f"SET LOCAL enable_{name} = off"))
    return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))


@pytest.mark.parametrize(
    ("which", "index"),
    [
        ({}, "ix_acts_at"),
        ({"principal_id": "u_ada"}, "ix_acts_principal_id"),
        ({"liveblog": "old"}, "ix_acts_liveblog"),
        ({"liveblog": "old", "principal_id": "u_ada"}, "ix_acts_liveblog_principal_id"),
        ({"entry_id": ENTRIES[0]}, "ix_acts_entry_id"),
        ({"entry_id": ENTRIES[0], "liveblog": "old"}, "ix_acts_entry_id"),
        ({"entry_id": ENTRIES[0], "principal_id": "u_ada"}, "ix_acts_entry_id"),
        ({"entry_id": ENTRIES[0], "liveblog": "old", "principal_id": "u_ada"}, "ix_acts_entry_id"),
    ],
    ids=lambda value: ",".join(value) or "all" if isinstance(value, dict) else "",
)
async def test_a_page_reads_its_own_acts_only(recorded: Store, which: dict[str, Any], index: str) -> None:
    """An index has them in their order, with each filter and with times."""
    for since, until in product((None, at(50)), (None, at(250))):
        plan = await recorded._database.read(explained, ActFilter(**which)._replace(since=since, until=until))
        first, *rest = [line.strip() for line in plan.splitlines() if "Limit" not in line]
        assert f" {index} " in first.replace("INDEX", "").replace("using", " "), plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan
        conditions = [line for line in rest if line.startswith("Filter")]
        assert all("COALESCE" in line and " at " not in line for line in conditions), plan


async def test_times_are_bounds_of_the_index(recorded: Store) -> None:
    """The plan of the log between two times doesn't begin with the newest act."""
    which = ActFilter(since=at(100), until=at(100) + timedelta(seconds=1))
    plan = await recorded._database.read(explained, which)
    assert "at>? AND at<?" in plan or "(at >=" in plan.partition("Index Cond")[2], plan
