"""The promises of every bus, and how the one over Redis lives through Redis' faults."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from structlog.testing import capture_logs

from liveserver.realtime import bus as bus_package
from liveserver.realtime.bus import Bus, Medium, MemoryBus
from liveserver.realtime.bus import redis as redis_module
from liveserver.realtime.bus.redis import RedisBus
from tests.support.viewers import PATIENCE, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.services import RedisServer, StartRedis


class Ear:
    """A receiver that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.announcements: list[bytes] = []
        self.links: list[bool] = []
        self.on_up: Callable[[], object] = lambda: None
        self._news = asyncio.Event()

    def received(self, slug: str, message: bytes) -> None:
        self.heard.append((slug, message))
        self._news.set()

    def announced(self, message: bytes) -> None:
        self.announcements.append(message)
        self._news.set()

    def link_changed(self, up: bool) -> None:
        self.links.append(up)
        if up:
            self.on_up()
        self._news.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for news after which `reached()` holds."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self._news.clear()
                await self._news.wait()

    async def until_heard(self, message: bytes) -> None:
        await self.until(lambda: any(heard == message for _, heard in self.heard))

    async def until_announced(self, message: bytes) -> None:
        await self.until(lambda: message in self.announcements)

    async def until_link(self, *links: bool) -> None:
        await self.until(lambda: self.links[-len(links) :] == list(links))


class MakeBus(Protocol):
    """Another end of the same bus, not started."""

    def __call__(self) -> Bus: ...


@asynccontextmanager
async def end(bus: Bus, *slugs: str) -> AsyncIterator[Ear]:
    """A started bus and what it hears."""
    ear = Ear()
    before = asyncio.all_tasks()
    await bus.start(ear)
    for slug in slugs:
        await bus.subscribe(slug)
    yield ear
    await bus.close()
    assert asyncio.all_tasks() <= before
    assert not bus.up


@pytest.fixture(params=["local", "redis"])
def make_bus(request: pytest.FixtureRequest) -> MakeBus:
    if request.param == "local":
        medium = Medium()
        return lambda: MemoryBus(medium)
    server: RedisServer = request.getfixturevalue("redis_server")
    # The session's Redis is shared: each test has channels of its own.
    prefix = f"test:{request.node.name}"
    return lambda: RedisBus(server.url, prefix=prefix)


