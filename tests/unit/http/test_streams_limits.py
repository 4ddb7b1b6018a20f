"""Streams that one address opens and holds, on a real server: handed over to the hub, and behind ASGI's `send`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from liveserver.access.partner_admission import PartnerAdmission
from liveserver.access.request_limits import FULL_AGAIN
from liveserver.client import Client
from liveserver.client.live_stream import BACKOFF_FIRST, LiveStream
from liveserver.domain.errors import StoreUnavailable
from liveserver.http import streams
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.site import LIVEBLOG, OURS, STOCK, Stack, problem, serving, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.settings import Settings
    from tests.support.api.site import LiveSite

READER = "203.0.113.7"
OTHER = "203.0.113.8"
HELD = 3
BURST = 20
PATIENCE = 10.0


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
async def site(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[LiveSite]:
    """A server at which an address holds three streams, and opens twenty while time stands still."""
    stack: Stack = request.param
    async with serving(settings.model_copy(update={"limit_streams": 1, "limit_streams_held": HELD}), stack) as running:
        running.parts.limits.__init__(running.parts.settings, lambda: 1_000.0)  # type: ignore[misc]
        yield running


def held_by_each(site: LiveSite) -> dict[Any, int]:
    """How many streams each address holds."""
    return {key: permit.count for key, permit in site.parts.limits._held._held.items()}


async def held(site: LiveSite, count: int) -> None:
    """Return once so many streams are held from all addresses together."""

    async def there() -> bool:
        return sum(held_by_each(site).values()) == count

    await settled(there)


def websocket(site: LiveSite, address: str = READER, query: str = "") -> connect:
    """A WebSocket stream from an address behind a trusted proxy."""
    return connect(site.url(f"{LIVEBLOG}/ws{query}", "ws"), additional_headers={"X-Forwarded-For": address})


async def ended(site: LiveSite) -> int | None:
    """The code with which a WebSocket is closed, or the status with which its handshake is refused."""
    try:
        async with websocket(site) as stream:
            await stream.wait_closed()
    except InvalidStatus as refusal:
        return refusal.response.status_code
    return stream.close_code


async def denied(site: LiveSite, address: str = READER) -> httpx2.Headers:
    """The headers of a handshake's refusal."""
    with pytest.raises(InvalidStatus) as caught:
        await websocket(site, address)
    response = caught.value.response
    content = orjson.loads(response.body)
    assert (response.status_code, content["type"]) == (429, "urn:liveserver:problem:too-many-requests")
    return httpx2.Headers(list(response.headers.raw_items()))


async def test_streams_held(site: LiveSite) -> None:
    """As many as may, of both kinds together; another address has its own; one that leaves makes room for one."""
    async with AsyncExitStack() as stack, httpx2.AsyncClient(headers={"X-Forwarded-For": READER}) as http:
        first = await stack.enter_async_context(websocket(site))
        await stack.enter_async_context(websocket(site))
        events = http.stream("GET", site.url(f"{LIVEBLOG}/events"), timeout=PATIENCE)
        answer = await stack.enter_async_context(events)
        assert answer.status_code == 200
        headers = await denied(site)
        assert headers["retry-after"] == str(FULL_AGAIN)
        assert headers["ratelimit-policy"] == f'"streams-held";q={HELD};qu="concurrent-requests"'
        assert headers["ratelimit"] == '"streams-held";r=0'
        answer = await http.get(site.url(f"{LIVEBLOG}/events"), headers={"Origin": "https://partner.example"})
        problem(answer, 429)
        readable(answer)
        await stack.enter_async_context(websocket(site, OTHER))
        await held(site, HELD + 1)
        await first.close()
        await held(site, HELD)
        await stack.enter_async_context(websocket(site))
        await held(site, HELD + 1)
        await denied(site)
    await held(site, 0)
    assert held_by_each(site) == {}


def readable(answer: httpx2.Response) -> None:
    """A script of another site's page can read when to come back."""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert int(answer.headers["retry-after"]) > 0


