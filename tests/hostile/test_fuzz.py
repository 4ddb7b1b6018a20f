"""Odd requests to every route, on a real server: nothing but the documented statuses, and nothing logged as a defect.

`make fuzz` sends many more, by chance; here they are always the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import threading
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.http.api.openapi.catalogue import DESK_OPERATIONS, OPERATIONS
from liveserver.http.api.openapi.document import document
from liveserver.server.app import create_app
from liveserver.settings import Settings
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.proofs import Proof
from tests.hostile.oddities import TEXTS, bodies
from tests.hostile.routes import Template, templates
from tests.support.api.desk import HERE
from tests.support.api.site import BASE, SETTINGS, SLUG, serving
from tests.support.people_samples import at_desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypothesis.strategies import DrawFn, SearchStrategy

    from tests.support.api.site import LiveSite

EXAMPLES = int(os.environ.get("LIVESERVER_FUZZ_EXAMPLES", "15"))
"""Requests to each route."""
SEED = os.environ.get("LIVESERVER_FUZZ_SEED")
"""The seed of chance; without it, all is always the same."""

TIMEOUT = 20.0
"""Seconds without an answer after which a request hangs."""

ROUTES = templates(create_app(Settings(_env_file=None)))  # type: ignore[call-arg]

API, DESK = "/api/v1", "/desk/api/v1"
DESCRIBED = {(operation.method, API + operation.template): operation for operation in OPERATIONS}
DESCRIBED |= {(operation.method, DESK + operation.template): operation for operation in (*OPERATIONS, *DESK_OPERATIONS)}

ANYWHERE = {400, 404, 413, 414, 429, 431}
"""The statuses with which any path may be answered before a handler sees the request."""
PAGE = {200, 304}
CARD = {200, 302, 304, 410}
DESK_FORM = {303, 401, 403, 404, 409, 413, 415, 422, 503}
"""The statuses of a form of the desk's pages. A page of another site is refused with 403."""
FILE = {200, 206, 304, 416}
STATUSES: dict[str, set[int]] = {
    "/api/v1/liveblogs/{slug}/ws": {101, 426},
    "/api/v1/liveblogs/{slug}/events": {200, 401, 403, 422},
    "/healthz": {200},
    "/readyz": {200},
    "/metrics": {200},
    "/media/{name}": FILE,
    "/static/{path}": FILE,
    "/live/{slug}": PAGE | {303},
    "/api/v1": {307},
    "/favicon.ico": {308},
    "/live/{slug}/": {308},
    "/live": {308},
    "/live/{slug}/entries/{id}": PAGE | {410},
    "/live/{slug}/entries/{id}/": {308},
    "/live/{slug}/entries/{id}/card.png": CARD,
    "/live/{slug}/entries/{id}/card-{hash}.png": CARD,
    "/live/{slug}/card.png": CARD,
    "/live/{slug}/card-{hash}.png": CARD,
    "/embed/preview/{slug}": PAGE | {401, 403, 422},
    "/embed/{slug}": PAGE | {403, 422},
    "/embed/{slug}/fragment": PAGE | {403, 410, 422},
    "/embed/{slug}/shell.json": PAGE | {403, 422},
    "/oembed": PAGE | {401, 403, 422, 501},
    "/embed/widget.js": {302},
    "/reach/{slug}": PAGE | {401, 403, 422},
    f"{DESK}/liveblogs/{{slug}}/stream": {101, 403, 426},
    "/desk": PAGE | {303},
    "/desk/": {303},
    "/desk/account": PAGE | {303},
    "/desk/signin/provider/callback": PAGE | {303, 401, 403, 409, 422, 503},
    **dict.fromkeys(("/desk/signin", "/desk/join", "/desk/confirm"), PAGE | DESK_FORM),
    **dict.fromkeys(("/desk/signout", "/desk/signin/provider"), DESK_FORM),
    **dict.fromkeys(
        (f"/desk/account/{name}" for name in ("password", "sessions", "passkeys", "identities")), DESK_FORM
    ),
}
"""Of routes that the OpenAPI document doesn't describe; all others are pages."""

