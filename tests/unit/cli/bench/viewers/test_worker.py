"""Worker processes of the bench: viewers that lose their connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.cli.bench.viewers.handshake import Opening, Transport
from liveserver.cli.bench.viewers.worker import Orders, Worker

if TYPE_CHECKING:
    import pytest

    from liveserver.cli.bench.viewers.viewer import Viewer


async def test_a_stream_that_ends_as_soon_as_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewer connects again, even if the stream ends before the task that opened it goes on."""
    orders = Orders(
        opening=Opening(Transport.SSE, "localhost:1", "/events"),
        greeted=True,
        address=("127.0.0.1", 1),
        tls_name=None,
        many_sources=False,
        viewers=range(1),
        of=1,
        handshakes=1,
        run="r",
        origin=0.0,
    )
    worker = Worker(orders, lambda report: None)
    [viewer] = worker._viewers
    again: list[Viewer] = []

    async def come_back(viewer: Viewer, pause: float | None) -> None:
        again.append(viewer)

    monkeypatch.setattr(worker, "_come_back", come_back)
    opened = worker._opened[viewer] = asyncio.get_running_loop().create_future()
    opened.set_result(True)
    viewer.start = 0
    worker.ended(viewer, "the server went away", None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert again == [viewer]