async def test_others_pages_read_when_to_come_back(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the 503 of an event stream: the server ends, has no more room, or its database is away."""
    async with httpx2.AsyncClient(headers={"Origin": "https://partner.example"}) as http:
        with monkeypatch.context() as patch:
            patch.setattr(site.parts.hub, "_draining", True)
            answer = await http.get(site.url(f"{LIVEBLOG}/events"))
            assert answer.status_code == 503
            readable(answer)
        with monkeypatch.context() as patch:
            patch.setattr(streams, "no_room", lambda _: True)
            answer = await http.get(site.url(f"{LIVEBLOG}/events"))
            assert answer.status_code == 503
            readable(answer)

        async def away(*_: object) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(PartnerAdmission, "subscription", away)
        answer = await http.get(site.url(f"{LIVEBLOG}/events"))
        assert answer.status_code == 503
        readable(answer)


async def test_streams_opened(site: LiveSite) -> None:
    """Twenty and no more, however they end; HEAD counts, and holds nothing."""
    before = refusals.counts[Reason.RATE]
    async with httpx2.AsyncClient(headers={"X-Forwarded-For": READER}) as http:
        for _ in range(BURST // 2):
            async with websocket(site):
                pass
            await held(site, 0)
            assert (await http.head(site.url(f"{LIVEBLOG}/events"))).status_code == 200
        headers = await denied(site)
        assert headers["retry-after"] == "1"
        assert headers["ratelimit-policy"] == f'"streams";q={BURST};w=20'
        problem(await http.get(site.url(f"{LIVEBLOG}/events")), 429)
    async with websocket(site, OTHER):
        pass
    assert refusals.counts[Reason.RATE] == before + 2
    await held(site, 0)


async def test_this_machine_is_not_limited(site: LiveSite) -> None:
    """Nor is a proxy that says of nobody whom it speaks for."""
    async with AsyncExitStack() as stack:
        for _ in range(BURST + 1):
            await stack.enter_async_context(connect(site.url(f"{LIVEBLOG}/ws", "ws")))
        assert held_by_each(site) == {}


@pytest.mark.parametrize("forwarded", [",", ", ,", "unknown", "x" * 5_000, "," * 5_000, "[::1", "1.2.3.4:x", "é"])
async def test_a_forwarded_address_that_is_none(site: LiveSite, forwarded: str) -> None:
    """Is no error; nobody is limited by it."""
    async with httpx2.AsyncClient(headers=[(b"X-Forwarded-For", forwarded.encode())]) as http:
        assert (await http.get(site.url(LIVEBLOG))).status_code == 200
        assert (await http.head(site.url(f"{LIVEBLOG}/events"))).status_code == 200
    assert held_by_each(site) == {}


@pytest.mark.slow
async def test_a_viewer_that_comes_in_vain_holds_nothing(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown live blog, a partner that isn't let in, a database that is away, a defect."""
    unknown = "/api/v1/liveblogs/rien"
    headers = {"X-Forwarded-For": READER}
    async with httpx2.AsyncClient(headers=headers) as http:
        before = refusals.counts[Reason.NOT_ADMITTED]
        for query in ("", f"?partner=p_{'0' * 12}"):
            async with connect(site.url(f"{unknown}/ws{query}", "ws"), additional_headers=headers) as stream:
                await stream.wait_closed()
            assert stream.close_code == (4503 if query else 4504)
            assert (await http.get(site.url(f"{unknown}/events{query}"))).status_code == (403 if query else 404)
        assert refusals.counts[Reason.NOT_ADMITTED] == before + 2
        await held(site, 0)
        for error in (StoreUnavailable("away"), ValueError("a defect")):

            async def fail(*_: object, error: Exception = error) -> None:
                raise error

            with monkeypatch.context() as patch:
                patch.setattr(PartnerAdmission, "subscription", fail)
                assert await ended(site) in {1013, 500}
                assert (await http.get(site.url(f"{LIVEBLOG}/events"))).status_code in {500, 503}
            await held(site, 0)


async def test_a_viewer_that_leaves_before_it_is_let_in_holds_nothing(
    site: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted while it waits: how many wait is bounded too."""
    waiting, go_on = asyncio.Event(), asyncio.Event()
    subscription = PartnerAdmission.subscription

    async def slow(*given: Any) -> Any:
        waiting.set()
        await go_on.wait()
        return await subscription(*given)

    monkeypatch.setattr(PartnerAdmission, "subscription", slow)
    for target in ("ws", "events"):
        waiting.clear()
        go_on.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        head = f"GET {LIVEBLOG}/{target} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {READER}\r\n"
        writer.write((head + (upgrade + key if target == "ws" else "") + "\r\n").encode())
        await waiting.wait()
        assert sum(held_by_each(site).values()) == 1
        writer.close()
        await writer.wait_closed()
        go_on.set()
        await held(site, 0)


async def test_a_follower_waits_for_as_long_as_it_is_told(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is let in then."""
    pauses: list[float] = []
    sessions = [site.parts.limits.stream((READER, 1)) for _ in range(HELD)]

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        permit = sessions.pop()
        assert permit is not None
        permit.release()

    states: list[str] = []
    async with Client(site.url("")) as client:
        monkeypatch.setattr(LiveStream, "_connected", lambda _: _opened(site))
        following = client.follow("marees", on_state=states.append, sleep=sleep)
        first = asyncio.ensure_future(anext(following))

        async def live() -> bool:
            return states == ["lost", "live"]

        await settled(live)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await following.aclose()
    assert len(pauses) == 1
    assert FULL_AGAIN <= pauses[0] <= FULL_AGAIN + BACKOFF_FIRST


async def _opened(site: LiveSite) -> connect:
    return websocket(site)
