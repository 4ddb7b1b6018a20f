"""The figures for operators."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from liveserver import __version__
from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.store.repositories.people.credentials import Credential, NewPasskey
from liveserver.store.repositories.people.proofs import Proof
from liveserver.utils.tokens import digest_of
from tests.support.api.desk import HERE, PASSWORD, browser
from tests.support.api.site import ENTRIES, LIVEBLOG, settled
from tests.support.people_samples import a_user, invited

if TYPE_CHECKING:
    from tests.support.api.site import LiveSite, Site

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def figures(site: Site) -> Figures:
    """Every sample, by its name and labels."""
    response = await site.reader.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert response.headers["cache-control"] == "no-store"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def requests(found: Figures, method: str, status: int) -> float:
    """How many requests of that kind were answered."""
    return found.get(("liveserver_http_requests_total", (("method", method), ("status", str(status)))), 0.0)


async def test_requests_are_counted(site: Site) -> None:
    """By method and status, also those that failed."""
    before = await figures(site)
    await site.publish()
    await site.reader.post(ENTRIES, json={})
    for _ in range(3):
        await site.reader.get("/live/rien")
    after = await figures(site)
    assert requests(after, "POST", 201) - requests(before, "POST", 201) == 1
    assert requests(after, "POST", 401) - requests(before, "POST", 401) == 1
    assert requests(after, "GET", 404) - requests(before, "GET", 404) == 3
    seconds = ("liveserver_http_request_seconds_count", ())
    # Five requests, and the reading of the metrics itself.
    assert after[seconds] - before[seconds] == 6


async def test_invented_methods_are_counted_together(site: Site) -> None:
    """A method that a client makes up makes no label."""
    for method in ("PROPFIND", "BREW", "OTHER"):
        await site.reader.request(method, "/live/marees")
    found = await figures(site)
    assert requests(found, "other", 405) == 3
    assert {dict(labels)["method"] for _, labels in found if "method" in dict(labels)} <= {"GET", "POST", "other"}


async def test_defects_are_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As 500."""

    async def broken(*_args: object, **_fields: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(site.parts.store.liveblogs, "snapshot", broken)
    await site.reader.get(f"{LIVEBLOG}/snapshot")
    assert requests(await figures(site), "GET", 500) == 1


async def test_renderings_are_counted(site: Site) -> None:
    """One made, and two who didn't have to wait for their own."""
    await site.publish()
    before = await figures(site)
    for _ in range(3):
        await site.reader.get("/live/marees")
    after = await figures(site)
    counted = {
        name: after[f"liveserver_page_cache_{name}_total", ()] - before[f"liveserver_page_cache_{name}_total", ()]
        for name in ("hits", "misses")
    }
    assert counted == {"hits": 2, "misses": 1}
    assert after["liveserver_page_cache_bytes", ()] > before["liveserver_page_cache_bytes", ()] == 0


@pytest.mark.parametrize("batched", [True, False])
async def test_how_viewers_are_written_to(site: Site, monkeypatch: pytest.MonkeyPatch, batched: bool) -> None:
    """By the hundred or one by one."""
    monkeypatch.setattr("liveserver.http.metrics.batched", lambda: batched)
    assert (await figures(site))["liveserver_batched_writes", ()] == int(batched)


async def test_what_runs(site: Site) -> None:
    """The version, the bus, and the process."""
    found = await figures(site)
    assert found["liveserver_info", (("version", __version__),)] == 1
    assert found["liveserver_bus_up", ()] == 1
    assert found["liveserver_liveblogs_open", ()] == 0
    assert found["process_resident_memory_bytes", ()] > 0


async def test_viewers(live_site: LiveSite) -> None:
    """Of each live blog in memory, and how many of them lag; a stream's length is no answering time."""
    marees = (("liveblog", "marees"),)
    url = live_site.url(f"{LIVEBLOG}/ws", "ws")
    async with connect(url) as first, connect(url) as second:
        await first.recv()
        await second.recv()
        found = await figures(live_site)
        assert found["liveserver_liveblogs_open", ()] == 1
        assert found["liveserver_viewers", marees] == 2
        assert found["liveserver_viewers_everywhere", marees] == 2
        live_site.parts.hub.announced(b'{"node":"other","viewers":{"marees":40,"ailleurs":7}}')
        found = await figures(live_site)
        assert found["liveserver_viewers", marees] == 2
        assert found["liveserver_viewers_everywhere", marees] == 42
        assert found["liveserver_viewers_lagging", marees] == 0
    before = await figures(live_site)
    reader, writer = await asyncio.open_connection("127.0.0.1", live_site.port)
    writer.write(f"GET {LIVEBLOG}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b'"hello"')
    assert (await figures(live_site))["liveserver_viewers", marees] == 1
    writer.close()
    await writer.wait_closed()
    seconds = ("liveserver_http_request_seconds_count", ())

    async def only_the_stream_was_not_timed() -> bool:
        after = await figures(live_site)
        counted = requests(after, "GET", 200) - requests(before, "GET", 200)
        return after["liveserver_viewers", marees] == 0 and counted - (after[seconds] - before[seconds]) == 1

    await settled(only_the_stream_was_not_timed)


async def test_sign_ins_are_counted_by_way_and_outcome(site: Site) -> None:
    """A wrong password and a void link are refusals; sessions are those that this process remembers."""

    def counted(found: Figures, way: str, outcome: str) -> float:
        return found["liveserver_sign_ins_total", (("outcome", outcome), ("way", way))]

    sign_in, store = site.parts.sign_in, site.parts.store
    user = await invited(store, a_user("Ada"), "token")
    with pytest.raises(Unauthorized):
        await sign_in.with_password("Ada", PASSWORD, HERE)
    with pytest.raises(Unauthorized):
        await sign_in.join_with_password("void", PASSWORD, HERE)
    await sign_in.join_with_password("token", PASSWORD, HERE)
    token = (await sign_in.with_password("Ada", PASSWORD, HERE)).token
    passkey = Credential(passkey=NewPasskey("id", "key", 0, "Mac"))
    await store.credentials.change(Principal(PrincipalKind.USER, user.id, "Ada", digest_of(token)), passkey, now())
    await sign_in.begin(user.id, HERE, Proof(passkey="id"))
    found = await figures(site)
    assert [counted(found, "password", outcome) for outcome in ("signed-in", "refused")] == [1, 1]
    assert [counted(found, "link", outcome) for outcome in ("signed-in", "refused")] == [1, 1]
    assert [counted(found, "passkey", outcome) for outcome in ("signed-in", "refused")] == [1, 0]
    assert found["liveserver_desk_sessions", ()] == 0
    client = await browser(site, token)
    await client.get("/desk/api/v1/session")
    assert (await figures(site))["liveserver_desk_sessions", ()] == 1
    await client.delete("/desk/api/v1/session")
    await client.get("/desk/api/v1/session")
    assert (await figures(site))["liveserver_desk_sessions", ()] == 0
