"""Too many requests are answered 429, by whom they come from; and what is turned away is noted."""

from __future__ import annotations

import logging
import math
import traceback
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from structlog.testing import capture_logs

from liveserver.access.request_limits import ASKED, REFUSALS, REFUSALS_AT_ONCE, WRITTEN
from liveserver.domain.errors import StoreUnavailable
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.utils.limits.refusals import LogInterval, Reason, refusals
from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG, problem, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.types import Receive, Scope, Send

    from liveserver.settings import Settings
    from tests.support.api.site import JSON, Site

    From = Callable[..., httpx2.AsyncClient]

READER = "203.0.113.7"
FEW = {"limit_reads": 1, "limit_pages": 1, "limit_by_key": 2}
BURST = 20


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    """A site with low limits, at which time stands still."""
    async with started(settings.model_copy(update=FEW)) as running:
        running.parts.limits.__init__(running.parts.settings, lambda: 1_000.0)  # type: ignore[misc]
        yield running


@pytest.fixture
def since() -> Callable[[Reason], int]:
    """How many refusals of a reason there were since the test began."""
    before = dict(refusals.counts)
    return lambda reason: refusals.counts[reason] - before[reason]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The lines that are logged; every refusal is."""
    monkeypatch.setattr("liveserver.utils.limits.refusals.INTERVAL", 0.0)
    monkeypatch.setattr(refusals, "_lines", {reason: LogInterval() for reason in Reason})
    with capture_logs() as logged:
        yield logged


@pytest.fixture
async def of(site: Site) -> AsyncIterator[From]:
    """Makes clients that come from an address."""
    clients: list[httpx2.AsyncClient] = []

    def client(address: str, key: str | None = None) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(site._asgi, raise_app_exceptions=False, client=(address, 50_000))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        clients.append(httpx2.AsyncClient(transport=transport, base_url=site.base_url, headers=headers))
        return clients[-1]

    yield client
    for made in clients:
        await made.aclose()


async def drain(client: httpx2.AsyncClient, path: str, status: int = 200) -> None:
    """Ask as often as one may at once."""
    for _ in range(BURST):
        assert (await client.get(path)).status_code == status


def refused(site: Site, answer: httpx2.Response) -> JSON:
    """The problem document of a 429, which says when to come back."""
    site.contract.check(answer.request, answer)
    content = problem(answer, 429)
    assert content["type"] == "urn:liveserver:problem:too-many-requests"
    assert int(answer.headers["retry-after"]) >= 1
    return content


async def test_reads_are_limited_by_address(site: Site, of: From, since: Callable[[Reason], int]) -> None:
    """With the fields of the RateLimit draft; another address isn't, nor is this machine."""
    reader = of(READER)
    await drain(reader, f"{LIVEBLOG}/snapshot")
    for path in ("/snapshot", "/changes?after=x-1", "/entries", "", "/embed", "/nowhere-else/../snapshot"):
        answer = await reader.get(LIVEBLOG + path)
        refused(site, answer)
    assert answer.headers["ratelimit-policy"] == '"reads";q=20;w=20'
    assert answer.headers["ratelimit"] == '"reads";r=0;t=1'
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    answer = await reader.get(f"{LIVEBLOG}/snapshot", headers={"Origin": "https://www.example.org"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    refused(site, await reader.post(f"{LIVEBLOG}/gone", json={"id": "x"}))
    for other in (of("203.0.113.8"), of("127.0.0.1")):
        assert (await other.get(f"{LIVEBLOG}/snapshot")).status_code == 200
    assert since(Reason.RATE) == 8


@pytest.mark.slow
async def test_what_is_refused_slows_its_client_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals, and what isn't there at all: a client that asks again at once would be answered all the time."""
    rests: list[tuple[tuple[str, int], float]] = []
    key = await site.key("Agence", ["publish"])

    async def status(
        path: str, address: str = READER, *, method: str = "GET", key: str = "", accept: str = "*/*"
    ) -> int:
        async def resting(scope: Scope, receive: Receive, send: Send) -> None:
            extension = {"rest": lambda *rest: rests.append(rest)}
            await site._asgi({**scope, "extensions": {EXTENSION: extension}}, receive, send)

        transport = httpx2.ASGITransport(resting, raise_app_exceptions=False, client=(address, 50_000))
        headers = {"Accept": accept, **({"Authorization": f"Bearer {key}"} if key else {})}
        async with httpx2.AsyncClient(transport=transport, base_url=site.base_url, headers=headers) as client:
            return (await client.request(method, path)).status_code

    guess = f"lv_{'a' * 12}_{'b' * 43}"
    for _ in range(BURST):
        assert await status(LIVEBLOG) == 200
        assert await status("/live/nowhere") == 404
        assert await status(ENTRIES, method="POST", key=guess) == 401
    for _ in range(REFUSALS_AT_ONCE - 1):
        assert await status("/api/v1/nowhere") == 404
    assert await status(LIVEBLOG) == 429
    assert rests == []
    asked = [
        (429, status(LIVEBLOG)),
        (429, status("/live/nowhere")),
        (429, status("/healthznowhere", accept="text/html")),
        (429, status(ENTRIES, method="POST", key=guess)),
        (404, status("/api/v1/nowhere")),
        (404, status("/static/nowhere", accept="text/html")),
        (405, status("/healthz", method="POST")),
        (404, status("/media/nowhere")),
    ]
    for expected, answer in asked:
        assert await answer == expected
    assert [client for client, _ in rests] == [(READER, 50_000)] * len(asked)
    assert [seconds for _, seconds in rests] == pytest.approx([n / REFUSALS for n in range(1, len(asked) + 1)])
    for good in (status("/healthz"), status("/healthz", key=key), status(LIVEBLOG, "203.0.113.8")):
        assert await good == 200
    assert len(rests) == len(asked)


async def test_one_network_counts_as_one(site: Site, of: From) -> None:
    """The holder of a /64 has 18 trillion addresses."""
    for number in range(BURST):
        assert (await of(f"2001:db8::{number:x}").get(LIVEBLOG)).status_code == 200
    refused(site, await of("2001:db8::ffff").get(LIVEBLOG))
    assert (await of("2001:db8:0:1::1").get(LIVEBLOG)).status_code == 200


async def test_a_header_that_is_no_key_changes_nothing(site: Site, of: From) -> None:
    """A request that needs no key is limited by address also where a made-up one is shown."""
    reader = of(READER, f"lv_{'a' * 12}_{'b' * 43}")
    await drain(reader, LIVEBLOG)
    refused(site, await reader.get(LIVEBLOG))


async def test_a_key_has_a_limit_of_its_own(site: Site, of: From) -> None:
    """By key, from wherever it comes, however it is written; its address's limit isn't touched."""
    key = await site.key("Agence", ["publish"])
    first, second = of(READER, key), of("203.0.113.8", key)
    second.headers["Authorization"] = f"bearer   {key} "
    assert (await first.post(ENTRIES, json={"body": "1"})).status_code == 201
    for _ in range(BURST):
        assert (await first.get(ENTRIES)).status_code == 200
        assert (await second.get(LIVEBLOG)).status_code == 200
    answer = await first.post(ENTRIES, json={"body": "2"})
    assert "more requests of this user or key than 2 a second" in refused(site, answer)["detail"]
    assert answer.headers["ratelimit-policy"] == '"key";q=40;w=20'
    refused(site, await second.get(LIVEBLOG))
    assert (await of(READER).get(LIVEBLOG)).status_code == 200
    assert (await of(READER, await site.key("Autre", ["publish"])).post(ENTRIES, json={"body": "3"})).status_code == 201


async def test_what_is_written_counts_as_a_whole(site: Site, of: From) -> None:
    """At each edit, however little of the entry was changed: each goes to the database, and to every viewer."""
    key = await site.key("Bureau", ["publish"])
    editor = of(READER, key)
    entry = (await editor.post(ENTRIES, json={"body": "x" * 4 * WRITTEN})).json()
    at, edits = f"{ENTRIES}/{entry['id']}", 0
    while (response := await editor.patch(at, json={"pinned": edits % 2 == 0}, headers={"If-Match": "*"})).is_success:
        edits += 1
    assert response.status_code == 429
    # Each counts five times.
    assert edits == FEW["limit_by_key"] * BURST // 5


async def test_a_deletion_that_is_to_be_confirmed_counts_for_more(site: Site, of: From) -> None:
    """Every viewer is asked for an answer."""
    editor = of(READER, await site.key("Bureau", ["publish"]))
    ids = [(await site.publish())["id"] for _ in range(8)]
    assert (await editor.get(ENTRIES)).status_code == 200
    answers = [await editor.delete(f"{ENTRIES}/{id_}?confirm=true") for id_ in ids]
    allowed = math.ceil(FEW["limit_by_key"] * BURST / (1 + ASKED))
    assert [answer.status_code for answer in answers] == [200] * allowed + [429] * (8 - allowed)


@pytest.mark.slow
async def test_failures_delay_failures_only(site: Site, of: From, since: Callable[[Reason], int]) -> None:
    """Keys that aren't good are 401, then 429; one that is good works, also where it was never seen."""
    bad = of(READER, f"lv_{'a' * 12}_{'b' * 43}")
    for _ in range(BURST):
        problem(await bad.post(ENTRIES, json={"body": "1"}), 401)
    answer = await bad.post(ENTRIES, json={"body": "1"})
    assert "API keys that aren't good" in refused(site, answer)["detail"]
    assert answer.headers["retry-after"] == "3"
    await drain(of(READER), LIVEBLOG)
    refused(site, await of(READER).get(LIVEBLOG))
    good = of(READER, await site.key("Rédaction 2", ["publish"]))
    assert (await good.post(ENTRIES, json={"body": "2"})).status_code == 201
    assert (since(Reason.KEY), since(Reason.RATE)) == (BURST + 1, 2)


async def test_pages_are_limited_by_address(site: Site, of: From) -> None:
    """To people as a page. The page that everybody asks for is sent as long as it is held, and so are files."""
    await site.publish()
    reader = of(READER)
    await drain(reader, f"/live/{SLUG}/feed.rss")
    for path in (f"/live/{SLUG}?order=oldest", f"/live/{SLUG}", "/", "/live/rien"):
        answer = await reader.get(path, headers={"Accept-Language": "fr"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert "Trop de requêtes" in answer.text
        # It comes again by itself, and offers nothing that would be one more.
        assert (answer.headers["refresh"], "dans 5 secondes" in answer.text) == ("5", True)
        assert 'class="button"' not in answer.text
    for path in ("/metrics", "/openapi.json", "/robots.txt", f"/embed/{SLUG}", f"/reach/{SLUG}"):
        refused(site, await reader.get(path))
    assert (await site.reader.get(f"/live/{SLUG}")).status_code == 200
    for path in (f"/live/{SLUG}", "/static/icon.svg", "/healthz", "/readyz"):
        assert (await reader.get(path)).status_code == 200, path
    assert (await reader.get("/media/x.webp")).status_code == 404


async def test_a_link_that_is_not_good(site: Site, of: From, since: Callable[[Reason], int]) -> None:
    """Counts as a failed key; what it says stays readable."""
    reader = of("2001:db8::1")
    for _ in range(BURST - 1):
        assert (await reader.get(f"/reach/{SLUG}?signature=x")).status_code == 403
    bad = of("2001:db8::2", "x")
    problem(await bad.post(ENTRIES, json={}), 401)
    answer = await reader.get(f"/reach/{SLUG}?signature=x")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.headers["content-type"].startswith("text/html")
    assert since(Reason.KEY) == BURST + 1


async def test_what_is_noted_of_a_client_that_is_turned_away(site: Site, of: From, lines: list[Any]) -> None:
    """A key's id, the address, the way and why; a secret never."""
    weak = await site.key("Stagiaire", ["publish"])
    made_up = f"lv_{'a' * 12}_{'b' * 43}"
    await of(READER, weak).post("/api/v1/liveblogs", json={})
    await of(READER, made_up).post(ENTRIES, json={})
    await of(READER, "perhaps-a-password").post(ENTRIES, json={})
    await of(READER).post(ENTRIES, json={})
    await of(READER).get(f"/reach/{SLUG}?key={'a' * 12}&expires=1&signature=forged")
    await site.editor.patch(LIVEBLOG, json={"embedding": {"mode": "nobody"}}, headers={"If-Match": "*"})
    await site.parts.partners.refresh()
    await of(READER).get(f"{LIVEBLOG}/snapshot", headers={"Origin": "https://elsewhere.example"})
    await of(READER).get(f"/embed/{SLUG}?partner=p_{'0' * 12}")
    told = [
        (line["reason"], line["address"], line["method"], line["path"], line["key"])
        for line in lines
        if line["event"] == "refused"
    ]
    assert told == [
        ("key", READER, "POST", "/api/v1/liveblogs", weak.split("_")[1]),
        ("key", READER, "POST", ENTRIES, "a" * 12),
        ("key", READER, "POST", ENTRIES, None),
        ("key", READER, "POST", ENTRIES, None),
        ("key", READER, "GET", f"/reach/{SLUG}", None),
        ("not-admitted", READER, "GET", f"{LIVEBLOG}/snapshot", None),
        ("not-admitted", READER, "GET", f"/embed/{SLUG}", None),
    ]
    for secret in (weak.split("_", 2)[2], "b" * 43, "perhaps-a-password", "forged"):
        assert secret not in repr(lines)


async def test_changes_are_told_with_who_made_them(site: Site, of: From, lines: list[Any]) -> None:
    """Each of them, also a hundred in a row."""
    key = await site.key("Direction", ["manage"])
    manager = of(READER, key)
    made = (await manager.post("/api/v1/partners", json={"name": "Le Phare"})).json()
    path = f"/api/v1/partners/{made['id']}"
    assert (await manager.patch(path, json={"enabled": False}, headers={"If-Match": "*"})).status_code == 200
    assert (await manager.patch(path, json={"enabled": False}, headers={"If-Match": "*"})).status_code == 200
    assert (await manager.delete(path)).status_code == 204
    by = {"principal": f"key:{key.split('_')[1]}", "address": READER}
    told = [line for line in lines if line["event"].startswith("partner.")]
    assert [(line["event"], line["partner"], line["by"]) for line in told] == [
        ("partner.created", made["id"], {**by, "route": "POST /api/v1/partners"}),
        ("partner.edited", made["id"], {**by, "route": f"PATCH {path}"}),
        ("partner.deleted", made["id"], {**by, "route": f"DELETE {path}"}),
    ]
    assert told[1]["changed"] == ["enabled"]
    assert key.split("_", 2)[2] not in repr(lines)


async def test_a_crash_tells_no_secret(
    site: Site, of: From, lines: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does the line of each request that the level debug shows; both name the path without its query."""
    caplog.set_level(logging.DEBUG, "liveserver.http.middleware.request_metrics")

    async def fail(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("liveserver.access.signed_links.check", fail)
    monkeypatch.setattr(site.parts.api_keys, "authenticate", fail)
    secret = "c" * 43
    query = f"key={'a' * 12}&expires=99&signature={secret}"
    assert (await of(READER).get(f"/reach/{SLUG}?{query}")).status_code == 500
    assert (await of(READER, f"lv_{'a' * 12}_{secret}").post(ENTRIES, json={})).status_code == 500
    crashes = [line for line in lines if line["event"] == "request.failed"]
    assert [line["path"] for line in crashes] == [f"/reach/{SLUG}", ENTRIES]
    shown = repr(lines) + "".join(text for line in crashes for text in traceback.format_exception(line["exc_info"]))
    assert "ValueError: broken" in shown
    assert [line["path"] for line in lines if line["event"] == "http"] == [f"/reach/{SLUG}", ENTRIES]
    assert secret not in shown


async def test_others_pages_read_when_to_come_back(site: Site, of: From, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the API's 429 and 503: a widget would else see a network that fails."""
    reader = of(READER)
    await drain(reader, ENTRIES)
    from_page = {"Origin": "https://partner.example"}
    too_many = await reader.get(ENTRIES, headers=from_page)
    problem(too_many, 429)

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(site.parts.store.liveblogs, "page", away)
    unavailable = await site.reader.get("/api/v1/liveblogs", headers=from_page)
    problem(unavailable, 503)
    for answer in (too_many, unavailable):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert int(answer.headers["retry-after"]) > 0
