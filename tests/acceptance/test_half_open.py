"""Viewers whose network is gone without a word: no close, no reset, no acknowledgement. The server lets go of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest

from liveserver.client import Client
from tests.acceptance.serving import eventually, serving
from tests.acceptance.test_slow import EVENTS, WEBSOCKET, sockets_to
from tests.support.services import lacking, required

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EACH = 5
"""Viewers of each kind."""

FAR = """
import socket, sys
host, port, *requests = sys.argv[1:]
viewers = [socket.create_connection((host, int(port))) for _ in requests]
for viewer, request in zip(viewers, requests):
    viewer.sendall(request.encode())
    assert viewer.recv(12) in (b"HTTP/1.1 101", b"HTTP/1.1 200")
print("there", flush=True)
while True:
    for viewer in viewers:
        viewer.recv(65536)
"""


class Country:
    """A network namespace, and the only road to it."""

    def __init__(self, name: str, subnet: str) -> None:
        self.name = name
        self.here, self.there = f"{subnet}.1", f"{subnet}.2"

    def ip(self, *arguments: str, inside: bool = False) -> bool:
        """Run `ip`; whether it worked."""
        where = ["ip", "netns", "exec", self.name] if inside else []
        return subprocess.run([*where, "ip", *arguments], check=False, capture_output=True).returncode == 0

    def vanish(self) -> None:
        """From now on nothing that is sent from there arrives here; nor is anybody told."""
        assert self.ip("route", "add", "blackhole", f"{self.here}/32", inside=True)
        assert self.ip("route", "flush", "cache", inside=True)


@pytest.fixture
def country() -> Iterator[Country]:
    required("ip")
    if os.geteuid() != 0:
        lacking("network namespaces need root")
    number = os.getpid() % 200
    found = Country(f"live-{os.getpid()}", f"10.213.{number}")
    with _made(found) as possible:
        if not possible:
            pytest.skip("no network namespaces here")
        yield found


@contextmanager
def _made(country: Country) -> Iterator[bool]:
    road = f"lv{os.getpid()}"
    try:
        yield (
            country.ip("netns", "add", country.name)
            and country.ip("link", "add", f"{road}a", "type", "veth", "peer", "name", f"{road}b")
            and country.ip("link", "set", f"{road}b", "netns", country.name)
            and country.ip("addr", "add", f"{country.here}/24", "dev", f"{road}a")
            and country.ip("link", "set", f"{road}a", "up")
            and country.ip("addr", "add", f"{country.there}/24", "dev", f"{road}b", inside=True)
            and country.ip("link", "set", f"{road}b", "up", inside=True)
        )
    finally:
        country.ip("link", "del", f"{road}a")
        country.ip("netns", "del", country.name)


async def test_half_open_connections_are_dropped(tmp_path: Path, country: Country) -> None:
    """Within the heartbeat and the time that a slow viewer has, and the kernel's own clock."""
    async with serving(tmp_path, host="0.0.0.0", heartbeat="1", lag_timeout="2") as server:
        async with Client(server.url, await server.key()) as client:
            liveblog = {"slug": "slow", "title": "Loin", "language": "fr", "timezone": "Europe/Paris"}
            await client.create_liveblog(liveblog)
        requests = [request.format(path="/api/v1/liveblogs/slow") for request in (WEBSOCKET, EVENTS)] * EACH
        command = ["ip", "netns", "exec", country.name, sys.executable, "-c", FAR, country.here, str(server.port)]
        far = await asyncio.create_subprocess_exec(*command, *requests, stdout=subprocess.PIPE)
        try:
            assert far.stdout is not None
            assert await far.stdout.readline() == b"there\n"
            assert sockets_to(server.port) == 2 * EACH
            country.vanish()
            await eventually(lambda: sockets_to(server.port) == 0, seconds=20, what="connections let go")
        finally:
            far.kill()
            await far.wait()
        async with httpx2.AsyncClient() as http:
            metrics = (await http.get(f"{server.url}/metrics")).text
        assert 'liveserver_viewers{liveblog="slow"} 0.0' in metrics
