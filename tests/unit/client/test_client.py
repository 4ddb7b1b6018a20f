"""The requests that each call sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2

from tests.support.scripted_api import Api, ok
from tests.support.scripted_server import EPOCH, at

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.client import (
        Client,
    )


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
