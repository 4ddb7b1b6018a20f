"""The store. Its content is the only truth about live blogs, and it gives every change its number (seq)."""

from __future__ import annotations

from liveserver.domain.errors import SettingsError
from liveserver.store import schema
from liveserver.store.connections import PATIENCE
from liveserver.store.database import Database
from liveserver.store.database_url import is_sqlite, parse_url, shown
from liveserver.store.groups.audience import Reach, Takedowns
from liveserver.store.groups.content import Changes, Entries, Liveblogs, Media
from liveserver.store.groups.parties import ApiKeys, Partners, Sources
from liveserver.store.groups.people import Acts, Credentials, Permissions, Secrets, Sessions, Users
from liveserver.store.groups.review import Board, Notes, Reviews
from liveserver.store.outages import opening
from liveserver.store.sqlite_file import use_write_ahead_log


class Store:
    """The store of live blogs, entries and everything else, in SQLite or PostgreSQL.

    Its queries are methods of its groups: `store.entries.create(…)`. Each change that readers see gets the live blog's
    next seq in the transaction that writes the change. So seqs have no gaps, and their order is the order of commits.
    Each query is one transaction. A query that raises has written nothing, with one exception: after StoreUnavailable,
    the commit may have succeeded, and only the database's answer was lost.

    Every query raises StoreUnavailable if the database doesn't answer. A query for one slug raises NotFound if
    no live blog has this slug.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.liveblogs = Liveblogs(database)
        self.entries = Entries(database)
        self.changes = Changes(database)
        self.reviews = Reviews(database)
        self.notes = Notes(database)
        self.board = Board(database)
        self.media = Media(database)
        self.partners = Partners(database)
        self.sources = Sources(database)
        self.takedowns = Takedowns(database)
        self.reach = Reach(database)
        self.keys = ApiKeys(database)
        self.users = Users(database)
        self.credentials = Credentials(database)
        self.sessions = Sessions(database)
        self.permissions = Permissions(database)
        self.acts = Acts(database)
        self.secrets = Secrets(database)

    @classmethod
    async def open(
        cls, url: str, *, migrate: bool | None = None, pool_size: int = 5, patience: float = PATIENCE
    ) -> Store:
        """Connect to the database, check that its schema is up to date, and return the store.

        `migrate`: True to bring the schema up to date first; None to do this only for an SQLite file. `pool_size`: the
        number of connections for reading, and also the number for writing (but SQLite always has one for writing).
        `patience`: seconds to wait for a statement (on PostgreSQL), a lock or a free connection. Raises SettingsError
        if the database can't be opened, or its schema isn't up to date.
        """
        parsed = parse_url(url)
        if is_sqlite(parsed):
            with opening(parsed):
                await use_write_ahead_log(parsed)
        if not await schema.is_current(url):
            if not (is_sqlite(parsed) if migrate is None else migrate):
                raise SettingsError(f"the database {shown(parsed)} isn't up to date: run liveserver migrate")
            await schema.migrate(url)
        store = cls(Database(parsed, pool_size=pool_size, patience=patience))
        try:
            with opening(parsed):
                await store.ping()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Close the connections to the database. A transaction under way runs to its end."""
        await self._database.close()

    async def ping(self) -> None:
        """Raise StoreUnavailable if the database can't be written to now."""
        await self._database.ping()
