"""The follower's rules, by themselves and over a real socket; and what the client sends again."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from liveserver.client import Client, ClientError, Step, Tracker, Unreachable
from liveserver.client import client as client_module
from liveserver.client.client import Broken
from liveserver.content.markup_cost import SAFE_MAX
from liveserver.domain.change import Position
from liveserver.protocol import encoding
from liveserver.utils.json_cost import VALUES_MAX
from liveserver.utils.limits.rate_limiter import Throttle
from tests.support.checkout import ROOT
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.http11 import Request, Response

Message = dict[str, Any]

EPOCH = "k3f9x2ab"
OTHER = "other234"
VECTORS = ROOT / "tests" / "vectors"


def at(seq: int, epoch: str = EPOCH) -> Position:
    return Position(epoch, seq)


def hello(seq: int, epoch: str = EPOCH, *, resumed: bool = True) -> Message:
    return {"type": "hello", "epoch": epoch, "seq": seq, "resumed": resumed, "heartbeat": 25}


def entry(seq: int) -> Message:
    return {"type": "entry", "seq": seq, "entry": {"id": f"e{seq}"}}


def heartbeat(seq: int) -> Message:
    return {"type": "heartbeat", "seq": seq, "viewers": 1}


def reset(seq: int, epoch: str = EPOCH) -> Message:
    return {"type": "reset", "epoch": epoch, "seq": seq}


# The tracker


def cases() -> list[Any]:
    """The shared vectors; what they say of the page itself is the reader's own."""
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(VECTORS.glob("*.json"))
        for case in json.loads(path.read_text())
    ]


class Follower:
    """Takes the vectors' messages as a client does that goes on listening while it waits for an answer."""

    def __init__(self, start: Message) -> None:
        position = Position.parse(start["position"])
        assert position is not None
        self.tracker = Tracker(position)
        self.effects: list[str] = []
        self._pending: Step | None = None
        self._shown = position.seq
        """The highest seq that the stream has shown to exist."""
        self._written_in = (start["language"], start["timezone"])

    def take(self, message: Message) -> None:
        """One message, or one answer of `changes`."""
        if "changes" in message:
            self._take_changes(message["changes"])
            return
        step = self.tracker.step(message)
        if step in {Step.RESYNC, Step.RESET}:
            self._shown = max(self._shown, message["seq"])
            self._ask(step)
        elif step is Step.APPLY and message["type"] == "liveblog":
            liveblog = message["liveblog"]
            if (liveblog["language"], liveblog["timezone"]) != self._written_in:
                self._ask(Step.RESET)

    def _take_changes(self, answer: Message) -> None:
        if answer.get("reset"):
            self._ask(Step.RESET)
            return
        self._pending = None
        for event in answer["events"]:
            if event["type"] == "gone":
                self.tracker.step(event)
                continue
            self.tracker.caught_up(Position(answer["epoch"], event["seq"]))
        if answer["more"]:
            self._ask(Step.RESYNC)
            return
        self.tracker.caught_up(Position(answer["epoch"], answer["seq"]))
        self.take(heartbeat(self._shown))

    def _ask(self, step: Step) -> None:
        if self._pending is not step:
            self.effects.append({Step.RESYNC: "resync", Step.RESET: "snapshot"}[step])
        self._pending = step


@pytest.mark.parametrize("case", cases())
def test_the_shared_vectors(case: Message) -> None:
    follower = Follower(case["start"])
    for message in case["messages"]:
        follower.take(message)
    assert str(follower.tracker.position) == case["expected"]["position"]
    assert follower.effects == case["expected"]["effects"]


def test_there_are_vectors() -> None:
    assert len(cases()) > 20


def test_a_follower_without_position_begins_where_it_is_told() -> None:
    tracker = Tracker()
    steps = [tracker.step(message) for message in (entry(9), heartbeat(9), hello(5, resumed=False), entry(5), entry(6))]
    assert steps == [Step.IGNORE, Step.IGNORE, Step.IGNORE, Step.IGNORE, Step.APPLY]
    assert tracker.position == at(6)


