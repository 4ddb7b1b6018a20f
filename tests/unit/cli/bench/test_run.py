"""Whole runs, against a server that errs on purpose: what goes wrong must be found, and nothing else."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING

import pytest

from liveserver.cli.bench import run as run_module
from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.measuring.meter import Meter
from liveserver.cli.bench.plan import Plan
from liveserver.cli.bench.run import Moment, Run, Stage
from tests.support.certificates import self_signed
from tests.support.liar import RUN, Liar, lying, reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.cli.bench.measuring.result import Result

PLAN = Plan(20, rate=100, duration=0.5, processes=2)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(run_module, "PATIENCE", 1.5)


async def run_of(liar: Liar, plan: Plan = PLAN, show: Callable[[Moment], None] = lambda moment: None) -> Result:
    target, opening = await reach(liar)
    return await Run(plan, target, opening, run=RUN, source=liar, show=show)()


async def test_all_is_well() -> None:
    """Every viewer gets every change; latencies are real times."""
    moments: list[Moment] = []
    async with lying() as liar:
        result = await run_of(liar, show=moments.append)
    measurements = result.measurements
    assert result.ok
    assert (measurements.opened, measurements.failed, measurements.reconnects, measurements.deflated) == (20, 0, 0, 20)
    assert (result.published, measurements.delivered, result.expected, measurements.lost) == (50, 1000, 1000, 0)
    assert result.latency.count == 1000
    assert 0 < result.latency.max < 5
    assert result.answers.count == 50
    assert sum(second.delivered for second in result.seconds.values()) == 1000
    assert sum(result.publishes.values()) == 50
    assert measurements.errors == {}
    assert {Stage.CONNECTING, Stage.PUBLISHING} <= {moment.stage for moment in moments}
    assert max(result.seconds[number].following for number in result.seconds) == 20


async def test_a_loss_in_the_midst() -> None:
    async with lying(lambda connection, number: 0 if (connection, number) == (3, 25) else 1) as liar:
        result = await run_of(liar)
    assert (result.measurements.lost, result.measurements.duplicated, result.measurements.delivered) == (1, 0, 999)
    assert result.expected == 1000
    assert not result.ok


async def test_a_loss_at_the_end() -> None:
    """With no change after it, it is found by a viewer that stands behind the others."""
    async with lying(lambda connection, number: 0 if connection < 2 and number >= 48 else 1) as liar:
        result = await run_of(liar)
    assert (result.measurements.lost, result.measurements.behind, result.measurements.delivered) == (4, 2, 996)
    assert not result.ok


async def test_a_duplicate() -> None:
    async with lying(lambda connection, number: 2 if (connection, number) == (7, 10) else 1) as liar:
        result = await run_of(liar)
    assert (result.measurements.lost, result.measurements.duplicated, result.measurements.delivered) == (0, 1, 1000)
    assert not result.ok


async def test_connections_that_break_off() -> None:
    """Viewers come back, get what they missed, and nothing is lost; the reconnects are counted."""
    async with lying() as liar:
        liar.break_off_at = 20
        result = await run_of(liar)
    assert (result.measurements.reconnects, result.measurements.delivered, result.measurements.lost) == (20, 1000, 0)
    assert sum(result.measurements.errors.values()) >= 20
    assert result.ok


async def test_a_server_that_refuses() -> None:
    """Nobody connects: the run ends with the reasons."""
    async with lying() as liar:
        liar.refuse = True
        result = await run_of(liar, Plan(3, rate=50, duration=1))
    assert (result.measurements.opened, result.measurements.failed, result.measurements.tries) == (0, 3, 9)
    assert result.measurements.errors == {"answered 503 Service Unavailable": 9}
    assert result.published == 0
    assert not result.ok


async def test_nobody_listens() -> None:
    async with lying() as liar:
        target, opening = await reach(liar)
    result = await Run(Plan(2), target, opening, run=RUN, source=liar)()
    assert result.measurements.failed == 2
    assert sum(result.measurements.errors.values()) == 6


async def test_it_can_be_ended_early() -> None:
    """The deliveries until then are counted, and complete."""
    async with lying() as liar:
        target, opening = await reach(liar)
        run = Run(Plan(10, rate=50, duration=600), target, opening, run=RUN, source=liar)
        running = asyncio.create_task(run())
        await liar.reached(20)
        run.stop.set()
        result = await running
    assert result.interrupted
    assert result.ok
    assert 20 <= result.published == liar.seq < 100
    assert result.measurements.delivered == 10 * result.published


async def test_it_can_be_ended_while_connecting() -> None:
    async with lying() as liar:
        target, opening = await reach(liar)
        run = Run(Plan(10, ramp=600), target, opening, run=RUN, source=liar)
        running = asyncio.create_task(run())
        await liar.visited.wait()
        run.stop.set()
        result = await running
    assert result.interrupted
    assert not result.ok
    assert result.published == 0


async def test_the_ramp() -> None:
    """Viewers connect one after the other, evenly."""
    async with lying() as liar:
        result = await run_of(liar, Plan(10, rate=50, duration=1, ramp=2.0))
    assert 1.8 <= result.connect_seconds < 4
    assert result.ok


async def test_watching_only() -> None:
    """Without a source, changes of others are counted; any viewer that knows the last one tells what is missing."""
    async with lying(lambda connection, number: 0 if (connection, number) == (0, 9) else 1) as liar:
        target, opening = await reach(liar)

        async def present() -> int:
            return liar.seq

        def show(moment: Moment) -> None:
            if moment.stage is Stage.WATCHING:
                watching.set()

        watching = asyncio.Event()
        run = Run(Plan(5, rate=0, duration=2), target, opening, run="ffffffff", present=present, show=show)
        running = asyncio.create_task(run())
        await watching.wait()
        for number in range(10):
            await liar.publish(number)
        result = await running
    assert (result.measurements.delivered, result.measurements.lost, result.expected) == (49, 1, 50)
    assert result.latency.count == 0
    assert result.published == 0


async def test_what_the_server_uses() -> None:
    """This process is the server here."""
    async with lying() as liar:
        target, opening = await reach(liar)
        result = await Run(PLAN, target, opening, run=RUN, source=liar, meter=Meter([os.getpid()]))()
    assert result.usage is not None
    assert os.getpid() in result.usage.pids
    assert result.usage.connect_us > 0
    assert result.usage.delivery_us is not None
    assert result.usage.delivery_us > 0


async def test_tls(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is checked: an unknown one is refused, a known one is not."""
    directory = tmp_path_factory.mktemp("tls")
    made = await self_signed(directory)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    async with lying(tls=context) as liar:
        unknown = await run_of(liar, Plan(1, rate=50, duration=1))
        assert unknown.measurements.failed == 1
        assert "CERTIFICATE_VERIFY_FAILED" in "".join(unknown.measurements.errors)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        result = await run_of(liar)
    assert result.ok
    assert result.measurements.delivered == 1000


async def test_a_process_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends at once, and says so."""
    monkeypatch.setattr("liveserver.cli.bench.viewers.worker.main", _die)
    async with lying() as liar:
        with pytest.raises(Refused, match=r"has died \(status 3\)"):
            await run_of(liar)


def _die(*_: object) -> None:
    os._exit(3)