async def test_a_message_reaches_every_end_its_publisher_too(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    async with end(one, "match") as ear_one, end(two, "match") as ear_two:
        assert one.up
        assert ear_one.links == ear_two.links == [True]
        one.publish("match", b"hello")
        for ear in (ear_one, ear_two):
            await ear.until_heard(b"hello")
            assert ear.heard == [("match", b"hello")]


async def test_messages_keep_their_order(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    async with end(one), end(two, "match") as ear:
        messages = [b"%d" % number for number in range(500)]
        for message in messages:
            one.publish("match", message)
        await ear.until_heard(messages[-1])
        assert [message for _, message in ear.heard] == messages


async def test_only_what_is_subscribed_arrives(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    async with end(one), end(two, "match", "other") as ear:
        for slug in ("match", "mat", "match-2", "unread", "other"):
            one.publish(slug, slug.encode())
        await ear.until_heard(b"other")
        assert ear.heard == [("match", b"match"), ("other", b"other")]


async def test_an_announcement_reaches_every_other_end_whatever_it_subscribes_to(make_bus: MakeBus) -> None:
    one, two, three = make_bus(), make_bus(), make_bus()
    async with end(one) as ear_one, end(two, "match", "nodes") as ear_two, end(three) as ear_three:
        for message in (b"first", b"", b"last"):
            one.announce(message)
        for ear in (ear_two, ear_three):
            await ear.until_announced(b"last")
            assert ear.announcements == [b"first", b"", b"last"]
        assert [ear.heard for ear in (ear_one, ear_two, ear_three)] == [[], [], []], "they are no changes"
        two.announce(b"back")
        await ear_one.until_announced(b"back")


async def test_a_subscription_is_in_force_when_it_returns(make_bus: MakeBus) -> None:
    """Else a change between the hub's subscribing and reading would be lost."""
    one, two = make_bus(), make_bus()
    async with end(one), end(two) as ear:
        for number in range(30):
            slug = f"live-{number}"
            await two.subscribe(slug)
            one.publish(slug, slug.encode())
            await ear.until_heard(slug.encode())


async def test_what_is_unsubscribed_arrives_no_more_until_it_is_subscribed_again(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    async with end(one), end(two, "match", "other") as ear:
        await two.unsubscribe("match")
        await two.unsubscribe("unknown")
        one.publish("match", b"lost")
        one.publish("other", b"kept")
        await ear.until_heard(b"kept")
        await two.subscribe("match")
        await two.subscribe("match")
        one.publish("match", b"back")
        await ear.until_heard(b"back")
        one.publish("other", b"last")
        await ear.until_heard(b"last")
        assert [message for _, message in ear.heard] == [b"kept", b"back", b"last"]


async def test_a_subscription_that_overtakes_an_unsubscription_holds(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    async with end(one), end(two, "match") as ear:
        await asyncio.gather(two.unsubscribe("match"), two.subscribe("match"))
        one.publish("match", b"x")
        await ear.until_heard(b"x")


async def test_payloads_are_bytes(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    payloads = [b"", bytes(range(256)), "« Vraiment\u202f? »".encode(), b"*1\r\n$4\r\nPING\r\n", b"x" * 200_000]
    async with end(one), end(two, "match") as ear:
        for payload in payloads:
            one.publish("match", payload)
        await ear.until_heard(payloads[-1])
        assert [message for _, message in ear.heard] == payloads


async def test_publishing_before_the_start_and_after_the_end_is_no_error(make_bus: MakeBus) -> None:
    bus = make_bus()
    bus.publish("match", b"early")
    async with end(bus, "match"):
        pass
    bus.publish("match", b"late")


async def test_nothing_arrives_after_the_end(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    async with end(one, "match") as ear_one:
        async with end(two, "match") as ear_two:
            pass
        one.publish("match", b"x")
        await ear_one.until_heard(b"x")
        assert ear_two.heard == []


def test_connect_takes_redis_if_there_is_an_address() -> None:
    assert isinstance(bus_package.connect(None, prefix="p"), MemoryBus)
    assert isinstance(bus_package.connect("redis://localhost", prefix="p"), RedisBus)


# Redis' faults


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """All waits of the Redis bus, shortened."""
    for name, seconds in {
        "CONNECT_TIMEOUT": 0.5,
        "COMMAND_TIMEOUT": 0.5,
        "PROBE_INTERVAL": 0.1,
        "PROBE_TIMEOUT": 0.5,
        "BACKOFF_MAX": 0.2,
    }.items():
        monkeypatch.setattr(redis_module, name, seconds)


async def in_thread(call: Callable[[], None]) -> None:
    """Run a function in a thread: a wait for a process must not stop the loop."""
    await asyncio.to_thread(call)


async def until_delivered(publisher: Bus, ear: Ear, message: bytes) -> None:
    """Publish until it arrives: a sender that has lost its connection loses what it notices that by."""
    async with asyncio.timeout(PATIENCE):
        while not any(heard == message for _, heard in ear.heard):
            publisher.publish("match", message)
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("fault", ["kill", "stop", "pause"])
async def test_redis_goes_and_comes_back(start_redis: StartRedis, fault: str) -> None:
    """Both ends are told, publishing goes on without error, and all subscriptions are back."""
    server = start_redis()
    one, two = RedisBus(server.url), RedisBus(server.url)
    async with end(one, "match") as ear_one, end(two, "match") as ear_two:
        await in_thread(getattr(server, fault))
        await ear_one.until_link(True, False)
        await ear_two.until_link(True, False)
        assert not one.up
        one.publish("match", b"lost")
        await asyncio.wait_for(two.subscribe("meanwhile"), PATIENCE)
        await asyncio.wait_for(two.unsubscribe("other"), PATIENCE)
        await in_thread(server.resume if fault == "pause" else server.start)
        await ear_one.until_link(True, False, True)
        await ear_two.until_link(True, False, True)
        assert two.up
        await until_delivered(one, ear_two, b"back")
        one.publish("meanwhile", b"wished for while it was down")
        await ear_two.until_heard(b"wished for while it was down")


@pytest.mark.usefixtures("hasty")
async def test_a_subscriber_that_redis_drops_is_rebuilt(start_redis: StartRedis) -> None:
    """As Redis does with one whose output buffer is full."""
    server = start_redis()
    bus = RedisBus(server.url)
    async with end(bus, "match") as ear, Redis.from_url(server.url) as admin:
        # The receiver will read what it missed at once: what is published from then on must arrive.
        heard_by: list[object] = []
        ear.on_up = lambda: heard_by.append(publish_at_once(server, "liveserver:liveblog:match"))
        assert await admin.client_kill_filter(_type="pubsub") == 1
        await ear.until_link(True, False, True)
        assert heard_by == [1], "subscribed already when the link is reported up"
        bus.publish("match", b"x")
        await ear.until_heard(b"x")


@pytest.mark.usefixtures("hasty")
async def test_one_message_that_is_too_large_for_a_subscriber_makes_nobody_deaf(start_redis: StartRedis) -> None:
    """Redis drops the subscriber, whoever sent it (python-socketio #1581). Ours are small; others share a Redis."""
    server = start_redis("--client-output-buffer-limit", "pubsub 1mb 0 0")
    bus = RedisBus(server.url)
    async with end(bus, "match") as ear, Redis.from_url(server.url) as stranger:
        assert await stranger.publish("liveserver:liveblog:match", b"x" * 2_000_000) == 1
        await ear.until_link(True, False, True)
        assert ear.heard == []
        bus.publish("match", b"x")
        await ear.until_heard(b"x")


def publish_at_once(server: RedisServer, channel: str) -> object:
    """Publish while the event loop stands still; how many subscribers Redis had."""
    with BlockingRedis.from_url(server.url) as redis:
        return redis.publish(channel, b"at once")


async def test_a_subscription_waits_for_redis_to_confirm_it(start_redis: StartRedis) -> None:
    server = start_redis()
    bus = RedisBus(server.url)
    async with end(bus) as ear:
        server.pause()
        subscribing = asyncio.create_task(bus.subscribe("match"))
        await settle()
        assert not subscribing.done()
        server.resume()
        await asyncio.wait_for(subscribing, PATIENCE)
        assert publish_at_once(server, "liveserver:liveblog:match") == 1
        await ear.until_heard(b"at once")


async def test_what_is_subscribed_while_the_connection_is_made_is_subscribed_after_it(start_redis: StartRedis) -> None:
    server = start_redis()
    bus = RedisBus(server.url)
    ear = Ear()
    server.pause()
    starting = asyncio.create_task(bus.start(ear))
    await settle()
    await bus.subscribe("match")
    assert not bus.up
    server.resume()
    await asyncio.wait_for(starting, PATIENCE)
    await until_delivered(bus, ear, b"x")
    await bus.close()


class Wire:
    """A TCP relay to Redis that can swallow what Redis says on the connections that are open."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._deaf: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Wire]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def go_deaf(self) -> None:
        """From now on nothing comes back on today's connections, and nothing says so."""
        self._deaf |= self._open

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._open.add(writer)
        relays = [self._relay(reader, redis_writer), self._relay(redis_reader, writer)]
        self._tasks |= {asyncio.create_task(relay) for relay in relays}

    async def _relay(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if target not in self._deaf:
                    target.write(data)
        except OSError:
            pass
        finally:
            target.close()


@pytest.mark.usefixtures("hasty")
async def test_a_subscription_gone_deaf_is_noticed_by_the_probe(redis_server: RedisServer) -> None:
    async with Wire(redis_server.port).running() as wire:
        bus = RedisBus(f"redis://127.0.0.1:{wire.port}/0", prefix="deaf")
        async with end(bus, "match") as ear:
            wire.go_deaf()
            await ear.until_link(True, False, True)
            await until_delivered(bus, ear, b"x")


@pytest.mark.usefixtures("hasty")
async def test_a_quiet_subscription_is_not_taken_for_deaf(redis_server: RedisServer) -> None:
    bus = RedisBus(redis_server.url, prefix="quiet")
    async with end(bus, "match") as ear, end(RedisBus(redis_server.url, prefix="quiet")) as other:
        async with Redis.from_url(redis_server.url) as admin, admin.pubsub() as probes:
            await probes.psubscribe("quiet:probe:*")
            seen = 0
            while seen < 14:
                message = await probes.get_message(ignore_subscribe_messages=True, timeout=PATIENCE)
                seen += message is not None
        assert ear.links == other.links == [True], "two ends probed for longer than the probe's time-out"


@pytest.mark.usefixtures("hasty")
async def test_redis_may_be_away_at_the_start(start_redis: StartRedis) -> None:
    server = start_redis()
    await in_thread(server.stop)
    bus = RedisBus(server.url)
    async with end(bus, "match") as ear:
        assert not bus.up
        assert ear.links == []
        bus.publish("match", b"lost")
        await in_thread(server.start)
        await ear.until_link(True)
        await until_delivered(bus, ear, b"x")
        assert set(ear.heard) == {("match", b"x")}


@pytest.mark.usefixtures("hasty")
async def test_redis_may_hang_at_the_start(start_redis: StartRedis) -> None:
    server = start_redis()
    server.pause()
    bus = RedisBus(server.url)
    async with end(bus, "match") as ear:
        assert not bus.up
        server.resume()
        await ear.until_link(True)


async def test_an_address_that_nothing_can_be_made_of_is_a_bus_that_is_down() -> None:
    bus = RedisBus("redis://localhost:no-port")
    with capture_logs() as logs:
        async with asyncio.timeout(PATIENCE):
            ear = Ear()
            starting = asyncio.create_task(bus.start(ear))
            await starting
            assert not bus.up
            await bus.close()
    assert logs[0]["event"] == "bus.broken"


@pytest.mark.usefixtures("hasty")
async def test_a_redis_that_stays_away_for_long_is_still_waited_for(
    start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The back-off must bear any number of failures."""
    server = start_redis()
    await in_thread(server.stop)
    attempts = 0
    enough = asyncio.Event()
    monkeypatch.setattr(redis_module, "BACKOFF_MAX", 0)
    monkeypatch.setattr("random.uniform", lambda *_: 0)
    connect = RedisBus._client

    def count(self: RedisBus) -> Redis:
        nonlocal attempts
        attempts += 1
        if attempts > 1100:
            enough.set()
        elif attempts > 3:
            raise OSError("away")
        return connect(self)

    monkeypatch.setattr(RedisBus, "_client", count)
    bus = RedisBus(server.url)
    async with end(bus, "match") as ear:
        await asyncio.wait_for(enough.wait(), PATIENCE)
        await in_thread(server.start)
        await ear.until_link(True)


async def test_the_outbox_is_bounded(start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Redis hangs, what is published beyond the bound is dropped; the rest arrives, if Redis lets it."""
    monkeypatch.setattr(redis_module, "OUTBOX_MESSAGES", 10)
    monkeypatch.setattr(redis_module, "OUTBOX_BYTES", 1000)
    server = start_redis()
    bus = RedisBus(server.url)
    async with end(bus, "match") as ear:
        with capture_logs() as logs:
            for number in range(15):
                bus.publish("match", b"few %d" % number)
            await ear.until_heard(b"few 9")
            for number in range(15):
                bus.publish("match", b"large %d" % number + b"x" * 300)
            await ear.until(lambda: len(ear.heard) >= 13)
        bus.publish("match", b"after")
        await ear.until_heard(b"after")
        await settle()
    assert [message[:7] for _, message in ear.heard[:10]] == [b"few %d" % number for number in range(10)]
    assert [message[:7] for _, message in ear.heard[10:]] == [b"large 0", b"large 1", b"large 2", b"after"]
    assert [entry["event"] for entry in logs].count("bus.outbox_full") == 5 + 12


@pytest.mark.usefixtures("hasty")
async def test_a_password_is_not_logged(start_redis: StartRedis) -> None:
    server = start_redis("--requirepass", "s3cret")
    with capture_logs() as logs:
        async with end(RedisBus(f"redis://:s3cret@127.0.0.1:{server.port}/0"), "match") as ear:
            await in_thread(server.stop)
            await ear.until_link(True, False)
    assert {entry["event"] for entry in logs} >= {"bus.up", "bus.down"}
    assert "s3cret" not in str(logs)
