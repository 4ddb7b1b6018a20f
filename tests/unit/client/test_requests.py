"""Requests that the client sends again, and its errors when that is no use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
import pytest

from liveserver.client import Client, ClientError, Unreachable, errors, requests
from liveserver.client.errors import Broken
from liveserver.utils.json_cost import VALUES_MAX
from tests.support.scripted_api import Api, ok
from tests.support.scripted_server import EPOCH, LiveServer, Purse

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_answers_count_by_their_bytes() -> None:
    purse = Purse()
    server = LiveServer()
    server.answers["snapshot"] = [{"epoch": EPOCH, "seq": 1, "entries": ["x" * 40_000]}]
    async with server.running(throttle=purse) as client:
        await client.snapshot("match")
    assert purse.spent == [pytest.approx(3, abs=0.01)]


async def test_what_no_request_can_be_made_of() -> None:
    """A picture's name is whatever the server says."""
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ClientError, match="no request can be made of"):
            await client.file("/media/" + "x" * 70_000)


async def test_what_got_no_answer_is_sent_again_under_the_same_key(connect: Callable[[Api], Client]) -> None:
    api = Api(httpx2.ReadTimeout("late"), httpx2.Response(503), httpx2.ConnectError("refused"), ok({"id": "0192"}))
    async with connect(api) as client:
        assert await client.publish("match", {"body": "x"}) == {"id": "0192"}
    assert len({request.headers["Idempotency-Key"] for request in api.requests}) == 1
    assert len({request.content for request in api.requests}) == 1
    assert len(api.requests) == 4


async def test_a_deletion_that_is_sent_again_finds_it_done(connect: Callable[[Api], Client]) -> None:
    """The answer to the first was lost. One that comes first and finds it deleted is told."""
    gone = {"type": "urn:liveserver:problem:gone", "detail": "it was deleted"}
    async with connect(Api(httpx2.ReadError("reset"), ok(gone, 410))) as client:
        await client.delete("match", "0192")
    async with connect(Api(ok(gone, 410))) as client:
        with pytest.raises(ClientError, match="410 it was deleted") as caught:
            await client.delete("match", "0192")
    assert not caught.value.repeated
    async with connect(Api(httpx2.ReadError("reset"), ok(gone, 404))) as client:
        with pytest.raises(ClientError, match="404"):
            await client.delete("match", "0192")


async def test_another_server_is_told_from_a_liveserver(connect: Callable[[Api], Client]) -> None:
    """By a success that is no JSON: a web site at that address, or a proxy's page."""
    async with connect(Api(httpx2.Response(200, html="<h1>Bienvenue</h1>"))) as client:
        with pytest.raises(Broken, match="is it a liveserver"):
            await client.liveblog("match")
    async with connect(Api(httpx2.Response(404, html="<h1>Introuvable</h1>"))) as client:
        with pytest.raises(ClientError, match="404 Not Found"):
            await client.liveblog("match")


async def test_too_many_requests_are_sent_again_when_the_server_says(
    connect: Callable[[Api], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before, whatever the client's own back-off; a date, or more than a minute, isn't waited for."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    told = ("7", "86400", "Wed, 21 Oct 2026 07:28:00 GMT", None)
    api = Api(
        *[httpx2.Response(429, headers={"Retry-After": value} if value else {}) for value in told], ok({"id": "0192"})
    )
    async with connect(api) as client:
        assert await client.publish("match", {"body": "x"}) == {"id": "0192"}
    assert len({request.headers["Idempotency-Key"] for request in api.requests}) == 1
    least = [7, requests.RETRY_AFTER_MAX, 0, 0]
    assert slept == least


async def test_why_it_waits_is_told(connect: Callable[[Api], Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it does, and only where the server asks for it."""
    told: list[tuple[str, float] | float] = []

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr("random.uniform", lambda least, most: 0.0)
    api = Api(
        httpx2.Response(429, headers={"Retry-After": "7"}),
        httpx2.Response(503, headers={"Retry-After": "2"}),
        httpx2.Response(503),
        ok({"id": "0192"}),
    )
    async with connect(api) as client:
        client._requests._on_wait = lambda why, seconds: told.append((why, seconds))
        await client.publish("match", {"body": "x"})
    many, busy = (
        "http://live.example has too many requests of ours (429)",
        "http://live.example has no time for it now (503)",
    )
    assert told == [(many, 7), 7, (busy, 2), 2, 0]


async def test_that_nobody_answers_is_toldat_once_and_once(
    connect: Callable[[Api], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    async def sleep(_seconds: float) -> None:
        told.append("pause")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    refused = httpx2.ConnectError("refused")
    async with connect(Api(httpx2.Response(503), refused, refused, ok({"id": "0192"}))) as client:
        client._requests._on_silence = told.append
        await client.publish("match", {"body": "x"})
    assert told == ["pause", "http://live.example", "pause", "pause"]


async def test_in_the_end_it_gives_up(connect: Callable[[Api], Client]) -> None:
    unreachable = Api(*[httpx2.ConnectError("refused") for _ in range(requests.TRIES)])
    async with connect(unreachable) as client:
        with pytest.raises(Unreachable, match=r"can't reach http://live\.example: refused") as caught:
            await client.liveblog("match")
    assert caught.value.status == 0
    away = Api(*[httpx2.Response(503, json={"detail": "the database is away"}) for _ in range(requests.TRIES)])
    async with connect(away) as client:
        with pytest.raises(ClientError, match="503 the database is away"):
            await client.liveblog("match")
    assert len(away.requests) == requests.TRIES


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (
            httpx2.Response(
                422,
                json={
                    "detail": "bad",
                    "errors": [{"pointer": "/body", "detail": "is blank"}, {"pointer": "/x", "detail": "y"}],
                },
            ),
            "422 /body: is blank; /x: y",
        ),
        (httpx2.Response(401, json={"detail": "no key"}), "401 no key"),
        (httpx2.Response(502, text="<html>"), "502 Bad Gateway"),
        (httpx2.Response(404), "404 Not Found"),
    ],
)
async def test_a_refusal_is_said_in_words_and_not_repeated(
    connect: Callable[[Api], Client], response: httpx2.Response, said: str
) -> None:
    api = Api(response)
    async with connect(api) as client:
        with pytest.raises(ClientError) as caught:
            await client.publish("match", {"body": " "})
    assert str(caught.value) == said
    assert caught.value.status == response.status_code
    assert len(api.requests) == 1


async def test_an_error_has_a_few_of_a_servers_words(connect: Callable[[Api], Client]) -> None:
    async with connect(Api(ok({"detail": "A" * 10**6}, 404))) as client:
        with pytest.raises(ClientError) as refused:
            await client.liveblog("x")
    assert str(refused.value).startswith("404 AAA")
    assert len(str(refused.value)) <= errors.DETAIL_MAX + 1


async def test_ones_own_server_may_say_much(connect: Callable[[Api], Client]) -> None:
    """A year of reach, hour by hour and for each partner, does."""
    async with connect(Api(ok({"partners": [[]] * VALUES_MAX}))) as client:
        assert len((await client.reach("x"))["partners"]) == VALUES_MAX


async def test_what_is_no_object_is_no_answer(connect: Callable[[Api], Client]) -> None:
    async with connect(Api(ok([1], 404))) as client:
        with pytest.raises(Broken):
            await client.liveblog("x")
