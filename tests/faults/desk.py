"""Asking the servers: every answer is held to what it may be, and what stays unanswered must have a reason."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import orjson

from tests.faults.reading import Broken

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from tests.faults.setups import Node, Setup
    from tests.faults.totals import Totals

Message = dict[str, Any]

BOUND = 20.0
"""Seconds in which every request to a node that runs must be answered."""
GRACE = 2.0
"""Seconds after the healing of the store in which requests may still be refused."""


class Answer(NamedTuple):
    """The answer of a node."""

    status: int
    content: Message
    at: float
    """`time.monotonic()`"""


class Desk:
    """Sends requests to a node chosen by chance."""

    def __init__(self, setup: Setup, chance: random.Random, totals: Totals) -> None:
        self.setup = setup
        self.chance = chance
        self.totals = totals
        # A connection of its own for each request: an idle one that the server closes in the same moment would be an
        # error without a reason.
        self._http = httpx2.AsyncClient(timeout=BOUND, limits=httpx2.Limits(max_keepalive_connections=0))

    async def close(self) -> None:
        """No more requests."""
        await self._http.aclose()

    def node(self) -> Node:
        """One of them, whether or not it runs."""
        return self.chance.choice(self.setup.nodes)

    async def ask(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        allowed: tuple[int, ...] = (200,),
        patience: float | None = None,
    ) -> Answer | None:
        """An answer of an allowed status; None for 503 and for no answer. With `patience`, one gives up after it."""
        content_of = {} if content is None else {"json": content}
        sent = await self.send(method, f"/api/v1{path}", headers=headers, patience=patience, **content_of)
        if sent is None:
            return None
        response, at = sent
        if response.status_code not in allowed:
            raise Broken("refused", f"{method} {response.url}: {response.status_code} {response.text}")
        return Answer(response.status_code, orjson.loads(response.content) if response.content else {}, at)

    async def send(
        self, method: str, path: str, *, patience: float | None = None, **options: Any
    ) -> tuple[httpx2.Response, float] | None:
        """An answer of whatever status but 503, and its `time.monotonic()`; None for 503 and for no answer."""
        node = self.node()
        begun = time.monotonic()
        try:
            async with asyncio.timeout(patience if patience is not None else BOUND + 5):
                response = await self._http.request(method, f"{node.url}{path}", **options)
        except (httpx2.TransportError, TimeoutError) as error:
            if patience is None and not self.setup.calendar.touched(node.name, begun - 0.1):
                taken = time.monotonic() - begun
                raise Broken(
                    "unanswered", f"{method} {path} at {node.name}: {type(error).__name__} after {taken:.1f} s"
                ) from error
            return None
        at = time.monotonic()
        if method != "GET":
            self.totals.answer[str(response.status_code)].add(at - begun)
        if response.status_code == 503:
            if method != "GET":
                node.refused_at = at
            self._refused(node, begun, response)
            return None
        return response, at

    async def insist(self, method: str, path: str, content: Message | None = None, **options: Any) -> Message:
        """Ask until it is answered."""
        while True:
            answer = await self.ask(method, path, content, **options)
            if answer is not None:
                return answer.content
            await asyncio.sleep(self.chance.uniform(0.05, 0.25))

    async def page(self, path: str) -> str:
        """The text that a person reads there, once a node gives it."""
        while True:
            with suppress(httpx2.TransportError):
                response = await self._http.get(f"{self.node().url}{path}")
                if response.status_code == 200:
                    return response.text
                if response.status_code != 503:
                    raise Broken("refused", f"GET {path}: {response.status_code}")
            await asyncio.sleep(self.chance.uniform(0.05, 0.25))

    def may_refuse(self, node: Node, since: float) -> bool:
        """Whether the store may have been away for this node since then."""
        parts = ("store", node.name)
        return any(self.setup.calendar.touched(part, since - GRACE) for part in parts)

    def _refused(self, node: Node, begun: float, response: httpx2.Response) -> None:
        kind, retry = response.headers.get("content-type"), response.headers.get("retry-after", "")
        path = response.request.url.path
        # The desk's pages are for people to read.
        expected = "application/problem+json" if "/api/" in path else "text/html; charset=utf-8"
        if kind not in {"application/problem+json", expected} or not retry.isdigit():
            raise Broken("refused", f"503 at {node.name} with Content-Type {kind!r} and Retry-After {retry!r}")
        if not self.may_refuse(node, begun):
            raise Broken("refused", f"503 at {node.name}, whose store was well: {response.text}")
