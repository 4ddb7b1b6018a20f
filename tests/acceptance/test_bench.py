"""`liveserver bench` against a real server."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import httpx2
import orjson
import pytest
import pytest_asyncio

from liveserver.client import Client
from tests.acceptance.serving import Child, LiveServer, eventually, run_all, serving, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.acceptance.serving import Finished

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """A server with a live blog of somebody's."""
    async with serving(tmp_path_factory.mktemp("server")) as server:
        async with Client(server.url, await server.key()) as client:
            await client.create_liveblog(
                {"slug": "tempete", "title": "La tempête", "language": "fr", "timezone": "UTC"}
            )
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def key(server: LiveServer) -> str:
    """A key that may do everything."""
    return await server.key()


async def bench(server: LiveServer, *arguments: str, **settings: str) -> Finished:
    return await server.run("bench", "--url", server.url, *arguments, **settings)


async def entries_of(server: LiveServer, slug: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{server.api}/liveblogs/{slug}/entries", params={"limit": 100})
    return list(answer.json()["items"])


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_fifty_viewers(server: LiveServer, key: str, tmp_path: Path, transport: str) -> None:
    """Everything arrives; the figures are on the screen and in the files, and the entries are gone afterwards."""
    made = {kind: tmp_path / f"result.{kind}" for kind in ("json", "html", "svg")}
    files = [part for kind, path in made.items() for part in (f"--{kind}", str(path))]
    measures = ("--viewers", "50", "--rate", "10", "--duration", "2", "--processes", "2", "--pid", str(server.pid))
    done = await bench(server, "--transport", transport, *measures, *files, "--key", key)
    assert done.status == 0, done.stdout + done.stderr
    assert re.search(r"^viewers +50 of 50 connected", done.stdout, re.MULTILINE)
    assert re.search(r"^deliveries +1,000 of 1,000", done.stdout, re.MULTILINE)
    assert "publishing: 50 of 50 viewers" in done.stderr

    values = orjson.loads(made["json"].read_bytes())
    assert values["ok"]
    assert values["slug"] == "benchmark"
    assert values["connections"]["opened"] == 50
    assert values["connections"]["deflated"] == (50 if transport == "ws" else 0)
    assert values["deliveries"]["arrived"] == values["deliveries"]["expected"] == 1000
    assert (values["deliveries"]["lost"], values["deliveries"]["duplicated"]) == (0, 0)
    assert 0 < values["latency_ms"]["p50"] <= values["latency_ms"]["p99"] <= values["latency_ms"]["max"]
    assert values["server"]["pids"] == [server.pid]
    assert values["server"]["cpu_us_per_delivery"] > 0
    assert sum(row["delivered"] for row in values["timeline"]) == 1000
    assert ElementTree.fromstring(made["svg"].read_text()).tag.endswith("svg")
    assert "50 viewers" in made["html"].read_text()

    assert await entries_of(server, "benchmark") == []
    async with Client(server.url) as client:
        liveblog = await client.liveblog("benchmark")
    assert liveblog["status"] == "upcoming"
    assert "Benchmark" in liveblog["title"]


async def test_entries_can_be_kept_in_a_named_liveblog(server: LiveServer, key: str) -> None:
    """A key on the command line and a slug are explicit enough."""
    measures = ("--viewers", "3", "--rate", "5", "--duration", "1", "--no-deflate", "--keep")
    done = await bench(server, "--slug", "tempete", "--key", key, *measures)
    assert done.status == 0, done.stdout + done.stderr
    kept = await entries_of(server, "tempete")
    assert [entry["heading"] for entry in kept] == ["Benchmark"] * 5
    assert all("liveserver bench" in entry["body"] for entry in kept)


async def test_a_key_of_the_environment_publishes_nowhere_unasked(server: LiveServer, key: str) -> None:
    before = await entries_of(server, "tempete")
    refused = await bench(server, "--slug", "tempete", "--viewers", "1", key=key)
    assert refused.status == 2
    assert re.fullmatch("liveserver: nothing was published into “La tempête”: --yes .+\n", refused.stderr)
    meant = await bench(server, *("--slug", "tempete", "--viewers", "1", "--duration", "1", "--yes"), key=key)
    assert meant.status == 0
    assert await entries_of(server, "tempete") == before


async def test_watching(server: LiveServer, tmp_path: Path) -> None:
    """Without a key, what others publish is counted."""
    report = tmp_path / "result.json"
    done = await bench(
        server, *("--slug", "tempete", "--viewers", "5", "--rate", "0", "--duration", "1", "--json", str(report))
    )
    assert done.status == 0, done.stdout + done.stderr
    values = orjson.loads(report.read_bytes())
    assert values["connections"]["opened"] == 5
    assert values["latency_ms"]["p50"] is None


REFUSALS = [
    ("", 2, "publishing needs an API key"),
    ("--rate 0", 2, "which live blog"),
    ("--rate 0 --slug nulle-part", 1, "404 "),
    ("--key lv_abc_def", 1, "401 "),
    ("--key lv_abc_def --slug tempete", 1, "401 "),
    ("--viewers 200000", 2, "--viewers must be from 1 to 100000"),
    ("--rate 0 --slug tempete --json /nowhere/x.json", 2, "there is no directory /nowhere"),
    ("--rate 0 --slug tempete --pid 999999999", 2, "can't read what process 999999999 uses"),
]


async def test_refusals(server: LiveServer) -> None:
    """One line says why, before anything is done."""
    commands = [server.command("bench", "--url", server.url, *arguments.split()) for arguments, _, _ in REFUSALS]
    for (arguments, status, complaint), refused in zip(REFUSALS, await run_all(commands), strict=True):
        assert (refused.status, refused.stdout) == (status, ""), arguments
        assert re.fullmatch(f"liveserver: {complaint}.*\n", refused.stderr), arguments


async def test_there_is_no_default_server(server: LiveServer) -> None:
    refused = await server.run("bench", url=server.url)
    assert refused.status == 2
    assert "--url" in refused.stderr


async def test_interrupted(server: LiveServer, key: str, tmp_path: Path) -> None:
    """Ctrl+C ends it early, with the figures so far and nothing left behind."""
    report = tmp_path / "result.json"
    arguments = ("--url", server.url, "--key", key, "--viewers", "20", "--rate", "10", "--duration", "600")
    async with started(Child(tmp_path / "child", "bench", *arguments, "--json", str(report))) as child:
        await eventually(lambda: "publishing:" in child.stderr, seconds=30, what="publishing")
        status = await child.end(signal.SIGINT, seconds=30)
    assert status == 130
    values = orjson.loads(report.read_bytes())
    assert values["interrupted"]
    assert values["connections"]["opened"] == 20
    assert values["deliveries"]["arrived"] == values["publishing"]["entries"] * 20
    assert "interrupted" in child.stdout
    assert await entries_of(server, "benchmark") == []