NUMBERS: tuple[str, ...] = (
    "0",
    "-1",
    "1",
    "00",
    "9" * 30,
    "9" * 5_000,
    "1e9",
    "NaN",
    "٣",
    "²",
    "0x10",
    " 1",
    "1_0",
    "2147483648",
)
MOMENTS: tuple[str, ...] = (
    "9999-12-31",
    "0001-01-01",
    "1970-01-01",
    "2026-02-30",
    "2026-11-22T09:30:00+99:99",
    "9999-12-31T23:59:59Z",
)
MOMENTS += ("2026-11-22", "0000-00-00", "253402300800", "2026-11-22T09:30:00-23:59")
POSITIONS: tuple[str, ...] = (
    "{epoch}-0",
    "{epoch}-1",
    "{epoch}-" + "9" * 30,
    "x-1",
    "-",
    "{epoch}",
    "{epoch}--1",
    "{epoch}-٣",
)
NAMES: tuple[str, ...] = (
    SLUG,
    "{entry}",
    f"{SLUG}?delay=5",
    f"{SLUG}?x",
    "a" * 101,
    "A",
    "-",
    ".",
    "..",
    "%",
    "%2e",
    "\x00",
    "é",
    "a/b",
)
NAMES += (
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "a b",
    "a\r\nb",
    "\u202e",
    "p_000000000000",
)
NAMES += ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff", "__proto__", "{key}")

odd = st.one_of(st.sampled_from([*NAMES, *NUMBERS, *MOMENTS, *POSITIONS]), TEXTS, st.text(max_size=40))
real: dict[str, SearchStrategy[str]] = {
    "slug": st.sampled_from([SLUG, "vide"]),
    "id": st.just("{entry}"),
    "name": st.sampled_from(["{entry}.jpg", "x.webp", "x-400.webp"]),
    "hash": st.sampled_from(["0" * 8, "0" * 12]),
    "user_id": st.just("{member}"),
    "session_id": st.just("{session_id}"),
    "identity_id": st.just("{identity_id}"),
    "key_id": st.just("{key_id}"),
    "note_id": st.just("{entry}"),
    "number": st.sampled_from([number for number in NUMBERS if number.isdecimal() and number.isascii()]),
    "path": st.sampled_from(["icon.svg", "sw.js", "embed/v1.js", "../app.py", "assets"]),
}
QUERY = {
    **dict.fromkeys(("from", "to", "since", "at"), MOMENTS),
    **dict.fromkeys(("limit", "page", "version", "maxwidth", "maxheight", "entries"), NUMBERS),
    **dict.fromkeys(("after", "before", "cursor"), POSITIONS),
    **dict.fromkeys(("partner", "entry", "id", "q", "tag", "alt", "credit", "theme", "lang", "x"), NAMES),
    "status": ("draft", "scheduled", "published", "deleted", "x"),
    **dict.fromkeys(("order", "key_events", "verification", "confirm", "link", "accent", "font", "show", "v"), NAMES),
    "format": ("json", "xml", "html", "x"),
    "url": (
        f"{BASE}/live/{SLUG}",
        f"{BASE}/live/{SLUG}/entries/{{entry}}",
        "https://[",
        f"{BASE}/live/{SLUG}%3Fx",
        BASE,
    ),
}
"""Parameters of queries, each with values that its kind may be taken for."""
METHODS: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

KEYS: tuple[str, ...] = (
    "Bearer x",
    "Basic eDp4",
    "Bearer \xff",
    "Bearer",
    "",
    "Bearer {key}x",
    "Bearer " + "{key}" * 20,
)
TYPES: tuple[str, ...] = (
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "",
    "multipart/form-data",
    "image/png",
    "/",
)
TYPES += (
    "multipart/form-data; boundary=a",
    "multipart/form-data; boundary=" + "b" * 300,
    "application/json; charset=x",
)

