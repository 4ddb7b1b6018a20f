"""The result of a run as JSON and as a table. docs/performance.md describes the JSON's keys. If a key is removed or
changes its meaning, `format` must change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liveserver import __version__
from liveserver.protocol.json_encoding import timestamp

if TYPE_CHECKING:
    from liveserver.cli.bench.measuring.histogram import Histogram, Second
    from liveserver.cli.bench.measuring.result import Result

BUSY = 0.85
"""The share of a processor (1: a whole one) above which a process with viewers causes a part of the measured latency
itself. If a process uses a larger share, the report has a remark."""
FRESH = 512
"""The smallest credible growth of the server's memory for each viewer, in bytes. If a benchmark measures less, the
report remarks that the server still had memory from earlier viewers."""
LATE = 0.01
"""A bound for the delays of timers in the worker processes, in seconds. If the delays' 99th percentile is above it, and
also above half of the latency's 99th percentile, the report has a remark."""


def as_json(result: Result) -> dict[str, Any]:
    """Return a result as an object for JSON."""
    plan, measurements, usage = result.plan, result.measurements, result.usage
    return {
        "format": 1,
        "liveserver": __version__,
        "started_at": timestamp(result.started_at),
        "url": result.url,
        "slug": result.slug,
        "ok": result.ok,
        "interrupted": result.interrupted,
        "plan": {
            "viewers": plan.viewers,
            "transport": str(plan.transport),
            "deflate": plan.deflate and plan.transport == "ws",
            "rate": plan.rate,
            "duration_s": plan.duration,
            "ramp_s": plan.ramp,
            "entry_bytes": plan.size,
        },
        "connections": {
            "opened": measurements.opened,
            "failed": measurements.failed,
            "tries": measurements.tries,
            "seconds": round(result.connect_seconds, 3),
            "per_second": _per_second(measurements.opened, result.connect_seconds),
            "deflated": measurements.deflated,
            "reconnects": measurements.reconnects,
            "resets": measurements.resets,
            "errors": dict(measurements.errors.most_common()),
        },
        "publishing": {
            "entries": result.published,
            "errors": dict(result.publish_errors.most_common()),
            "answer_ms": _latency(result.answers),
        },
        "deliveries": {
            "expected": result.expected,
            "arrived": measurements.delivered,
            "lost": measurements.lost,
            "duplicated": measurements.duplicated,
            "superseded": measurements.superseded,
            "seconds": round(result.deliver_seconds, 3),
            "per_second": _per_second(measurements.delivered, result.deliver_seconds),
            "bytes": result.received,
        },
        "latency_ms": _latency(result.latency),
        "load": {"busiest_process": round(result.busiest, 3), "late_ms": _latency(measurements.lateness)},
        "server": usage
        and {
            "pids": list(usage.pids),
            "cpu_us_per_connection": round(usage.connect_us, 2),
            "cpu_us_per_delivery": None if usage.delivery_us is None else round(usage.delivery_us, 3),
            "memory_bytes_per_viewer": round(usage.viewer_bytes),
        },
        "timeline": [
            _second(number, second, result.publishes[number]) for number, second in sorted(result.seconds.items())
        ],
    }


def as_rows(result: Result) -> list[tuple[str, str]]:
    """Return a result as the rows of a table for people. Each row is a name and a value."""
    plan, measurements, usage = result.plan, result.measurements, result.usage
    rows = [
        ("server", f"{result.url}  {result.slug}"),
        ("viewers", f"{measurements.opened:,} of {plan.viewers:,} connected ({transport_of(result)})"),
    ]
    if result.connect_seconds:
        rate = measurements.opened / result.connect_seconds
        rows.append(("connecting", f"{result.connect_seconds:.1f} s, {rate:,.0f} a second"))
    if plan.rate:
        rows.append(("entries", f"{result.published:,} published at {plan.rate:g} a second"))
        rows.append(("answered in", _line(result.answers)))
    rows.append(("deliveries", f"{measurements.delivered:,} of {result.expected:,}"))
    if result.deliver_seconds and measurements.delivered:
        rate = measurements.delivered / result.deliver_seconds
        rows.append(("throughput", f"{rate:,.0f} a second, {result.received / measurements.delivered:,.0f} bytes each"))
    rows.append(("latency", _line(result.latency)))
    rows.append(("lost", f"{measurements.lost:,}"))
    rows.append(("duplicated", f"{measurements.duplicated:,}"))
    rows.append(
        (
            "reconnects",
            f"{measurements.reconnects:,}" + (f", {measurements.resets:,} afresh" if measurements.resets else ""),
        )
    )
    if usage is not None:
        delivery = "" if usage.delivery_us is None else f"{usage.delivery_us:.1f} µs a delivery, "
        rows.append(("server's CPU", f"{delivery}{usage.connect_us:.0f} µs a connection"))
        rows.append(("server's memory", f"{usage.viewer_bytes / 1024:.1f} KiB more for each viewer (PSS)"))
    return rows


def notes(result: Result) -> list[str]:
    """Return remarks that a reader of the figures should know: what failed, and why figures may be wrong."""
    measurements = result.measurements
    remarks = [f"{count:,} × {reason}" for reason, count in measurements.errors.most_common(5)]
    remarks += [f"{count:,} × publishing: {reason}" for reason, count in result.publish_errors.most_common(5)]
    if result.interrupted:
        remarks.append("interrupted: these are the figures up to then")
    if measurements.superseded:
        remarks.append(f"{measurements.superseded:,} changes were left out of replays, as later states replaced them")
    late, latency = measurements.lateness.percentile(99), result.latency.percentile(99)
    if result.busiest > BUSY or (late and latency and late > latency / 2 and late > LATE):
        remarks.append(
            f"the viewers' own processes were late by up to {(late or 0) * 1e3:.0f} ms (p99), and the busiest used "
            f"{result.busiest:.0%} of a processor: part of the latency is theirs. Take more --processes, or run bench "
            "on another machine than the server"
        )
    if result.usage is not None and result.usage.viewer_bytes < FRESH:
        remarks.append("the server still had memory from earlier viewers: measure memory on one that has just started")
    if not result.plan.rate:
        remarks.append("without publishing there is no latency to measure")
    return remarks


def transport_of(result: Result) -> str:
    """Return the transport of the viewers, in words."""
    if result.plan.transport == "sse":
        return "SSE"
    if result.measurements.deflated:
        return "WebSocket, deflated"
    return "WebSocket, deflate offered in vain" if result.plan.deflate else "WebSocket, not deflated"


def _line(histogram: Histogram) -> str:
    p50, p99 = histogram.percentile(50), histogram.percentile(99)
    if p50 is None or p99 is None:
        return "–"
    return f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, max {histogram.max * 1e3:.1f} ms"


def _latency(histogram: Histogram) -> dict[str, float | None]:
    return {
        "p50": _ms(histogram.percentile(50)),
        "p90": _ms(histogram.percentile(90)),
        "p99": _ms(histogram.percentile(99)),
        "max": _ms(histogram.max) if histogram.count else None,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)


def _per_second(count: int, seconds: float) -> float | None:
    return round(count / seconds, 1) if seconds else None


def _second(number: int, second: Second, published: int) -> dict[str, Any]:
    latency = _latency(second.latency)
    return {
        "second": number,
        "viewers": second.following,
        "published": published,
        "delivered": second.delivered,
        **{f"{name}_ms": latency[name] for name in ("p50", "p99", "max")},
    }
