"""Odd values wherever a request may have one: nothing but the documented answers comes of them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveserver.api.catalogue import OPERATIONS
from liveserver.inputs import EntryInput, parse
from tests.api.site import BASE, ENTRIES, LIVEBLOG, SLUG, bad_fields

if TYPE_CHECKING:
    from liveserver.api.operation import Operation
    from tests.api.site import Site

pytest_plugins = ["tests.api.fixtures"]

FUZZING = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


TEXTS = st.sampled_from(
    [
        *("", " ", "0", "-1", "1", "1.0", "1e400", "NaN", "Infinity", "true", "null", "²", "٣", "+1", "0x1", "1_000"),
        *(str(2**31), str(2**63 - 1), str(2**63), str(2**64), f"-{2**63}", "9" * 5_000, "9" * 400),
        *(
            "2026-11-22",
            "2026-02-30",
            "0001-01-01",
            "9999-12-31",
            "9998-12-31",
            "1970-01-01",
            "10000-01-01",
            "-001-1-1",
        ),
        *("2026-11-22T09:30", "2026-11-22T00:00:00Z", "2026-11-22T09:30:00+01:00", "1970-01-01T00:00:00+23:59"),
        *("9998-12-31T23:59:59.999-23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
        *(
            "2026-11-22T09:30:00+99:99",
            "2026-11-22T24:00:00Z",
            "2026-11-22T23:59:60Z",
            "2026-11-22T09:30:00.123456789Z",
        ),
        *("k3f9x2ab-0", f"k3f9x2ab-{'9' * 18}", f"k3f9x2ab-{'9' * 19}", "0-0", "k3f9x2ab--1", "k3f9x2ab"),
        *(cursor(f"{'9' * 18}.x"), cursor(f"-{'9' * 18}.x"), cursor("253402300799999999.a"), cursor("0.\0")),
        *(cursor("-62135596800000000.a"), cursor("٣.a"), "=", "====", "é", "A" * 499),
        *("\0", "a\0b", "\x7f", "\x85", "\u202e", "\ud7ff", "\ufffe", "\U0010ffff", "e\u0301", "a\r\nb: c", "/", "%00"),
        *("..", "../../etc/passwd", "%2e%2e", "?", "#", "<script>", '"', "'", "draft", "published", "fr", "UTC", "p_x"),
        *("http://[", "http://[::1", "https://a:b@c:99999/live/x", "https://\u2100/live/x", "//x", "javascript:0", "*"),
        *(SLUG, "x" * 3_000),
    ]
)
"""Numbers that are none or too large, times at the ends of time, cursors of nowhere, characters that aren't text."""

VALUES: st.SearchStrategy[Any] = st.one_of(
    TEXTS,
    st.text(max_size=20),
    st.sampled_from([None, True, 0, -1, 1, 1.5, 2**31, 2**63, -(2**63), 2**64, 10**400, 1e308, [], {}, [[]], "\ud800"]),
    st.lists(TEXTS, max_size=3),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("If-Match", "If-None-Match", "Idempotency-Key", "Authorization", "Content-Type", "Content-Length"),
            *("Origin", "Host", "Accept", "Accept-Encoding", "Accept-Language", "Range", "X-Forwarded-Host", "Referer"),
        ]
    ),
    st.one_of(
        st.binary(max_size=20),
        TEXTS.map(str.encode),
        st.sampled_from(
            [b"*", b'"1"', b'W/"k3f9x2ab-1"', b'"' + b"9" * 5_000 + b'"', b"\xb2", b"Bearer lv_\xe9", b"gzip;q=x"]
        ),
    ),
    max_size=2,
)


def sent(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@st.composite
def bodies(draw: st.DrawFn, operation: Operation) -> bytes | None:
    """What is nearly a body, or no JSON at all."""
    if operation.body is None:
        return draw(st.sampled_from([None, None, b"", b"x"]))
    names = st.sampled_from(sorted(operation.body.model_fields))
    whole = {**operation.example, **draw(st.dictionaries(st.one_of(names, names, TEXTS), VALUES, max_size=3))}
    broken = st.sampled_from(
        [b"", b"\0", b"[" * 5_000, b"9" * 5_000, b'"\\ud800"', b"\xff", b"null", b"[]", b'{"a":1e999}']
    )
    return sent(whole) if draw(st.integers(0, 9)) else draw(broken)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Operation, str, dict[str, str], bytes | None, dict[str, bytes]]:
    operation = draw(st.sampled_from(OPERATIONS))
    path = operation.template
    for name, good in (("{slug}", [SLUG] * 6), ("{id}", ["THERE"] * 6)):
        if name in path:
            path = path.replace(name, quote(draw(st.one_of(st.sampled_from(good), TEXTS)), safe=""))
    query: dict[str, str] = {}
    if operation.query is not None:
        names = [field.alias or name for name, field in operation.query.model_fields.items()]
        query = draw(st.dictionaries(st.sampled_from(names), st.one_of(TEXTS, st.text(max_size=9)), max_size=3))
    return operation, path, query, draw(bodies(operation)), draw(HEADERS)


def plain(site: Site) -> httpx2.AsyncClient:
    """A client that lets odd paths be."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(site._asgi, raise_app_exceptions=False))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partners that aren't there are looked for without a pause."""
    monkeypatch.setattr("liveserver.partners.UNKNOWN_AGAIN", 0)