def test_a_heartbeat_within_a_replay_asks_for_nothing() -> None:
    tracker = Tracker(at(2))
    assert [tracker.step(message) for message in (hello(9), entry(5), heartbeat(9))] == [
        *(Step.IGNORE, Step.APPLY, Step.IGNORE),
    ]
    assert tracker.step(heartbeat(10)) is Step.RESYNC


def test_a_hello_of_another_history_is_a_reset_whatever_it_says() -> None:
    assert Tracker(at(2)).step(hello(2, OTHER, resumed=True)) is Step.RESET
    assert Tracker(at(2)).step(hello(2, OTHER, resumed=False)) is Step.RESET


def test_a_reset_that_was_followed_already_is_not_followed_again() -> None:
    tracker = Tracker(at(9))
    assert tracker.step(hello(3, OTHER, resumed=False)) is Step.RESET
    tracker.caught_up(at(5, OTHER))
    steps = [tracker.step(message) for message in (reset(3, OTHER), entry(4), entry(5), entry(6))]
    assert steps == [Step.IGNORE, Step.IGNORE, Step.IGNORE, Step.APPLY]


def test_seqs_of_the_old_history_mean_nothing_after_the_snapshot_of_the_new() -> None:
    """`changes` can tell of the new history before the stream does."""
    tracker = Tracker(at(9))
    tracker.step(hello(9))
    tracker.caught_up(at(10, OTHER))
    assert tracker.step(entry(11)) is Step.IGNORE
    assert tracker.step(heartbeat(11)) is Step.RESET, "one of both is stale, and nobody knows which"
    assert tracker.step(reset(10, OTHER)) is Step.IGNORE
    assert tracker.step(entry(11)) is Step.APPLY


def test_in_the_stream_a_reset_stops_everything_until_the_snapshot() -> None:
    tracker = Tracker(at(2))
    tracker.step(hello(2))
    assert [tracker.step(message) for message in (reset(7, OTHER), entry(3), entry(8))] == [
        *(Step.RESET, Step.IGNORE, Step.IGNORE),
    ]
    tracker.caught_up(at(8, OTHER))
    assert tracker.step(entry(9)) is Step.APPLY


# Following


class Stream:
    """One connection, as the server sees it."""

    def __init__(self, connection: ServerConnection, after: str | None) -> None:
        self.after = after
        self._connection = connection

    async def send(self, *messages: Message) -> None:
        for message in messages:
            await self._connection.send(encoding.dumps(message).decode())

    async def send_text(self, text: str) -> None:
        await self._connection.send(text)

    @property
    def compressed(self) -> bool:
        return bool(self._connection.protocol.extensions)

    async def receive(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            message: Message = json.loads(await self._connection.recv())
        return message

    async def close(self, code: int) -> None:
        await self._connection.close(code)

    async def until_closed(self) -> None:
        await self._connection.wait_closed()


class LiveServer:
    """Plays one script a connection, and answers `changes` and `snapshot` from what it is given."""

    def __init__(self, *scripts: Callable[[Stream], Awaitable[None]]) -> None:
        self.url = ""
        self.afters: list[str | None] = []
        self.asked: list[str] = []
        self.queries: list[str] = []
        self.answers: dict[str, list[Message]] = {"changes": [], "snapshot": [], "embed": []}
        self._scripts = list(scripts)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[Client]:
        async with serve(self._serve, "127.0.0.1", 0, process_request=self._process) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"http://127.0.0.1:{port}/"
            async with Client(self.url, **options) as client:
                yield client

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        assert parts.path.startswith("/api/v1/liveblogs/match/")
        name = parts.path.rpartition("/")[2]
        after = parse_qs(parts.query).get("after", [None])[0]
        self.queries.append(parts.query)
        if name == "ws":
            self.afters.append(after)
            return None
        self.asked.append(f"{name} {after}" if after else name)
        answers = self.answers[name]
        if not answers:
            return connection.respond(500, "nothing is left to answer")
        return connection.respond(200, encoding.dumps(answers.pop(0)).decode())

    async def _serve(self, connection: ServerConnection) -> None:
        await self._scripts.pop(0)(Stream(connection, self.afters[-1]))


class Following:
    """What a client yields, one by one."""

    def __init__(self, client: Client, after: Position | None = None) -> None:
        self.states: list[str] = []
        self.pauses: list[float] = []
        self._changes = client.follow("match", after, on_state=self.states.append, sleep=self._sleep)

    async def next(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await anext(self._changes)

    async def seqs(self, count: int) -> list[int]:
        return [(await self.next())["seq"] for _ in range(count)]

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


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
        assert 0 <= following.pauses[0] <= client_module.BACKOFF_FIRST
        assert 0 <= following.pauses[1] <= client_module.BACKOFF_FIRST * 2


async def test_the_back_off_grows_to_its_limit_and_begins_anew_after_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)

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
        assert following.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5, 1]


