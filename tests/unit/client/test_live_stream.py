"""A live blog followed over a real socket: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed

from liveserver.client import Client, ClientError, Message, live_stream
from tests.support.scripted_server import (
    EPOCH,
    OTHER,
    Following,
    LiveServer,
    Stream,
    at,
    at_once,
    deleted,
    entry,
    heartbeat,
    hello,
    reset,
)
from tests.support.viewers import PATIENCE


async def test_live_changes_are_yielded_once_and_in_order() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), entry(3), entry(3), {"type": "weather"}, entry(4), heartbeat(4), entry(5))
        await stream.until_closed()

    server = LiveServer(script)
    async with server.running() as client:
        following = Following(client, at(2))
        assert await following.next() == entry(3)
        assert await following.seqs(2) == [4, 5]
        assert (server.afters, server.asked, following.states) == ([f"{EPOCH}-2"], [], ["live"])


async def test_a_follower_comes_back_to_where_it_was() -> None:
    async def first(stream: Stream) -> None:
        await stream.send(hello(2, resumed=False), entry(3))
        await stream.close(1011)

    async def second(stream: Stream) -> None:
        await stream.close(4000)

    async def third(stream: Stream) -> None:
        await stream.send(hello(7), entry(5), entry(7), entry(8))
        await stream.until_closed()

    server = LiveServer(first, second, third)
    async with server.running() as client:
        following = Following(client)
        assert await following.seqs(4) == [3, 5, 7, 8]
        assert server.afters == [None, f"{EPOCH}-3", f"{EPOCH}-3"]
        assert following.states == ["live", "lost", "live", "lost", "live"]
        assert 0 <= following.pauses[0] <= live_stream.BACKOFF_FIRST
        assert 0 <= following.pauses[1] <= live_stream.BACKOFF_FIRST * 2


@pytest.mark.parametrize(("stable", "after"), [(0.0, [1, 2]), (5.0, [15, 15])])
async def test_the_back_off_grows_to_its_limit_and_begins_anew_after_a_connection_that_lived(
    monkeypatch: pytest.MonkeyPatch, stable: float, after: list[float]
) -> None:
    """In the test, a connection lives for some milliseconds."""
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    assert live_stream.STABLE == 5
    monkeypatch.setattr(live_stream, "STABLE", stable)

    async def refuse(stream: Stream) -> None:
        await stream.close(1013)

    async def speak(stream: Stream) -> None:
        await stream.send(hello(2), entry(3))
        await stream.close(1012)

    async def stay(stream: Stream) -> None:
        await stream.send(hello(3), entry(4))
        await stream.until_closed()

    async with LiveServer(*[refuse] * 8, speak, refuse, stay).running() as client:
        following = Following(client, at(2))
        assert await following.seqs(2) == [3, 4]
        assert following.pauses == [1, 2, 4, 8, 15, 15, 15, 15, *after]


async def test_a_server_that_goes_away_says_when_to_come_back() -> None:
    async def leave(stream: Stream) -> None:
        await stream.send(hello(2), {"type": "reconnect", "after_ms": 8200})
        await stream.close(1012)

    async def stay(stream: Stream) -> None:
        await stream.send(hello(2), entry(3))
        await stream.until_closed()

    async with LiveServer(leave, stay).running() as client:
        following = Following(client, at(2))
        assert await following.seqs(1) == [3]
        assert following.pauses == [pytest.approx(8.2, abs=1)]


async def test_a_server_that_goes_away_is_followed_until_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has stayed until the time it gave comes back at once, not after as long again."""
    monkeypatch.setattr("random.uniform", lambda low, high: high)

    async def leave(stream: Stream) -> None:
        await stream.send(hello(2), {"type": "reconnect", "after_ms": 20}, entry(3))
        await asyncio.sleep(0.02)
        await stream.close(1012)

    async def stay(stream: Stream) -> None:
        await stream.send(hello(3), entry(4))
        await stream.until_closed()

    server = LiveServer(leave, stay)
    async with server.running() as client:
        following = Following(client, at(2))
        assert await following.seqs(2) == [3, 4]
        assert server.afters == [f"{EPOCH}-2", f"{EPOCH}-3"]
        assert following.pauses == [pytest.approx(0, abs=0.02)]


async def test_an_unknown_live_blog_is_final() -> None:
    async def refuse(stream: Stream) -> None:
        await stream.close(4504)

    async with LiveServer(refuse).running() as client:
        with pytest.raises(ClientError, match="no live blog match") as caught:
            await Following(client).next()
        assert caught.value.status == 404


@pytest.mark.parametrize("slug", ["Match", "match?delay=3", "match/../vote", ""])
async def test_what_is_no_slug_is_final(slug: str) -> None:
    """The server isn't asked: its 404 to a handshake may be that of a proxy which doesn't know it yet."""
    async with LiveServer().running() as client:
        with pytest.raises(ClientError, match="no live blog") as caught:
            await anext(client.follow(slug, None))
        assert caught.value.status == 404


async def test_a_partner_that_isnt_let_in_is_final_and_told_why() -> None:
    async def refuse(stream: Stream) -> None:
        await stream.close(4503)

    server = LiveServer(refuse, refuse)
    server.answers["embed"] = [{"allowed": False, "reason": "disabled"}]
    async with server.running(partner="p_0a1b2c3d4e5f") as client:
        for said in ("disabled", "refused"):
            with pytest.raises(ClientError, match=f"doesn't let us in: {said}") as caught:
                await Following(client).next()
            assert caught.value.status == 403