tags = st.sampled_from(['"1"', "*", 'W/"1"', '"', "1", '"1", "2"', '"' + "9" * 400 + '"', "", '"é"'])
HEADERS: dict[str, SearchStrategy[str]] = {
    "Host": st.sampled_from(
        ["127.0.0.1", "a.example", "[::1]:80", "", "a b", "a:99999", "é", "a/../b", "<x>", "a" * 300]
    ),
    "Range": st.sampled_from(
        ["bytes=0-1", "bytes=-1", "bytes=5-1", "bytes=0-" + "9" * 30, "x=1", "bytes=0-0,2-3", "bytes="]
    ),
    "If-None-Match": tags,
    "If-Match": tags,
    "If-Range": tags,
    "If-Modified-Since": st.sampled_from(["Sun, 22 Nov 2026 09:30:00 GMT", "x", "Fri, 31 Dec 9999 23:59:59 GMT", "0"]),
    "Last-Event-ID": st.sampled_from(POSITIONS) | st.sampled_from(["\xb2", "9" * 5_000]),
    "Accept": st.sampled_from(["text/html", "*/*", "application/json;q=9", "", ",,;", "text/html;q=x"]),
    "Accept-Encoding": st.sampled_from(["gzip", "identity;q=0", "*;q=0", "br;q=1.0000", "", "x" * 500, ";q="]),
    "Accept-Language": st.sampled_from(["fr", "x" * 500, "*", "", "fr;q=2, en-GB-oed"]),
    "Content-Type": st.sampled_from(TYPES),
    "Content-Encoding": st.sampled_from(["gzip", "identity", "x"]),
    "Idempotency-Key": st.sampled_from(["a", "", "é", "x" * 255, "x" * 256, "\x7f"]),
    "Origin": st.sampled_from(
        ["null", "https://a.example", "https://a.example:99999", "", "x", "file://", "https://[::"]
    ),
    "Referer": st.sampled_from(["https://a.example/", "x", "https://[", ""]),
    "Cookie": st.sampled_from(["a=b", ";;;", "x" * 1_000]),
    "X-Forwarded-For": st.sampled_from(["1.2.3.4", "x", "::1, 1.2.3.4", "", "1.2.3.4:99999", ","]),
    "X-Forwarded-Proto": st.sampled_from(["https", "x", "", "wss"]),
    "X-Forwarded-Host": st.sampled_from(["a.example", "a b", ""]),
    "Upgrade": st.sampled_from(["websocket", "h2c", "x"]),
    "Connection": st.sampled_from(["Upgrade", "keep-alive, Upgrade", "x"]),
    "Sec-WebSocket-Version": st.sampled_from(["13", "8", "x", ""]),
    "Sec-WebSocket-Key": st.sampled_from(["AAAAAAAAAAAAAAAAAAAAAA==", "x", ""]),
    "Sec-WebSocket-Extensions": st.sampled_from(["permessage-deflate", "permessage-deflate; x=y", ";", "x"]),
    "Sec-WebSocket-Protocol": st.sampled_from(["a, b", ""]),
    "Access-Control-Request-Method": st.sampled_from(METHODS),
    "Access-Control-Request-Headers": st.sampled_from(["x", "if-none-match", ",,"]),
    "Purpose": st.just("prefetch"),
    "X-Odd": st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60),
}
BODIES: tuple[bytes, ...] = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"{",
    b'{"body":1}',
    b'{"body":"\\ud800"}',
    b'{"slug":"\xff"}',
    b"[" * 5_000,
    b"1e999",
)
BODIES += (b'{"body":"<p>a</p>"}', b'{"body":"<p>a</p>","publish_at":"9999-12-31T23:59:59Z"}', b'{"title":"\\u0000"}')
BODIES += (
    b'--a\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--a--\r\n',
    b"--a--",
    b"\xff\xd8\xff",
)
BODIES += (
    b'{"type":"gone","id":"x"}',
    b'{"screens":[]}',
    b'{"name":"a","delay":' + b"9" * 400 + b"}",
    b"\xef\xbb\xbf{}",
)


