"""For which hosts the server answers, where it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from liveserver.http.middleware.host_check import PublicName
from liveserver.settings import load
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.site import LIVEBLOG, SLUG, problem, serving, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from liveserver.settings import Settings
    from tests.support.api.site import LiveSite, Site, Stack

PATHS = ("/", f"/live/{SLUG}", f"/live/{SLUG}/", LIVEBLOG, "/docs", "/static/icon.svg", "/metrics", "/rien")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"allowed_hosts": "other.example,node-1"})


@pytest.mark.parametrize(
    "host",
    [
        *("live.test", "LIVE.test", "live.test:8443", "live.test:", "other.example", "node-1:8000"),
        *("localhost", "localhost:8000"),
        *("192.0.2.1", "192.0.2.1:8000", "[2001:db8::1]", "[::1]:8000"),
    ],
)
async def test_ours(site: Site, host: str) -> None:
    """Those that were named, the public URL's, and no names at all."""
    for path in PATHS:
        assert (await site.reader.get(path, headers={"Host": host})).status_code != 421


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "live.test.evil.example", "sub.live.test", "live.test.", "live.test@evil.example", ""),
        *(
            "1.evil.example",
            "[::1].evil.example",
            "[::1]x",
            "[evil.example]",
            "192.0.2.1.evil.example",
            "\x00",
            "é.example",
            *("live.test:80:evil", "live.test:x", "live.test:800000", "[live.test]", "[::1]:80:evil"),
        ),
    ],
)
async def test_others(site: Site, host: str) -> None:
    """Other hosts are refused on every path, also where a page is held, and counted. Health is told to everybody."""
    await site.reader.get(f"/live/{SLUG}")
    before = refusals.counts[Reason.HOST]
    for path in PATHS:
        response = await site.reader.get(path, headers=[(b"Host", host.encode("latin-1"))])
        problem(response, 421)
        assert response.headers["cache-control"] == "no-store"
        assert f"the host {host!a}: LIVESERVER_ALLOWED_HOSTS" in response.json()["detail"]
    assert refusals.counts[Reason.HOST] == before + len(PATHS)
    for path in ("/healthz", "/readyz"):
        assert (await site.reader.get(path, headers=[(b"Host", host.encode("latin-1"))])).status_code == 200


async def test_a_long_name_is_not_repeated(site: Site) -> None:
    """Nor anything that could be taken for a part of the answer."""
    response = await site.reader.get("/", headers=[(b"Host", b"\xe9" + b"x" * 20_000)])
    assert response.json()["detail"].startswith("this server doesn't answer for the host '\\xe9xx")
    assert response.text.isascii()
    assert len(response.content) < 500


async def test_a_request_that_names_two(site: Site) -> None:
    """Names none: a proxy may have gone by the other one."""
    headers = [("Host", "live.test"), ("Host", "evil.example")]
    problem(await site.reader.get("/", headers=headers), 421)
    problem(await site.reader.get("/", headers=headers[::-1]), 421)


async def test_forwarded_hosts_count_for_nothing(site: Site) -> None:
    """In neither direction."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "live.test"}
    problem(await site.reader.get("/", headers=headers), 421)
    headers = {"Host": "live.test", "X-Forwarded-Host": "evil.example"}
    assert (await site.reader.get("/", headers=headers)).status_code == 200


async def test_without_the_setting_it_answers_for_all(settings: Settings) -> None:
    """As before."""
    async with started(settings.model_copy(update={"allowed_hosts": ""})) as site:
        for path in PATHS:
            assert (await site.reader.get(path, headers={"Host": "evil.example"})).status_code != 421


@pytest.fixture
async def live(settings: Settings, stack: Stack) -> AsyncIterator[LiveSite]:
    async with serving(settings, stack) as running:
        yield running


async def test_streams(live: LiveSite) -> None:
    """A WebSocket's handshake, and an event stream, like every other request."""
    path = f"{LIVEBLOG}/ws"
    async with connect(live.url(path, "ws")) as websocket:
        assert '"hello"' in str(await websocket.recv())
    # The name is the URI's, whoever is connected to.
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://evil.example{path}", host="127.0.0.1", port=live.port)
    assert refused.value.response.status_code == 421
    assert b"misdirected-request" in refused.value.response.body
    async with httpx2.AsyncClient(base_url=live.url("")) as http:
        answer = await http.get(f"{LIVEBLOG}/events", headers={"Host": "evil.example"})
    assert answer.status_code == 421


# The public URL's name


def told(requests: Sequence[tuple[str, dict[str, str]]], **given: str) -> list[tuple[str, str]]:
    """The log lines for requests for these paths with these headers."""
    name = PublicName(load(**given))
    with capture_logs() as lines:
        for path, headers in requests:
            raw = [(field.lower().encode(), value.encode("latin-1")) for field, value in headers.items()]
            name.observe({"type": "http", "path": path, "headers": [(b"accept", b"*/*"), *raw]})
    assert all(line["event"] == "public_url.differs" and line["set"] == "LIVESERVER_PUBLIC_URL" for line in lines)
    return [(line["host"], line["public_url"]) for line in lines]


def host(name: str) -> tuple[str, dict[str, str]]:
    return "/", {"Host": name}


PUBLIC = "https://live.example"


@pytest.mark.parametrize("given", [{}, {"public_url": "http://localhost:8000"}])
@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"Host": "Live.Example:8443"}, "live.example"),
        ({"Host": "192.0.2.7:8000"}, "192.0.2.7"),
        ({"Host": "[2001:db8::7]:8000"}, "2001:db8::7"),
        ({"Host": "127.0.0.1:8000", "X-Forwarded-Host": "live.example, inner"}, "live.example"),
    ],
)
def test_a_public_url_that_was_forgotten(given: dict[str, str], headers: dict[str, str], shown: str) -> None:
    """Is told once, however many come, and by whatever name."""
    requests = [host("localhost:8000"), *[("/live/x", headers)] * 3, host("other.example")]
    assert told(requests, **given) == [(shown, "http://localhost:8000")]


def test_a_public_url_with_another_name() -> None:
    assert told([host("live.example"), host("www.live.example"), host("x.example")], public_url=PUBLIC) == [
        ("www.live.example", PUBLIC)
    ]


@pytest.mark.parametrize(
    ("requests", "given"),
    [
        ([host(name) for name in ("localhost", "127.0.0.9:80", "[::1]:8000", "live.localhost", "", "[", "a b")], {}),
        ([host(name) for name in ("live.example", "LIVE.example:443", "192.0.2.7")], {"public_url": PUBLIC}),
        ([(path, {"Host": "node-1"}) for path in ("/healthz", "/readyz", "/metrics")], {}),
        # It is answered 421, and told as refused.
        ([host("evil.example")], {"public_url": PUBLIC, "allowed_hosts": "other.example"}),
    ],
    ids=["loopback", "public", "machines", "refused"],
)
def test_names_that_are_as_they_should_be(requests: list[tuple[str, dict[str, str]]], given: dict[str, str]) -> None:
    assert told(requests, **given) == []


def test_the_log_gets_so_much_of_a_name() -> None:
    assert told([host("x" * 20_000)]) == [("x" * 100, "http://localhost:8000")]


async def test_the_application_looks_at_the_names(settings: Settings) -> None:
    with capture_logs() as lines:
        async with started(settings.model_copy(update={"allowed_hosts": ""})) as site:
            for _ in range(2):
                await site.reader.get("/", headers={"Host": "journal.example"})
    assert [line["host"] for line in lines if line["event"] == "public_url.differs"] == ["journal.example"]
