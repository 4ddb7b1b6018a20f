"""How a restore joins the people of the database and those of the backup.

If a role, a password or a passkey was taken away from a user after the backup, a restore must not give it back. So the
users of the database stay as they are. Users who are only in the backup are added as they are in the backup. There is
one exception: a user who is disabled in the database or in the backup is disabled afterwards.
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
    """The merge of the database's users and the backup's users in one restore.

    Construct this object before the restore deletes the database's rows.
    """

    def __init__(self, connection: Connection) -> None:
        """Note the users of the database and their memberships. Delete all sessions and all join links."""
        self._known = {row.id: row.login for row in connection.execute(select(_users.c.id, _users.c.login))}
        self._logins = set(self._known.values())
        query = select(_members.c.user_id, _blogs.c.slug, _members.c.role)
        query = query.join(_blogs, _blogs.c.id == _members.c.liveblog_id)
        self._memberships = [row._asdict() for row in connection.execute(query)]
        connection.execute(delete(tables.sessions))
        connection.execute(delete(tables.join_links))

    def row(self, name: str, row: Row) -> Row | None:
        """Return the row to insert into the table `name`; None for no row. `row`: a row of this table in the backup.

        Leaves out passkeys, identities and memberships of users who are in the database. A user who is only in the
        backup may have the same name as another user in the database. Then the user's id is added to the name.
        """
        if name in {"passkeys", "identities", "memberships"} and row["user_id"] in self._known:
            return None
        return self._user(row) if name == "users" else row

    def _user(self, row: Row) -> Row:
        if row["id"] in self._known or row["login"] not in self._logins:
            return row
        name = f"{row['name']} ({row['id']})"
        return {**row, "name": name, "login": login_of(name)}

    def finish(self, connection: Connection) -> None:
        """Insert the memberships of the database's users again, except on live blogs that the backup doesn't have."""
        ids = {row.slug: row.id for row in connection.execute(select(_blogs.c.slug, _blogs.c.id))}
        rows: list[dict[str, Any]] = [
            {"user_id": old["user_id"], "liveblog_id": ids[old["slug"]], "role": old["role"]}
            for old in self._memberships
            if old["slug"] in ids
        ]
        if rows:
            connection.execute(insert(_members), rows)


def insertion(connection: Connection, table: Table) -> Executable:
    """Return the statement that inserts rows of the backup into `table`, one of the tables KEPT.

    A row that the database has already stays as it is, with two exceptions: an API key that is revoked in the backup
    becomes revoked, and a user who is disabled in the backup becomes disabled.
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