async def test_what_no_request_can_be_made_of() -> None:
    """A picture's name is whatever the server says."""
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ClientError, match="no request can be made of"):
            await client.file("/media/" + "x" * 70_000)


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
    """Who has stayed until the time it gave comes back at once, not after as long again."""
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


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


async def test_whoever_wants_hears_everything_and_why_it_was_lost() -> None:
    async def break_off(stream: Stream) -> None:
        await stream.send(hello(2), heartbeat(2), entry(3))
        await stream.close(1012)

    async def script(stream: Stream) -> None:
        await stream.send(hello(3), entry(4))
        await stream.until_closed()

    heard: list[Message] = []
    errors: list[Exception] = []
    async with LiveServer(break_off, script).running() as client, asyncio.timeout(PATIENCE):
        changes = client.follow("match", at(2), on_message=heard.append, on_error=errors.append, sleep=_at_once)
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


# Requests


class Api:
    """Answers requests in turn, and keeps them."""

    def __init__(self, *answers: httpx2.Response | httpx2.TransportError) -> None:
        self.requests: list[httpx2.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, httpx2.TransportError):
            raise answer
        return answer

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Api], Client]:
    """A client of an `Api`, without pauses."""
    monkeypatch.setattr(client_module, "BACKOFF_FIRST", 0)
    real = httpx2.AsyncClient

    def connect(api: Api) -> Client:
        monkeypatch.setattr(
            httpx2, "AsyncClient", lambda **options: real(transport=httpx2.MockTransport(api), **options)
        )
        return Client("http://live.example/", "lv_id_secret")

    return connect


def ok(content: Any = None, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=content if content is not None else {"id": "0192"})


async def test_what_each_call_sends(connect: Callable[[Api], Client]) -> None:
    api = Api(*[ok() for _ in range(9)], httpx2.Response(204))
    async with connect(api) as client:
        await client.create_liveblog({"title": "Été"})
        await client.liveblog("match")
        await client.publish("match", {"body": "x"})
        await client.publish("match", {"body": "x"}, idempotency_key="once")
        await client.edit("match", "0192", {"body": "y"}, version=3)
        await client.edit("match", "0192", {"body": "y"})
        await client.edit("match", "0192", {"body": "z"}, version=3, epoch=EPOCH)
        await client.snapshot("match", limit=5)
        await client.changes("match", at(7))
        await client.delete("match", "0192")
    assert api.lines == [
        "POST /api/v1/liveblogs",
        "GET /api/v1/liveblogs/match",
        "POST /api/v1/liveblogs/match/entries",
        "POST /api/v1/liveblogs/match/entries",
        *["PATCH /api/v1/liveblogs/match/entries/0192"] * 3,
        "GET /api/v1/liveblogs/match/snapshot?limit=5",
        f"GET /api/v1/liveblogs/match/changes?after={EPOCH}-7",
        "DELETE /api/v1/liveblogs/match/entries/0192",
    ]
    assert {request.headers["Authorization"] for request in api.requests} == {"Bearer lv_id_secret"}
    assert json.loads(api.requests[0].content) == {"title": "Été"}
    assert len(api.requests[2].headers["Idempotency-Key"]) == 36
    assert api.requests[3].headers["Idempotency-Key"] == "once"
    assert [request.headers["If-Match"] for request in api.requests[4:7]] == ['"3"', "*", f'"{EPOCH}-3"']


