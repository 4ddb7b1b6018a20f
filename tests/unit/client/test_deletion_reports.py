"""A follower's reports on entries that it has taken away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from liveserver.client import Message, deletion_reports, live_stream
from tests.support.scripted_server import LiveServer, Stream, at, deleted, entry, hello
from tests.support.viewers import PATIENCE


async def test_a_follower_confirms_what_it_has_taken_away() -> None:
    """Once the consumer asks for the next message, with whether it had the entry; and nothing that isn't asked for."""
    answers: list[Message] = []
    told = asyncio.Event()

    async def script(stream: Stream) -> None:
        plain = {"type": "delete", "seq": 4, "id": "before"}
        await stream.send(hello(2), entry(3), plain, deleted(5, "e3"), deleted(6, "other"), deleted(7, "e3"), entry(8))
        answers.extend([await stream.receive() for _ in range(3)])
        told.set()
        await stream.until_closed()

    async with LiveServer(script).running() as client:
        changes = client.follow("match", at(2), confirm=True, known=["before"])
        seqs = [(await anext(changes))["seq"] for _ in range(6)]
        assert seqs == [3, 4, 5, 6, 7, 8]
        async with asyncio.timeout(PATIENCE):
            await told.wait()
        await changes.aclose()
    expected = [("e3", True), ("other", False), ("e3", False)]
    assert sorted((a["id"], a["had"]) for a in answers) == sorted(expected)
    assert all(answer["type"] == "gone" for answer in answers)


async def test_what_was_not_confirmed_when_the_connection_was_lost_is_left() -> None:
    """The server counts it as gone; nothing is left running."""

    async def script(stream: Stream) -> None:
        await stream.send(hello(2), {**deleted(3, "a"), "confirm": {"within": 10**7}}, entry(4))
        await stream.until_closed()

    before = asyncio.all_tasks()
    async with LiveServer(script).running() as client:
        changes = client.follow("match", at(2), confirm=True)
        assert [(await anext(changes))["seq"] for _ in range(2)] == [3, 4]
        await changes.aclose()
        await asyncio.sleep(0)
        assert not any("_later" in repr(task) for task in asyncio.all_tasks() - before)


async def test_a_deletion_is_confirmed_soon_whatever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a server that goes away is back some time."""
    within: list[float] = []
    real = deletion_reports._later

    async def later(seconds: float, *rest: Any) -> None:
        within.append(seconds)
        await real(0, *rest)

    monkeypatch.setattr(deletion_reports, "_later", later)

    async def script(stream: Stream) -> None:
        away = {"type": "reconnect", "after_ms": 1e300}
        await stream.send(hello(2), {**deleted(3, "a"), "confirm": {"within": 10**12}}, entry(4), away)
        await stream.receive()
        await stream.close(1012)

    async def again(stream: Stream) -> None:
        await stream.send(hello(4), entry(5))
        await stream.until_closed()

    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with LiveServer(script, again).running() as client:
        changes = client.follow("match", at(2), confirm=True, sleep=sleep)
        assert [(await anext(changes))["seq"] for _ in range(3)] == [3, 4, 5]
        await changes.aclose()
    assert within == [deletion_reports.WITHIN_MAX]
    assert pauses == [pytest.approx(live_stream.BACK_AFTER_MAX, abs=5)]
