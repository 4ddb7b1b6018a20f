"""How a restore joins the people of the database and those of the backup.

A restore must not give back what was taken away since the backup was made: a role, a password, a passkey. So users whom
the database has keep everything that the database says of them. Users whom only the backup has are added, with all that
the backup says. A user who is disabled in either is disabled afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from liveserver.domain.people.user import login_of
from liveserver.store import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Executable, Table

    from liveserver.store.backup.archive import Row

KEPT = frozenset({"api_keys", "users", "passkeys", "identities", "acts"})
"""The names of the tables whose rows a restore keeps. The backup's rows are added to them."""

_users, _members, _blogs = tables.users, tables.memberships, tables.liveblogs


class PeopleMerge:
    """The joining of people in one restore. It is made before the database's rows are deleted."""

    def __init__(self, connection: Connection) -> None:
        """Note the users of the database and their memberships. End all sessions, and void all links to join."""
        self._known = {row.id: row.login for row in connection.execute(select(_users.c.id, _users.c.login))}
        self._logins = set(self._known.values())
        query = select(_members.c.user_id, _blogs.c.slug, _members.c.role)
        query = query.join(_blogs, _blogs.c.id == _members.c.liveblog_id)
        self._memberships = [row._asdict() for row in connection.execute(query)]
        connection.execute(delete(tables.sessions))
        connection.execute(delete(tables.join_links))

    def rows(self, name: str, rows: list[Row]) -> list[Row]:
        """Return those rows of the backup's table `name` that are to be inserted.

        If the name of a user whom only the backup has is another user's name in the database, the user gets a name that
        nobody has.
        """
        if name in {"passkeys", "identities", "memberships"}:
            return [row for row in rows if row["user_id"] not in self._known]
        if name == "users":
            return [self._user(row) for row in rows]
        return rows

    def _user(self, row: Row) -> Row:
        if row["id"] in self._known or row["login"] not in self._logins:
            return row
        name = f"{row['name']} ({row['id']})"
        return {**row, "name": name, "login": login_of(name)}

    def finish(self, connection: Connection) -> None:
        """Give the users whom the database had their memberships again, on the live blogs that the backup has, too."""
        ids = {row.slug: row.id for row in connection.execute(select(_blogs.c.slug, _blogs.c.id))}
        rows: list[dict[str, Any]] = [
            {"user_id": old["user_id"], "liveblog_id": ids[old["slug"]], "role": old["role"]}
            for old in self._memberships
            if old["slug"] in ids
        ]
        if rows:
            connection.execute(insert(_members), rows)


def insertion(connection: Connection, table: Table) -> Executable:
    """Return the statement that inserts rows of the backup into a table that keeps its rows.

    An API key that was made after the backup stays valid. A key that was revoked in the database, or in the backup,
    stays revoked; likewise for users who were disabled. All else stays as the database has it.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(table)
    ends = {"api_keys": "revoked_at", "users": "disabled_at"}.get(table.name)
    if ends is None:
        statement: Executable = query.on_conflict_do_nothing()
        return statement
    ended = func.coalesce(table.c[ends], query.excluded[ends])
    updating: Executable = query.on_conflict_do_update(index_elements=[table.c.id], set_={ends: ended})
    return updating