async def test_what_got_no_answer_is_sent_again_under_the_same_key(connect: Callable[[Api], Client]) -> None:
    api = Api(httpx2.ReadTimeout("late"), httpx2.Response(503), httpx2.ConnectError("refused"), ok({"id": "0192"}))
    async with connect(api) as client:
        assert await client.publish("match", {"body": "x"}) == {"id": "0192"}
    assert len({request.headers["Idempotency-Key"] for request in api.requests}) == 1
    assert len({request.content for request in api.requests}) == 1
    assert len(api.requests) == 4


async def test_too_many_requests_are_sent_again_when_the_server_says(
    connect: Callable[[Api], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before, whatever the client's own back-off; a date, or more than a minute, isn't waited for."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    told = ("7", "86400", "Wed, 21 Oct 2026 07:28:00 GMT", None)
    api = Api(
        *[httpx2.Response(429, headers={"Retry-After": value} if value else {}) for value in told], ok({"id": "0192"})
    )
    async with connect(api) as client:
        assert await client.publish("match", {"body": "x"}) == {"id": "0192"}
    assert len({request.headers["Idempotency-Key"] for request in api.requests}) == 1
    least = [7, client_module.RETRY_AFTER_MAX, 0, 0]
    assert slept == least


async def test_why_it_waits_is_told(connect: Callable[[Api], Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it does, and only where the server asks for it."""
    told: list[tuple[str, float] | float] = []

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr("random.uniform", lambda least, most: 0.0)
    api = Api(
        httpx2.Response(429, headers={"Retry-After": "7"}),
        httpx2.Response(503, headers={"Retry-After": "2"}),
        httpx2.Response(503),
        ok({"id": "0192"}),
    )
    async with connect(api) as client:
        client._on_wait = lambda why, seconds: told.append((why, seconds))
        await client.publish("match", {"body": "x"})
    many, busy = (
        "http://live.example has too many requests of ours (429)",
        "http://live.example has no time for it now (503)",
    )
    assert told == [(many, 7), 7, (busy, 2), 2, 0]


async def test_that_nobody_answers_is_told_at_once_and_once(
    connect: Callable[[Api], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    async def sleep(_seconds: float) -> None:
        told.append("pause")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    refused = httpx2.ConnectError("refused")
    async with connect(Api(httpx2.Response(503), refused, refused, ok({"id": "0192"}))) as client:
        client._on_silence = told.append
        await client.publish("match", {"body": "x"})
    assert told == ["pause", "http://live.example", "pause", "pause"]


async def test_in_the_end_it_gives_up(connect: Callable[[Api], Client]) -> None:
    unreachable = Api(*[httpx2.ConnectError("refused") for _ in range(client_module.TRIES)])
    async with connect(unreachable) as client:
        with pytest.raises(Unreachable, match=r"can't reach http://live\.example: refused") as caught:
            await client.liveblog("match")
    assert caught.value.status == 0
    away = Api(*[httpx2.Response(503, json={"detail": "the database is away"}) for _ in range(client_module.TRIES)])
    async with connect(away) as client:
        with pytest.raises(ClientError, match="503 the database is away"):
            await client.liveblog("match")
    assert len(away.requests) == client_module.TRIES


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (
            httpx2.Response(
                422,
                json={
                    "detail": "bad",
                    "errors": [{"pointer": "/body", "detail": "is blank"}, {"pointer": "/x", "detail": "y"}],
                },
            ),
            "422 /body: is blank; /x: y",
        ),
        (httpx2.Response(401, json={"detail": "no key"}), "401 no key"),
        (httpx2.Response(502, text="<html>"), "502 Bad Gateway"),
        (httpx2.Response(404), "404 Not Found"),
    ],
)
async def test_a_refusal_is_said_in_words_and_not_repeated(
    connect: Callable[[Api], Client], response: httpx2.Response, said: str
) -> None:
    api = Api(response)
    async with connect(api) as client:
        with pytest.raises(ClientError) as caught:
            await client.publish("match", {"body": " "})
    assert str(caught.value) == said
    assert caught.value.status == response.status_code
    assert len(api.requests) == 1


# Confirming deletions


def deleted(seq: int, entry_id: str) -> Message:
    return {"type": "delete", "seq": seq, "id": entry_id, "confirm": {"within": 1}}


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


# A server that isn't trusted


class Purse(Throttle):
    """A throttle that tells what was spent, and holds up what comes after so much."""

    def __init__(self, most: float = 1e9) -> None:
        super().__init__(1e9, 1)
        self.spent: list[float] = []
        self._left = most

    def spend(self, amount: float) -> float:
        self.spent.append(amount)
        self._left -= amount
        return 0.0 if self._left >= 0 else 3_600.0


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
    # What comes after them is the end of the connection.
    assert purse.spent[: 1 + len(told)] == [
        client_module.CONNECTION_MESSAGES,
        *(1 + len(encoding.dumps(message)) / client_module.MESSAGE_BYTES for message in told),
    ]
    assert compressed == [False]


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

    purse = Purse(client_module.CONNECTION_MESSAGES + 20)
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


async def test_answers_count_by_their_bytes() -> None:
    purse = Purse()
    server = LiveServer()
    server.answers["snapshot"] = [{"epoch": EPOCH, "seq": 1, "entries": ["x" * 40_000]}]
    async with server.running(throttle=purse) as client:
        await client.snapshot("match")
    assert purse.spent == [pytest.approx(3, abs=0.01)]


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
        await stream.send(hello(2), longest, {"type": "x", "x": "x" * client_module.MESSAGE_MAX})
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
        {"epoch": EPOCH, "seq": seq, "more": False, "events": []} for seq in range(3, 4 + client_module.ROUNDS_MAX)
    ]
    async with server.running() as client:
        assert (await Following(client, at(2)).next())["type"] == "gone"
    assert len(server.asked) == client_module.ROUNDS_MAX


async def test_an_error_has_a_few_of_a_servers_words(connect: Callable[[Api], Client]) -> None:
    async with connect(Api(ok({"detail": "A" * 10**6}, 404))) as client:
        with pytest.raises(ClientError) as refused:
            await client.liveblog("x")
    assert str(refused.value).startswith("404 AAA")
    assert len(str(refused.value)) <= client_module.DETAIL_MAX + 1


async def test_ones_own_server_may_say_much(connect: Callable[[Api], Client]) -> None:
    """A year of reach, hour by hour and for each partner, does."""
    async with connect(Api(ok({"partners": [[]] * VALUES_MAX}))) as client:
        assert len((await client.reach("x"))["partners"]) == VALUES_MAX


async def test_what_is_no_object_is_no_answer(connect: Callable[[Api], Client]) -> None:
    async with connect(Api(ok([1], 404))) as client:
        with pytest.raises(Broken):
            await client.liveblog("x")


async def test_a_deletion_is_confirmed_soon_whatever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a server that goes away is back some time."""
    within: list[float] = []
    real = client_module._later

    async def later(seconds: float, *rest: Any) -> None:
        within.append(seconds)
        await real(0, *rest)

    monkeypatch.setattr(client_module, "_later", later)

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
    assert within == [client_module.WITHIN_MAX]
    assert pauses == [pytest.approx(client_module.BACK_AFTER_MAX, abs=5)]


def test_the_memory_of_what_is_gone_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "GONE_MAX", 3)
    tracker = Tracker(at(2))
    steps = [tracker.step({"type": "gone", "id": each}) for each in "abcdda"]
    assert steps == [*[Step.APPLY] * 4, Step.IGNORE, Step.APPLY]
    assert len(tracker._gone) == 3
