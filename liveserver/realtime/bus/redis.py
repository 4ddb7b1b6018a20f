"""The bus over Redis pub/sub. It has a Redis channel for each live blog, and one for announcements of all nodes.

A process subscribes to the Redis channels of the live blogs that somebody follows in this process. Redis delivers each
message at most once. A subscription can stop receiving without an error (redis-py #2417, python-socketio #1581), for
example because the connection is half-open, or because Redis has dropped a subscriber with a full buffer. So the
subscriber tests itself: about every PROBE_INTERVAL seconds, it publishes a message (the probe) to a Redis channel of
its own. If it receives nothing for PROBE_TIMEOUT seconds, not even the probe, it makes a new connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from liveserver.settings import hide_password

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

    from liveserver.realtime.bus.port import Receiver

# These times are in seconds.
CONNECT_TIMEOUT = 2.0
COMMAND_TIMEOUT = 2.0
PROBE_INTERVAL = 1.0
PROBE_TIMEOUT = 4.0
BACKOFF_MAX = 2.0

OUTBOX_MESSAGES = 2_000
"""The greatest number of messages that may wait to be published. While so many wait, each new message is lost."""
OUTBOX_BYTES = 32 * 1024 * 1024
"""The greatest total size in bytes of the messages that wait to be published. A message that doesn't fit is lost."""

