"""A follower of a server that isn't trusted: what it says is bounded, and counts."""

from __future__ import annotations

import asyncio

import pytest

from liveserver.client import Message, live_stream, requests
from liveserver.client.errors import Broken
from liveserver.content.markup_cost import SAFE_MAX
from liveserver.protocol import json_encoding
from liveserver.utils.json_cost import VALUES_MAX
from tests.support.scripted_server import (
    EPOCH,
    Following,
    LiveServer,
    Purse,
    Stream,
    at,
    entry,
    heartbeat,
    hello,
)
from tests.support.viewers import PATIENCE


async def test_everything_that_a_server_says_counts() -> None:
    """Heartbeats, unknown types and known changes too; by their bytes; and it is sent as it is."""
    told = [hello(2), heartbeat(2), {"type": "weather"}, entry(1), {"type": "x", "long": "x" * 100_000}, entry(3)]
    compressed: list[bool] = []

    async def script(stream: Stream) -> None:
        compressed.append(stream.compressed)
        await stream.send(*told)
        await stream.until_closed()

    purse = Purse()
    async with LiveServer(script).running(throttle=purse) as client:
        assert await Following(client, at(2)).next() == entry(3)
    # The end of the connection comes after them.
    assert purse.spent[: 1 + len(told)] == [
        live_stream.CONNECTION_MESSAGES,
        *(1 + len(json_encoding.dumps(message)) / requests.MESSAGE_BYTES for message in told),
    ]
    assert compressed == [False]


@pytest.mark.slow
async def test_what_a_server_may_not_send_waits_there() -> None:
    """However little it says, and whatever it is: in the end it can't send on."""
    held = asyncio.Event()

    async def script(stream: Stream) -> None:
        await stream.send(hello(2))
        try:
            while True:
                async with asyncio.timeout(0.3):
                    await stream.send_text('{"type":"x","y":"' + "y" * 10_000 + '"}')
        except TimeoutError:
            held.set()
        await stream.until_closed()

    purse = Purse(live_stream.CONNECTION_MESSAGES + 20)
    heard: list[Message] = []
    async with LiveServer(script).running(throttle=purse) as client:

        async def follow() -> None:
            async for _ in client.follow("match", at(2), on_message=heard.append):
                pass

        task = asyncio.create_task(follow())
        async with asyncio.timeout(PATIENCE):
            await held.wait()
        task.cancel()
    assert len(heard) <= 20


async def test_the_loop_has_its_turn_between_messages() -> None:
    """Also while more of them are there already."""

    async def script(stream: Stream) -> None:
        await stream.send(hello(2), *[{"type": "x"}] * 200, entry(3))
        await stream.until_closed()

    heard: list[int] = []
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with LiveServer(script).running(throttle=Purse()) as client:
        task = asyncio.create_task(count())
        changes = client.follow("match", at(2), on_message=lambda message: heard.append(turns))
        await anext(changes)
        await changes.aclose()
        task.cancel()
    assert len(set(heard)) == len(heard) == 202


async def test_each_change_that_was_missed_counts() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), heartbeat(4))
        await stream.until_closed()

    purse = Purse()
    server = LiveServer(script)
    server.answers["changes"] = [{"epoch": EPOCH, "seq": 4, "more": False, "events": [entry(3), entry(4)]}]
    async with server.running(throttle=purse) as client:
        assert await Following(client, at(2)).seqs(2) == [3, 4]
    # After the connection, two messages and an answer; the end of the connection is one more.
    assert purse.spent[4:6] == [1, 1]


@pytest.mark.parametrize("bomb", ["[]", "{}", '"x"', "0.5"])
async def test_a_message_of_too_many_values_is_no_liveservers(bomb: str) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2))
        await stream.send_text('{"type":"heartbeat","seq":2,"x":[' + f"{bomb}," * VALUES_MAX + "0]}")
        await stream.until_closed()

    async with LiveServer(script).running(throttle=Purse()) as client:
        with pytest.raises(Broken, match="values"):
            await Following(client, at(2)).next()


@pytest.mark.parametrize("body", ["x" * SAFE_MAX, '"' * SAFE_MAX, "😀" * (SAFE_MAX // 2), "é" * SAFE_MAX])
async def test_a_message_has_the_longest_entry_and_no_more(body: str) -> None:
    """Twice the body, and all its corrections."""
    corrections = [{"at": "2026-11-22T09:30:00.000Z", "note": "é" * 1_000}] * 50
    longest = {"type": "entry", "seq": 3, "entry": {"id": "e3", "body": body, "html": body, "corrections": corrections}}

    async def script(stream: Stream) -> None:
        await stream.send(hello(2), longest, {"type": "x", "x": "x" * live_stream.MESSAGE_MAX})
        await stream.until_closed()

    async with LiveServer(script).running(throttle=Purse()) as client:
        following = Following(client, at(2))
        assert await following.next() == longest
        with pytest.raises(Broken, match="too big"):
            await following.next()


@pytest.mark.parametrize(
    ("events", "seq"),
    [([], 3), ([], 2), ([entry(2)], 2), ([entry(3)], 2), ([entry(1)], 3)],
    ids=["nothing", "nothing and no seq", "what is known", "no seq", "what is older"],
)
async def test_more_for_ever_without_anything_is_no_liveservers(events: list[Message], seq: int) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), heartbeat(9))
        await stream.until_closed()

    server = LiveServer(script)
    server.answers["changes"] = [{"epoch": EPOCH, "seq": seq, "more": True, "events": events}] * 3
    async with server.running() as client:
        with pytest.raises(Broken, match="has more"):
            await Following(client, at(2)).next()
    assert len(server.asked) == 1


async def test_a_stream_that_tells_of_what_changes_dont_have_is_asked_a_few_times() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), heartbeat(10**6), {"type": "gone", "id": "x"})
        await stream.until_closed()

    server = LiveServer(script)
    server.answers["changes"] = [
        {"epoch": EPOCH, "seq": seq, "more": False, "events": []} for seq in range(3, 4 + live_stream.ROUNDS_MAX)
    ]
    async with server.running() as client:
        assert (await Following(client, at(2)).next())["type"] == "gone"
    assert len(server.asked) == live_stream.ROUNDS_MAX