class Request(NamedTuple):
    """A request. In its parts, `{entry}`, `{doomed}`, `{epoch}`, `{key}` … stand for what the server knows."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@st.composite
def requests(draw: DrawFn, template: Template) -> Request:
    """One to the route, which may be in order but for one thing."""

    def seldom() -> bool:
        return draw(st.integers(0, 5)) == 5

    escaped = draw(st.sampled_from(["", "/?=&%:+"]))

    def word(strategy: SearchStrategy[str]) -> str:
        return quote(draw(strategy).encode("utf-8", "surrogatepass"), safe=escaped + "{}")

    path = template.fill({name: word(odd if seldom() else real[name]) for name in template.names}, otherwise="")
    chosen = [draw(st.sampled_from(sorted(QUERY))) for _ in range(draw(st.integers(0, 3)))]
    query = "&".join(f"{name}={word(odd if seldom() else st.sampled_from(QUERY[name]))}" for name in chosen)
    method = draw(st.sampled_from(METHODS if seldom() else sorted(template.methods) or ["GET"]))
    if method == "DELETE":
        # The others need one that stays.
        path = path.replace("{entry}", "{doomed}")
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=4, unique=True))
    headers = [(name, draw(HEADERS[name])) for name in names]
    headers.append(("Authorization", draw(st.sampled_from(KEYS)) if seldom() else "Bearer {key}"))
    if template.path.startswith(DESK):
        headers = [header for header in headers if header[0] != "Cookie"]
        # The others need a session that stays.
        session = "{doomed_session}" if (method, template.path) == ("DELETE", f"{DESK}/session") else "{session}"
        headers.append(("Cookie", draw(HEADERS["Cookie"]) if seldom() else f"liveserver={session}"))
        headers.append(("Sec-Fetch-Site", "none" if seldom() else "same-origin"))
    body = draw(_bodies(template, method)) or b""
    if body and "Content-Type" not in names:
        headers.append(("Content-Type", "application/json"))
    return Request(method, f"{path}?{query}" if query else path, tuple(headers), body)


def _bodies(template: Template, method: str) -> SearchStrategy[bytes | None]:
    """Any, where a body has a meaning; nearly those that the operation takes, if there is one that takes any."""
    operation = DESCRIBED.get((method, template.path))
    if operation is not None and operation.body is not None:
        return st.one_of(bodies(operation), bodies(operation), st.sampled_from(BODIES))
    if method in {"POST", "PUT", "PATCH"}:
        return st.one_of(st.sampled_from(BODIES), st.binary(max_size=60))
    # With others it means nothing, but may come.
    return st.sampled_from([None, None, None, b"", b"x"])


@dataclass
class Served:
    """A server that runs in a thread of its own."""

    port: int
    known: dict[str, str]
    logged: list[Any]
    errors: list[logging.LogRecord]

    def ask(self, request: Request) -> int:
        """The status of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT) as connection:
            connection.sendall(self._bytes(request))
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(65_536)
                assert more, f"no answer, but {head!r}"
                head += more
        return int(head.split(b" ", 2)[1])

    def _bytes(self, request: Request) -> bytes:
        names = [name for name, _ in request.headers]
        headers = [*request.headers, *([] if "Host" in names else [("Host", "127.0.0.1")])]
        headers += [] if "Connection" in names else [("Connection", "close")]
        headers += [("Content-Length", str(len(request.body)))] if request.body else []
        lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        text = "\r\n".join([*lines, "", ""])
        for name, value in self.known.items():
            text = text.replace(f"{{{name}}}", value)
        return text.encode("utf-8", "surrogatepass") + request.body


class Kept(logging.Handler):
    """Keeps errors."""

    def __init__(self, errors: list[logging.LogRecord]) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        self._errors.append(record)