_FAILURES = (RedisError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class Deaf(Exception):
    """The error that ends a subscription if it is open but receives nothing, not even the probe."""


class RedisBus:
    """One process's end of a Redis pub/sub bus."""

    def __init__(self, url: str, *, prefix: str = "liveserver") -> None:
        self._url = url
        self._prefix = prefix
        self._probe_channel = f"{prefix}:probe:{secrets.token_hex(8)}"
        self._nodes_channel = f"{prefix}:nodes"
        self._wanted: set[str] = set()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._receiver: Receiver | None = None
        self._pubsub: PubSub | None = None
        self._commands = asyncio.Lock()
        """The lock that keeps the commands to Redis in the order of the calls of `subscribe` and `unsubscribe`."""
        self._up = False
        self._heard_at = 0.0
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._outbox_bytes = 0
        self._outbox_filled = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def up(self) -> bool:
        return self._up

    async def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        first_attempt = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._subscribe_forever(first_attempt), name="redis-subscriber"),
            asyncio.create_task(self._send_forever(), name="redis-publisher"),
        ]
        await first_attempt.wait()

    async def close(self) -> None:
        # One cancellation isn't enough: redis-py sends by `asyncio.wait_for`. Up to Python 3.11, `wait_for` swallows a
        # cancellation that comes just as the awaited call is done (bpo-37658).
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=0.05)
        self._tasks = []
        self._up = False
        self._receiver = None

    def publish(self, slug: str, message: bytes) -> None:
        self._send(self._channel(slug), message)

    def announce(self, message: bytes) -> None:
        self._send(self._nodes_channel, message)

    def _send(self, channel: str, message: bytes) -> None:
        if len(self._outbox) >= OUTBOX_MESSAGES or self._outbox_bytes + len(message) > OUTBOX_BYTES:
            log.warning("bus.outbox_full", channel=channel)
            return
        self._outbox.append((channel, message))
        self._outbox_bytes += len(message)
        self._outbox_filled.set()

    async def subscribe(self, slug: str) -> None:
        self._wanted.add(slug)
        pubsub = self._pubsub
        if pubsub is None:
            return
        confirmed = self._confirmed.setdefault(slug, asyncio.Event())
        # Suppress any exception: the listener may be losing this connection now, and redis-py raises all sorts of
        # exceptions if two tasks use one connection.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(COMMAND_TIMEOUT):
                async with self._commands:
                    await pubsub.subscribe(self._channel(slug))
                await confirmed.wait()

    async def unsubscribe(self, slug: str) -> None:
        self._wanted.discard(slug)
        self._confirmed.pop(slug, None)
        if self._pubsub is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(COMMAND_TIMEOUT), self._commands:
                    if slug not in self._wanted and self._pubsub is not None:
                        await self._pubsub.unsubscribe(self._channel(slug))

    def _channel(self, slug: str) -> str:
        return f"{self._prefix}:liveblog:{slug}"

    def _forget_confirmations(self) -> None:
        # Wake all calls of `subscribe` that wait for a confirmation: the bus is down, so no confirmation will come.
        for confirmed in self._confirmed.values():
            confirmed.set()
        self._confirmed.clear()

    def _client(self) -> Redis:
        # Errors must reach our loops, which handle them. redis-py's own retries would subscribe again silently. Then
        # the hub wouldn't know that messages were lost, and wouldn't read the changes from the store.
        return Redis.from_url(
            self._url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=COMMAND_TIMEOUT,
            socket_keepalive=True,
        )

    async def _subscribe_forever(self, first_attempt: asyncio.Event) -> None:
        failures = 0
        while True:
            try:
                async with self._client() as client, client.pubsub() as pubsub:
                    subscribed = await self._open(pubsub)
                    failures = 0
                    first_attempt.set()
                    await self._listen(pubsub, subscribed)
            except (*_FAILURES, Deaf) as error:
                if failures == 0:
                    log.warning("bus.down", url=hide_password(self._url), error=str(error) or type(error).__name__)
                failures += 1
            except Exception:
                # Nobody would notice if the subscriber ended, so it goes on after any error.
                log.exception("bus.broken")
                failures += 1
            finally:
                self._pubsub = None
                self._forget_confirmations()
                self._link(False)
                first_attempt.set()
            await asyncio.sleep(random.uniform(0.1, min(BACKOFF_MAX, 0.1 * 2 ** min(failures, 10))))

    async def _open(self, pubsub: PubSub) -> set[str]:
        """Subscribe to the Redis channels of all live blogs in `_wanted`, of nodes' announcements, and of the probe.

        Returns the slugs of the live blogs once Redis has confirmed every subscription. `up` is True then. Raises
        TimeoutError if Redis doesn't confirm in time, and the errors of redis-py.
        """
        slugs = set(self._wanted)
        missing = {self._probe_channel, self._nodes_channel, *(self._channel(slug) for slug in slugs)}
        async with asyncio.timeout(CONNECT_TIMEOUT + COMMAND_TIMEOUT):
            await pubsub.subscribe(*missing)
            while missing:
                message = await pubsub.get_message(timeout=COMMAND_TIMEOUT)
                if message is not None and message["type"] == "subscribe":
                    missing.discard(message["channel"].decode())
        self._pubsub = pubsub
        self._heard_at = asyncio.get_running_loop().time()
        self._link(True)
        return slugs

    async def _listen(self, pubsub: PubSub, subscribed: set[str]) -> None:
        loop = asyncio.get_running_loop()
        probed_at = 0.0
        while True:
            for slug in self._wanted - subscribed:
                await pubsub.subscribe(self._channel(slug))
            subscribed = set(self._wanted)
            if loop.time() - probed_at >= PROBE_INTERVAL:
                probed_at = loop.time()
                self._outbox.append((self._probe_channel, b""))
                self._outbox_filled.set()
            message = await pubsub.get_message(timeout=PROBE_INTERVAL)
            if message is not None:
                self._heard_at = loop.time()
                self._take(message)
            elif loop.time() - self._heard_at > PROBE_TIMEOUT:
                raise Deaf(f"nothing heard for {PROBE_TIMEOUT:g} s")

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        slug = channel.removeprefix(f"{self._prefix}:liveblog:")
        if message["type"] == "subscribe" and slug in self._confirmed:
            self._confirmed[slug].set()
        elif message["type"] == "message" and channel == self._nodes_channel:
            if self._receiver is not None:
                self._receiver.announced(message["data"])
        elif message["type"] == "message" and slug in self._wanted and self._receiver is not None:
            self._receiver.received(slug, message["data"])

    def _link(self, up: bool) -> None:
        if up != self._up:
            self._up = up
            if up:
                log.info("bus.up", url=hide_password(self._url))
            if self._receiver is not None:
                self._receiver.link_changed(up)

    async def _send_forever(self) -> None:
        async with self._client() as client:
            while True:
                await self._outbox_filled.wait()
                self._outbox_filled.clear()
                batch = list(self._outbox)
                self._outbox.clear()
                self._outbox_bytes = 0
                try:
                    async with client.pipeline(transaction=False) as pipeline:
                        for channel, message in batch:
                            pipeline.publish(channel, message)
                        await pipeline.execute()
                except Exception as error:
                    # This loop must go on after any error, so that later messages are sent.
                    log.warning("bus.publish_lost", messages=len(batch), error=str(error) or type(error).__name__)