@FUZZING
@given(given=requests())
async def test_the_api(site: Site, given: Any) -> None:
    """Nothing but what the OpenAPI document says of the operation, or that there is none of that path."""
    operation, path, query, body, headers = given
    entry = (await site.publish())["id"]
    usual = {"Authorization": site.editor.headers["Authorization"].encode(), "If-Match": b"*"}
    raw = httpx2.Headers([(name.encode(), value) for name, value in {**usual, **headers}.items()])
    url = httpx2.URL(f"{BASE}/api/v1{path.replace('THERE', entry)}", params=query)
    async with plain(site) as client:
        answer = await client.request(operation.method, url, content=body, headers=raw)
    described = site.contract.document["paths"][f"/api/v1{operation.template}"][operation.method.lower()]
    known = {int(status) for status in described["responses"]}
    assert answer.status_code in known | {404, 405}, (url, answer.text)


PAGES = (
    *("/", "/live/{slug}", "/live/{slug}/entries/{id}", "/live/{slug}/feed.rss", "/live/{slug}/feed.atom"),
    *(
        "/live/{slug}/card-{x}.png",
        "/reach/{slug}",
        "/embed/{slug}",
        "/embed/{slug}/shell.json",
        "/embed/{slug}/fragment",
    ),
    *("/embed/preview/{slug}", "/embed/v1-{x}.js", "/oembed", "/media/{x}", "/openapi.json", "/docs", "/static/{x}"),
    *("/sitemap-news.xml", "/robots.txt", "/{x}"),
)
PARAMETERS = (
    *(
        "cursor",
        "order",
        "limit",
        "partner",
        "link",
        "from",
        "to",
        "after",
        "entry",
        "key_events",
        "tag",
        "lang",
        "url",
    ),
    *("format", "maxwidth", "maxheight", "theme", "accent", "font", "height", "origin", "show", "v"),
)
ANSWERS = {200, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 410, 414, 416, 422, 431, 501}


@FUZZING
@given(
    path=st.sampled_from(PAGES),
    slug=st.one_of(st.just(SLUG), TEXTS),
    odd=TEXTS,
    query=st.dictionaries(st.sampled_from(PARAMETERS), TEXTS, max_size=3),
    headers=HEADERS,
)
async def test_the_pages(
    site: Site, path: str, slug: str, odd: str, query: dict[str, str], headers: dict[str, bytes]
) -> None:
    filled = path.replace("{slug}", quote(slug, safe=""))
    for name in ("{id}", "{x}"):
        filled = filled.replace(name, quote(odd, safe=""))
    url = httpx2.URL(f"{BASE}{filled}", params=query)
    raw = httpx2.Headers([(name.encode(), value) for name, value in headers.items()])
    async with plain(site) as client:
        answer = await client.get(url, headers=raw)
    assert answer.status_code in ANSWERS, answer.text


@FUZZING
@given(publish_at=st.one_of(TEXTS, st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())))
async def test_times(site: Site, publish_at: str) -> None:
    """Whatever is taken for one can be stored, shown and sorted."""
    answer = await site.editor.post(ENTRIES, json={"body": "x", "publish_at": publish_at})
    assert answer.status_code in {201, 422}, answer.text
    if answer.status_code == 201:
        assert parse(EntryInput, {"body": "x", "publish_at": publish_at}).publish_at is not None
        assert (await site.reader.get(f"/live/{SLUG}")).status_code == 200


@pytest.mark.parametrize(
    "day", ["0", "1764000000", "2026-11-22T00:00:00", "2026-11-22Z", "2026-1-2", "٢٠٢٦-11-22", "-1"]
)
async def test_what_is_no_day(site: Site, day: str) -> None:
    """Least of all one in 1970."""
    for name in ("from", "to"):
        found = bad_fields(await site.editor.get(f"{LIVEBLOG}/reach", params={name: day}))
        assert found == {f"?{name}": "must be a day, for example 2026-11-22"}


@pytest.mark.parametrize("day", ["9999-12-31", "9999-01-01", "0001-01-01", "1969-12-31"])
async def test_days_at_the_ends_of_time(site: Site, day: str) -> None:
    for name in ("from", "to"):
        found = bad_fields(await site.editor.get(f"{LIVEBLOG}/reach", params={name: day}))
        assert found == {f"?{name}": "must lie between the years 1970 and 9998"}


@pytest.mark.parametrize("day", ["1970-01-01", "9998-12-31"])
async def test_the_first_and_the_last_day(site: Site, day: str) -> None:
    """In every time zone."""
    for number, zone in enumerate(("Pacific/Kiritimati", "Pacific/Pago_Pago")):
        await site.open_liveblog(f"zone-{number}", timezone=zone)
        answer = await site.editor.get(f"/api/v1/liveblogs/zone-{number}/reach", params={"from": day, "to": day})
        assert (answer.status_code, answer.json()["to"]) == (200, day)


async def test_a_partner_that_no_database_can_look_for(site: Site) -> None:
    """PostgreSQL takes no NUL."""
    answer = await site.editor.get(f"{LIVEBLOG}/reach?partner=%00")
    assert bad_fields(answer) == {"?partner": "has a control character (U+0000)"}


@pytest.mark.parametrize("length", [b"\xb2", b"9" * 5_000, b"-1", b"x", b"1e9"])
async def test_a_length_that_is_none(site: Site, length: bytes) -> None:
    """Servers before us refuse it; it breaks nothing here."""
    headers = httpx2.Headers([(b"Content-Length", length)])
    answer = await site.editor.post(ENTRIES, content=b'{"body": "x"}', headers=headers)
    assert answer.status_code == (413 if length.isdigit() else 201)