async def test_a_partner_reads_all_as_that() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), entry(4))
        await stream.until_closed()

    server = LiveServer(script)
    server.answers["changes"] = [{"epoch": EPOCH, "seq": 4, "more": False, "events": [entry(4)]}]
    server.answers["snapshot"] = [{"epoch": EPOCH, "seq": 2}]
    async with server.running(partner="p_0a1b2c3d4e5f") as client:
        await client.snapshot("match", limit=1)
        assert await Following(client, at(2)).seqs(1) == [4]
    assert len(server.queries) == 3
    assert all("partner=p_0a1b2c3d4e5f" in query for query in server.queries)


async def test_a_caller_that_wants_hears_everything_and_why_it_was_lost() -> None:
    async def break_off(stream: Stream) -> None:
        await stream.send(hello(2), heartbeat(2), entry(3))
        await stream.close(1012)

    async def script(stream: Stream) -> None:
        await stream.send(hello(3), entry(4))
        await stream.until_closed()

    heard: list[Message] = []
    errors: list[Exception] = []
    async with LiveServer(break_off, script).running() as client, asyncio.timeout(PATIENCE):
        changes = client.follow("match", at(2), on_message=heard.append, on_error=errors.append, sleep=at_once)
        assert [(await anext(changes))["seq"] for _ in range(2)] == [3, 4]
    assert [message["type"] for message in heard] == ["hello", "heartbeat", "entry", "hello", "entry"]
    assert "1012" in str(errors[0])


async def test_a_skip_is_filled_from_changes_page_by_page() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), entry(3), entry(8), entry(9))
        await stream.until_closed()

    server = LiveServer(script)
    server.answers["changes"] = [
        {"epoch": EPOCH, "seq": 8, "more": True, "events": [entry(4), entry(6)]},
        {"epoch": EPOCH, "seq": 8, "more": False, "events": [entry(8)]},
    ]
    async with server.running() as client:
        assert await Following(client, at(2)).seqs(5) == [3, 4, 6, 8, 9]
        assert server.asked == [f"changes {EPOCH}-3", f"changes {EPOCH}-6"]


async def test_a_heartbeat_ahead_is_a_skip_too() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), heartbeat(3))
        await stream.until_closed()

    server = LiveServer(script)
    server.answers["changes"] = [{"epoch": EPOCH, "seq": 3, "more": False, "events": [entry(3)]}]
    async with server.running() as client:
        assert await Following(client, at(2)).seqs(1) == [3]


async def test_changes_that_end_too_early_are_asked_again_while_they_bring_something() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), entry(6), entry(5), entry(6))
        await stream.until_closed()

    server = LiveServer(script)
    stale = {"epoch": EPOCH, "seq": 4, "more": False, "events": []}
    server.answers["changes"] = [stale | {"events": [entry(4)]}, stale]
    async with server.running() as client:
        assert await Following(client, at(2)).seqs(3) == [4, 5, 6]
        assert server.asked == [f"changes {EPOCH}-2", f"changes {EPOCH}-4"]


async def test_a_void_position_is_answered_by_one_snapshot() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(3, OTHER, resumed=False), reset(3, OTHER), entry(4), entry(5))
        await stream.until_closed()

    server = LiveServer(script)
    server.answers["snapshot"] = [{"epoch": OTHER, "seq": 4, "entries": []}]
    async with server.running() as client:
        following = Following(client, at(9))
        assert await following.next() == {"type": "reset", "epoch": OTHER, "seq": 4, "entries": []}
        assert await following.seqs(1) == [5]
        assert server.asked == ["snapshot"]


async def test_changes_of_another_history_are_answered_by_a_snapshot() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), entry(4), entry(5), reset(4, OTHER), entry(5))
        await stream.until_closed()

    server = LiveServer(script)
    server.answers["changes"] = [{"reset": True, "epoch": OTHER, "seq": 4}]
    server.answers["snapshot"] = [{"epoch": OTHER, "seq": 4, "entries": []}]
    async with server.running() as client:
        following = Following(client, at(2))
        assert (await following.next())["type"] == "reset"
        assert await following.next() == entry(5)
        assert server.asked == [f"changes {EPOCH}-2", "snapshot"]


async def test_a_resync_that_fails_is_made_good_by_coming_back() -> None:
    async def first(stream: Stream) -> None:
        await stream.send(hello(2), entry(5))
        await stream.until_closed()

    async def second(stream: Stream) -> None:
        await stream.send(hello(5), entry(3), entry(5))
        await stream.until_closed()

    server = LiveServer(first, second)
    async with server.running() as client:
        assert await Following(client, at(2)).seqs(2) == [3, 5]
        assert server.afters == [f"{EPOCH}-2"] * 2


async def test_a_follower_that_was_not_told_to_says_nothing() -> None:
    async def script(stream: Stream) -> None:
        await stream.send(hello(2), deleted(3, "a"), entry(4))
        with pytest.raises(ConnectionClosed):
            await stream.receive()

    async with LiveServer(script).running() as client:
        changes = client.follow("match", at(2))
        assert [(await anext(changes))["seq"] for _ in range(2)] == [3, 4]
        await asyncio.sleep(0.02)
        await changes.aclose()


async def test_a_server_that_is_away_is_waited_for() -> None:
    states: list[str] = []

    class Enough(Exception):
        pass

    async def sleep(_seconds: float) -> None:
        if len(states) == 3:
            raise Enough

    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(Enough):
            await anext(client.follow("match", on_state=states.append, sleep=sleep))
    assert states == ["lost"] * 3
