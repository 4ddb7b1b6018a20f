"""What is told of a change, and of who made it."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from liveserver import deeds


async def test_each_task_acts_for_its_own() -> None:
    # Whatever ran in this process before.
    deeds.by()

    async def act(key: str) -> None:
        deeds.by(key=key)
        await asyncio.sleep(0)
        deeds.done("partner.deleted", partner=f"p_{key}")

    with capture_logs() as lines:
        await asyncio.gather(act("a"), act("b"))
        deeds.done("key.revoked", key="c")
    assert [(line["event"], line["by"]) for line in lines] == [
        ("partner.deleted", {"key": "a"}),
        ("partner.deleted", {"key": "b"}),
        ("key.revoked", {}),
    ]
