"""Both ways in which bytes go to sockets."""

from __future__ import annotations

import pytest

from liveserver.realtime.transport import batch_send


@pytest.fixture(params=["ring", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How bytes go to sockets: all through a ring, or none. For modules that say `usefixtures("way")`."""
    if request.param == "ring":
        try:
            batch_send.IoUring()
        except OSError as error:
            pytest.skip(f"io_uring: {error}")
        monkeypatch.setattr(batch_send, "FEW", 0)
    else:
        monkeypatch.setattr(batch_send._Local, "allowed", False)
