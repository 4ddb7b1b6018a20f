"""PostgreSQL's own faults: a server that stops, hangs, dies or turns read only."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from liveserver.domain.change import EntryChanged
from liveserver.domain.errors import SettingsError, StoreUnavailable
from liveserver.store import Store, migrate
from liveserver.store.connections import LoopConnections
from tests.support.principals import NEWSROOM
from tests.support.services import free_port
from tests.support.store_samples import a_liveblog, an_entry

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.ext.asyncio import AsyncConnection

    from liveserver.store.connections import Connections
    from tests.support.services import PostgresServer, StartPostgres


async def opened(server: PostgresServer, patience: float = 5.0) -> Store:
    url = server.url(await asyncio.to_thread(server.create_database))
    await migrate(url)
    store = await Store.open(url, patience=patience)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    return store


def transaction(connections: Connections) -> AbstractAsyncContextManager[AsyncConnection]:
    """One that stays open while the test does something else."""
    assert isinstance(connections, LoopConnections)
    return connections._engine.begin()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_that_goes_away_and_comes_back(start_postgres: StartPostgres, how: str) -> None:
    """StoreUnavailable meanwhile, whatever is asked; afterwards what was confirmed is there, and seqs go on."""
    server = await asyncio.to_thread(start_postgres)
    store = await opened(server)
    first = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    await asyncio.to_thread(getattr(server, how))
    for call in (
        store.ping(),
        store.entries.create("match", an_entry(), by=NEWSROOM),
        store.liveblogs.edit("match", lambda b: b, NEWSROOM),
        store.liveblogs.snapshot("match", limit=1),
        store.changes.after("match", 0, limit=1),
        store.changes.positions(["match"]),
        store.entries.scheduled(limit=1),
        store.keys.all(),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    await asyncio.to_thread(server.start)
    await store.ping()
    second = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    assert (await store.changes.after("match", 0, limit=9)).items == [EntryChanged(1, first), EntryChanged(2, second)]
    await store.close()


async def test_a_server_that_dies_in_the_middle_of_writes(start_postgres: StartPostgres) -> None:
    """Every write ends, confirmed or not; the confirmed ones are there after recovery, and there is no gap."""
    server = await asyncio.to_thread(start_postgres)
    store = await opened(server)
    confirmed: list[str] = []
    enough = asyncio.Event()

    async def write() -> None:
        while True:
            try:
                written = await store.entries.create("match", an_entry(), by=NEWSROOM)
            except StoreUnavailable:
                return
            confirmed.append(written.entry.id)
            if len(confirmed) == 20:
                enough.set()

    writing = [asyncio.create_task(write()) for _ in range(8)]
    await enough.wait()
    await asyncio.to_thread(server.kill)
    await asyncio.gather(*writing)
    await asyncio.to_thread(server.start)
    changes = await store.changes.after("match", 0, limit=100_000)
    assert [change.seq for change in changes.items] == list(range(1, changes.liveblog.seq + 1))
    assert {*confirmed} <= {c.entry.id for c in changes.items if isinstance(c, EntryChanged)}
    await store.close()


async def test_a_server_that_hangs(start_postgres: StartPostgres) -> None:
    """SIGSTOP: reads and writes give up within a few times their patience, and go on when it does."""
    server = await asyncio.to_thread(start_postgres)
    store = await opened(server, patience=1.0)
    await asyncio.to_thread(server.pause)
    try:
        async with asyncio.timeout(10):
            results = await asyncio.gather(
                *(store.entries.create("match", an_entry(), by=NEWSROOM) for _ in range(8)),
                *(store.liveblogs.snapshot("match", limit=1) for _ in range(8)),
                store.ping(),
                return_exceptions=True,
            )
        assert {type(result) for result in results} == {StoreUnavailable}
    finally:
        await asyncio.to_thread(server.resume)
    await store.ping()
    written = await store.entries.create("match", an_entry(), by=NEWSROOM)
    items = (await store.changes.after("match", 0, limit=100)).items
    assert [change.seq for change in items] == list(range(1, written.liveblog.seq + 1))
    await store.close()


async def test_a_lock_of_another_program(postgres_url: str) -> None:
    """A write that can't have its live blog in time is StoreUnavailable; reads don't notice."""
    store = await Store.open(postgres_url, patience=1.0)
    other = await Store.open(postgres_url)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    async with transaction(other._database.writer) as connection:
        await connection.execute(text("SELECT 1 FROM liveblogs FOR UPDATE"))
        with pytest.raises(StoreUnavailable):
            await store.entries.create("match", an_entry(), by=NEWSROOM)
        assert (await store.liveblogs.snapshot("match", limit=5)).liveblog.seq == 0
    assert (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry.seq == 1
    await store.close()
    await other.close()


async def test_a_database_that_is_read_only(postgres_url: str, postgres_server: PostgresServer) -> None:
    """A standby, or a full provider: it can be read, and a ping says that it can't be written."""
    name = postgres_url.rpartition("/")[2]
    writing = await Store.open(postgres_url)
    await writing.liveblogs.create(a_liveblog(), NEWSROOM)
    await asyncio.to_thread(postgres_server.sql, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(SettingsError, match="read only"):
        await Store.open(postgres_url)
    await writing._database.writer.close()
    with pytest.raises(StoreUnavailable):
        await writing.ping()
    with pytest.raises(StoreUnavailable):
        await writing.entries.create("match", an_entry(), by=NEWSROOM)
    assert (await writing.liveblogs.find("match")).seq == 0
    await writing.close()
    await asyncio.to_thread(postgres_server.sql, f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def test_the_reading_connections_can_not_write(postgres_url: str) -> None:
    """And see one moment for a whole transaction."""
    store = await Store.open(postgres_url)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    update = text("UPDATE liveblogs SET seq = 7")
    with pytest.raises(StoreUnavailable):
        await store._database.read(lambda connection: connection.execute(update).close())
    async with transaction(store._database.reader) as connection:
        assert await connection.scalar(text("SELECT seq FROM liveblogs")) == 0
        await store.entries.create("match", an_entry(), by=NEWSROOM)
        assert await connection.scalar(text("SELECT seq FROM liveblogs")) == 0
    await store.close()


async def test_a_server_that_is_not_there() -> None:
    """Said in one line that names the database and hides the password."""
    url = f"postgresql://anna:secret@127.0.0.1:{free_port()}/live"
    for call in (Store.open(url), migrate(url)):
        with pytest.raises(SettingsError) as caught:
            await call
        message = str(caught.value)
        assert message.startswith("can't open the database postgresql://anna:***@127.0.0.1:")
        assert "secret" not in message
        assert "\n" not in message


async def test_a_server_that_does_not_answer() -> None:
    """Takes the connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"127.0.0.1:{port}/live: no answer$"):
            await Store.open(f"postgresql://anna@127.0.0.1:{port}/live", patience=0.1)


async def test_a_database_that_is_not_there(postgres_server: PostgresServer) -> None:
    """Said in one line, too."""
    with pytest.raises(SettingsError, match=r'/nowhere: database "nowhere" does not exist'):
        await Store.open(postgres_server.url("nowhere"))
