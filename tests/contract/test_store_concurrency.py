"""The promises of every store when many write at once, fail half way, or are killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.change import EntryChanged
from liveserver.domain.errors import NotFound, VersionConflict
from liveserver.store import Idempotency, Store
from liveserver.store.repositories import entries
from tests.support.checkout import ROOT
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_draft, an_entry, at

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry


async def test_seqs_of_concurrent_publishes_have_no_gap_and_are_seen_in_order(store: Store, other: Store) -> None:
    """50 at once, through two stores: one that reads all the while never sees one without those before it."""

    async def follow() -> list[int]:
        seen: list[int] = []
        while len(seen) < 50:
            changes = await store.changes.after("match", len(seen), limit=100)
            seqs = [change.seq for change in changes.items]
            assert seqs == list(range(len(seen) + 1, changes.liveblog.seq + 1))
            seen += seqs
        return seen

    following = asyncio.create_task(follow())
    publisher = [(store, other)[i % 2].entries.create("match", an_entry(at(i)), by=NEWSROOM) for i in range(50)]
    written = await asyncio.gather(*publisher)
    assert sorted(w.liveblog.seq for w in written) == list(range(1, 51)) == await following


async def test_concurrent_edits_of_one_version(store: Store, other: Store) -> None:
    """Of ten that each demand version 1, one wins."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry

    async def edit(number: int) -> bool:
        def change(current: Entry) -> Entry:
            if current.version != 1:
                raise VersionConflict(current)
            return replace(current, body=f"<p>{number}</p>")

        try:
            await (store, other)[number % 2].entries.edit("match", entry.id, change, by=NEWSROOM)
        except VersionConflict:
            return False
        return True

    assert sum(await asyncio.gather(*(edit(number) for number in range(10)))) == 1
    assert (await store.liveblogs.find("match")).seq == 2


async def test_writers_of_all_kinds_at_once_do_not_block_each_other_for_good(store: Store, other: Store) -> None:
    """Entries created, edited, deleted and the live blog changed through two stores: no deadlock, no gap."""
    known = [(await store.entries.create("match", an_entry(at(i)), by=NEWSROOM)).entry for i in range(10)]
    await asyncio.gather(
        *(
            action
            for i, entry in enumerate(known)
            for s in [(store, other)[i % 2]]
            for action in (
                s.entries.edit("match", entry.id, lambda e: replace(e, pinned=True), by=NEWSROOM),
                s.entries.create("match", an_entry(), by=NEWSROOM),
                s.entries.create("match", a_draft(), by=NEWSROOM, idempotency=Idempotency(f"{i}", "h")),
                s.liveblogs.edit("match", lambda b: replace(b, title=b.title + "!"), NEWSROOM),
            )
        )
    )
    changes = await store.changes.after("match", 0, limit=100)
    assert changes.liveblog.seq == 40
    assert changes.liveblog.title == "Le match" + "!" * 10
    # The live blog and the ten edited entries show their latest change only.
    assert len(changes.items) == 10 + 10 + 1


async def test_racing_duplicates_make_one_entry(store: Store, other: Store) -> None:
    """A hundred requests with one idempotency key, through two stores."""
    key = Idempotency("retry-1", "hash")
    written = await asyncio.gather(
        *((store, other)[i % 2].entries.create("match", an_entry(), by=NEWSROOM, idempotency=key) for i in range(100))
    )
    assert len({w.entry.id for w in written}) == 1
    assert [w.replayed for w in written].count(False) == 1
    assert all((w.change is None) == w.replayed for w in written)
    assert (await store.liveblogs.find("match")).seq == 1
    assert len((await store.entries.page("match", limit=100)).items) == 1


async def test_a_write_that_fails_half_way_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seq, entry and idempotency key go back together."""
    key = Idempotency("k", "hash")
    entry = an_entry()
    with monkeypatch.context() as patch:
        patch.setattr(entries, "_record", raising(RuntimeError("power cut")))
        with pytest.raises(RuntimeError, match="power cut"):
            await store.entries.create("match", entry, by=NEWSROOM, idempotency=key)
    assert (await store.liveblogs.find("match")).seq == 0
    with pytest.raises(NotFound):
        await store.entries.find("match", entry.id)
    written = await store.entries.create("match", entry, by=NEWSROOM, idempotency=key)
    assert (written.entry.seq, written.replayed) == (1, False)


def raising(error: Exception) -> object:
    def call(*_args: object, **_kwargs: object) -> None:
        raise error

    return call


async def test_a_cancelled_write_blocks_nobody(store: Store) -> None:
    """Whether or not it was committed, seqs stay without gaps and the next write goes through."""
    for steps in range(1, 15):
        task = asyncio.create_task(store.entries.create("match", an_entry(), by=NEWSROOM))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    last = (await store.entries.create("match", an_entry(), by=NEWSROOM)).liveblog.seq
    items = (await store.changes.after("match", 0, limit=100)).items
    assert [change.seq for change in items] == list(range(1, last + 1))


async def test_two_processes_write(store: Store, store_url: str) -> None:
    """Another process publishes at the same time: one order, no gap."""
    with _writer(store_url, 20) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        mine = [(await store.entries.create("match", an_entry(), by=NEWSROOM)).entry.id for _ in range(20)]
        theirs = (await asyncio.to_thread(child.stdout.read)).split()
    assert child.returncode == 0
    items = (await store.changes.after("match", 0, limit=100)).items
    assert [change.seq for change in items] == list(range(1, 41))
    assert {c.entry.id for c in items if isinstance(c, EntryChanged)} == {*mine, *theirs}


async def test_what_was_confirmed_survives_a_kill(store: Store, store_url: str) -> None:
    """SIGKILL while it publishes: all that it had confirmed is there, without gaps, and others go on writing."""
    with _writer(store_url, 10_000) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        confirmed = [(await asyncio.to_thread(child.stdout.readline)).strip() for _ in range(10)]
        child.kill()
        confirmed += [line for line in (await asyncio.to_thread(child.stdout.read)).split() if len(line) == 36]
    last = (await store.entries.create("match", an_entry(), by=NEWSROOM)).liveblog.seq
    items = (await store.changes.after("match", 0, limit=20_000)).items
    assert [change.seq for change in items] == list(range(1, last + 1))
    assert {*confirmed} <= {c.entry.id for c in items if isinstance(c, EntryChanged)}


def _writer(url: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.store_writer", url, "match", str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
