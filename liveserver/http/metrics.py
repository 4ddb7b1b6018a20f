"""The metrics for operators, in Prometheus's text format.

Most figures are read from the parts of the server when somebody asks for `/metrics`. So the delivery of messages isn't
slowed down by counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from liveserver import __version__
from liveserver.access.people.sign_in import SignInWay
from liveserver.realtime.transport.batch_send import batched
from liveserver.utils.limits.refusals import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from liveserver.access.people.desk_sessions import DeskSessions
    from liveserver.access.people.sign_in import SignIn
    from liveserver.http.responses.page_cache import PageCache
    from liveserver.newsroom.desk.rooms import DeskRooms
    from liveserver.realtime.bus import Bus
    from liveserver.realtime.channel import Channel
    from liveserver.realtime.hub import Hub

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"})
"""The HTTP methods that are counted by name. All other methods are counted together, as a client may send any word as a
method."""
OTHER = "other"


class Metrics:
    """One process's Prometheus registry, with the counters of its requests."""

    def __init__(
        self,
        hub: Hub,
        bus: Bus,
        page_cache: PageCache,
        sign_in: SignIn,
        desk_sessions: DeskSessions,
        desk_rooms: DeskRooms,
    ) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(_Readings(hub, bus, page_cache, desk_rooms))
        self.registry.register(_DeskReadings(sign_in, desk_sessions))
        self._requests = Counter(
            "liveserver_http_requests_total",
            "HTTP requests answered, by method and status",
            ["method", "status"],
            registry=self.registry,
        )
        self._counters: dict[tuple[str, int], Counter] = {}
        """The counters within `_requests`, by method and status. They are kept here too, as a lookup in `_requests`
        takes longer than counting a request."""
        self._request_seconds = Histogram(
            "liveserver_http_request_seconds",
            "Time to answer an HTTP request that is no stream",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )

    def answered(self, method: str, status: int, seconds: float | None) -> None:
        """Count an HTTP request by its method and status.

        `seconds`: the time that the answer took; None for a stream, which isn't timed.
        """
        counter = self._counters.get((method, status))
        if counter is None:
            if method not in METHODS:
                method = OTHER
            counter = self._counters[method, status] = self._requests.labels(method, str(status))
        counter.inc()
        if seconds is not None:
            self._request_seconds.observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)


class _Readings(Collector):
    def __init__(self, hub: Hub, bus: Bus, page_cache: PageCache, desk_rooms: DeskRooms) -> None:
        self._hub = hub
        self._bus = bus
        self._renditions = page_cache
        self._desk_rooms = desk_rooms

    def collect(self) -> Iterator[Metric]:
        channels: dict[str, list[Channel]] = {}
        for channel in self._hub.channels():
            channels.setdefault(channel.topic.slug, []).append(channel)
        info = GaugeMetricFamily("liveserver_info", "The running version", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield GaugeMetricFamily("liveserver_bus_up", "1 while the bus delivers", value=int(self._bus.up))
        yield GaugeMetricFamily(
            "liveserver_batched_writes", "1 if one call into the kernel writes to many viewers", value=int(batched())
        )
        yield GaugeMetricFamily("liveserver_liveblogs_open", "Live blogs in memory", value=len(channels))
        viewers = GaugeMetricFamily("liveserver_viewers", "Viewers connected here", labels=["liveblog"])
        lagging = GaugeMetricFamily("liveserver_viewers_lagging", "Those of them that lag", labels=["liveblog"])
        everywhere = GaugeMetricFamily(
            "liveserver_viewers_everywhere", "Viewers connected to any node, as they last said", labels=["liveblog"]
        )
        for slug, views in channels.items():
            viewers.add_metric([slug], sum(channel.readers for channel in views))
            lagging.add_metric([slug], sum(channel.lagging_readers for channel in views))
            everywhere.add_metric([slug], self._hub.count_everywhere(slug))
        yield viewers
        yield everywhere
        yield lagging
        desk_streams = GaugeMetricFamily("liveserver_desk_streams", "Desk streams open here", labels=["liveblog"])
        for slug, count in self._desk_rooms.counts().items():
            desk_streams.add_metric([slug], count)
        yield desk_streams
        refused = CounterMetricFamily("liveserver_refused", "What was turned away", labels=["reason"])
        for reason, count in refusals.counts.items():
            refused.add_metric([str(reason)], count)
        yield refused
        kept = self._renditions
        yield CounterMetricFamily(
            "liveserver_page_cache_hits", "Pages and answers that needn't be rendered", value=kept.hits
        )
        yield CounterMetricFamily("liveserver_page_cache_misses", "Those that were rendered", value=kept.misses)
        yield GaugeMetricFamily("liveserver_page_cache_bytes", "Memory they take at most", value=kept.weight)


class _DeskReadings(Collector):
    def __init__(self, sign_in: SignIn, desk_sessions: DeskSessions) -> None:
        self._sign_in = sign_in
        self._sessions = desk_sessions

    def collect(self) -> Iterator[Metric]:
        sign_ins = CounterMetricFamily(
            "liveserver_sign_ins", "Tries to sign in at the desk, by way and outcome", labels=["way", "outcome"]
        )
        for way in SignInWay:
            for good, outcome in ((True, "signed-in"), (False, "refused")):
                sign_ins.add_metric([way, outcome], self._sign_in.outcomes[way, good])
        yield sign_ins
        yield GaugeMetricFamily(
            "liveserver_desk_sessions",
            "Sessions at the desk that this process has served, and that weren't over when last used here",
            value=self._sessions.remembered,
        )
