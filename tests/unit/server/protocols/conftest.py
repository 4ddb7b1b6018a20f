"""A stage with HTTP connections for each test."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from liveserver.server.protocols import http_connection
from tests.support.http_stage import Stage
from tests.unit.realtime.transport.test_timer_wheel import Loop, wheel_on


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    loop = Loop()
    wheel = wheel_on(loop)
    monkeypatch.setattr(http_connection, "wheel_of", lambda _: wheel)
    stage = Stage(wheel, loop)
    yield stage
    stage.close()
    stage.gate.set()
    for task in list(stage.state.tasks):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