@pytest.fixture(scope="module")
def served(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a live blog, an entry, and one without any."""
    path = tmp_path_factory.mktemp("fuzz") / "live.db"
    path.write_bytes(empty_database.read_bytes())
    chosen = Settings(**{**SETTINGS, "database_url": f"sqlite:///{path}"})
    ready, over = threading.Event(), threading.Event()
    errors: list[logging.LogRecord] = []
    handler = Kept(errors)
    logging.getLogger().addHandler(handler)
    with capture_logs() as logged:
        found = Served(0, {}, logged, errors)
        thread = threading.Thread(target=lambda: asyncio.run(_serve(chosen, found, ready, over)))
        thread.start()
        try:
            assert ready.wait(60)
            yield found
        finally:
            over.set()
            thread.join(60)
            logging.getLogger().removeHandler(handler)


async def _serve(chosen: Settings, found: Served, ready: threading.Event, over: threading.Event) -> None:
    site: LiveSite
    async with serving(chosen) as site:
        await site.open_liveblog("vide")
        entry, doomed = await site.publish(), await site.publish()
        epoch = (await site.position()).rpartition("-")[0]
        found.port = site.port
        key = await site.key("fuzz", ["publish", "manage"])
        found.known |= {"entry": entry["id"], "doomed": doomed["id"], "epoch": epoch, "key": key}
        store = site.parts.store
        owner, member = await at_desk(store, "Olive", Role.OWNER), await at_desk(store, "Ada")
        doomed_session = await site.parts.sign_in.begin(owner.principal.id, HERE, Proof(password="hash"))
        found.known |= {"session": owner.token, "doomed_session": doomed_session.token, "member": member.principal.id}
        found.known |= {"session_id": "0a1b", "key_id": (await site.key("spare", ["publish"])).split("_")[1]}
        await store.credentials.change(owner.principal, Credential(identity=("https://id.example.org", "1")), now())
        found.known["identity_id"] = (await store.credentials.identities(owner.principal.id))[0].id
        ready.set()
        await asyncio.to_thread(over.wait)


@cache
def documented(path: str, method: str) -> frozenset[int]:
    """The statuses that the route may answer."""
    paths = document(BASE)["paths"]
    asked = "GET" if method == "HEAD" else method
    if path.startswith(DESK) and path not in paths and path not in STATUSES:
        # Shared with the public API.
        return documented(path.removeprefix("/desk"), method) | {401, 403}
    operations = paths.get(path)
    if operations is not None:
        found = operations.get(asked.lower())
        return frozenset(int(status) for status in found["responses"]) | {304} if found else frozenset({405})
    return frozenset(STATUSES.get(path, PAGE))


def may_answer(template: Template, request: Request) -> set[int]:
    """The statuses that are in order."""
    allowed = ANYWHERE | documented(template.path, request.method)
    if request.method not in template.methods:
        allowed |= {405}
    if request.method == "OPTIONS":
        # A preflight of another site's page.
        allowed |= {200}
    if ("upgrade", "websocket") in ((name.lower(), value.lower()) for name, value in request.headers):
        # A handshake of another method or version (RFC 6455, 4.4) is answered before any route is looked for.
        allowed |= {405, 426}
    # The path may have become another route's.
    for other in ROUTES:
        if other.path != template.path and _matches(other, request.target.partition("?")[0]):
            allowed |= documented(other.path, request.method)
    return allowed


def _matches(template: Template, path: str) -> bool:
    pieces = re.split(r"\{\w+(?::\w+)?\}", template.path)
    return re.fullmatch(".+".join(re.escape(piece) for piece in pieces), path) is not None


# The server is a thread of this process, and may ask for a random number while a request is made up.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.parametrize("template", ROUTES, ids=lambda template: template.path)
def test_odd_requests(served: Served, template: Template) -> None:
    """Every route answers what it may, whatever it is asked."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=SEED is None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(template))
    def ask(request: Request) -> None:
        before = len(served.errors)
        status = served.ask(request)
        failed = [line for line in served.logged if line["log_level"] in {"error", "critical"} or line.get("exc_info")]
        served.logged.clear()
        assert not failed, failed
        assert status in may_answer(template, request), f"{request}: {status} {HTTPStatus(status).phrase}"
        assert not served.errors[before:], served.errors[before].getMessage()

    (seed(int(SEED))(ask) if SEED is not None else ask)()


UPGRADE: tuple[tuple[str, str], ...] = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
)
UPGRADE += (("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),)
KEY = ("Authorization", "Bearer {key}")
NO_SLUGS = (
    f"{SLUG}%3Fdelay=5",
    f"{SLUG}%3Fx",
    f"{SLUG}%00",
    f"{SLUG}%20",
    SLUG.title(),
    f"-{SLUG}",
    "%C3%A9",
    "a" * 200,
)


@pytest.mark.parametrize(
    "template", [found for found in ROUTES if "slug" in found.names], ids=lambda template: template.path
)
def test_what_is_no_slug_names_nothing(served: Served, template: Template) -> None:
    """Neither a live blog, nor anything else that there is: 404, or for a WebSocket's handshake 403."""
    known = {"id": "{entry}", "hash": "0" * 12}
    for text in NO_SLUGS:
        path = template.fill({**known, "slug": text}, otherwise="")
        for method in sorted(template.methods):
            body = b"{}" if method in {"POST", "PATCH"} else b""
            headers = (KEY, ("Content-Type", "application/json"), ("If-Match", "*"))
            assert served.ask(Request(method, path, headers, body)) == 404, (method, path)
        if path.endswith("/ws"):
            assert served.ask(Request("GET", path, UPGRADE)) in {403, 404}, path


@pytest.mark.parametrize(
    "target",
    [
        f"/sitemap-{'9' * 5_000}.xml",
        f"/sitemap-{'9' * 300}.xml",
        f"/api/v1/liveblogs/{SLUG}/reach?to=9999-12-31",
        f"/api/v1/liveblogs/{SLUG}/reach?from=0001-01-01&to=9999-12-31",
        f"/api/v1/liveblogs/{SLUG}/reach?to=0",
        f"/api/v1/liveblogs/{SLUG}/changes?after={{epoch}}-{'9' * 40}",
        f"/api/v1/liveblogs/{SLUG}/changes?after={{epoch}}-{'9' * 5_000}",
    ],
    ids=lambda target: target[:60],
)
def test_numbers_and_dates_beyond_all_bounds(served: Served, target: str) -> None:
    """They are refused, or mean nothing that there is."""
    assert served.ask(Request("GET", target, (KEY,))) in {200, 404, 410, 414, 422}
