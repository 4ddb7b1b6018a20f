"""The built front end: what is served of it, and with which headers."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import liveserver
from liveserver.http.responses.representation import Representation
from liveserver.http.responses.static_files import StaticFiles, files_below
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.utils.limits.unread_bytes import WRITE_BUFFER
from tests.support.api.site import problem

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tests.support.api.site import LiveSite, Site

BUILT = Path(liveserver.__file__).parent / "rendering" / "static"
LARGEST = "docs/swagger-ui-bundle.js"


def names() -> list[str]:
    """Of every file, below the directory."""
    return sorted(str(path.relative_to(BUILT)) for path in BUILT.rglob("*") if path.is_file())


async def test_every_file(site: Site) -> None:
    """As it is and packed, with a tag for each, and how long it may be kept."""
    assert LARGEST in names()
    for name in names():
        codings = ({"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"})
        plain, packed = [await site.reader.get(f"/static/{name}", headers=accepted) for accepted in codings]
        content = (BUILT / name).read_bytes()
        assert plain.content == packed.content == content
        assert plain.headers["content-length"] == str(len(content))
        immutable = "public, max-age=31536000, immutable"
        for response, accepted in zip((plain, packed), codings, strict=True):
            assert response.status_code == 200
            cache = response.headers["cache-control"]
            assert cache == (immutable if name.startswith("assets/") else "public, max-age=300")
            assert response.headers["access-control-allow-origin"] == "*"
            assert response.headers["cross-origin-resource-policy"] == "cross-origin"
            assert response.headers["accept-ranges"] == "bytes"
            assert response.headers["vary"] == "Accept-Encoding"
            again = {**accepted, "If-None-Match": response.headers["etag"]}
            has_it = await site.reader.get(f"/static/{name}", headers=again)
            assert (has_it.status_code, has_it.content) == (304, b"")
            assert has_it.headers["cache-control"] == cache
        if len(content) > 2_000:
            assert packed.headers["content-encoding"] == "gzip"
            assert int(packed.headers["content-length"]) < len(content)
            assert plain.headers["etag"] != packed.headers["etag"]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("icon.svg", "image/svg+xml"),
        ("embed/v1.js", "text/javascript; charset=utf-8"),
        ("docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("docs/LICENSE", "text/plain; charset=utf-8"),
    ],
)
async def test_types(site: Site, name: str, media_type: str) -> None:
    assert (await site.reader.get(f"/static/{name}")).headers["content-type"] == media_type


async def test_head_and_nothing_else(site: Site) -> None:
    """No body to HEAD; what would write is 405."""
    head = await site.reader.head("/static/icon.svg", headers={"Range": "bytes=0-3"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len((BUILT / "icon.svg").read_bytes()))
    refused = await site.reader.post("/static/icon.svg")
    problem(refused, 405)
    assert refused.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("name", ["", "assets", "assets/", "icon.svg/", "rien.js", "assets/%2e%2e/icon.svg", "%00"])
async def test_what_is_no_file(site: Site, name: str) -> None:
    problem(await site.reader.get(f"/static/{name}"), 404)


async def test_a_range_is_of_the_file_as_it_is(site: Site) -> None:
    """A range is of the plain file, whatever the client takes, and has the tag of that."""
    path, packable = f"/static/{LARGEST}", {"Accept-Encoding": "gzip"}
    content = (BUILT / LARGEST).read_bytes()
    part = await site.reader.get(path, headers={**packable, "Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, content[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(content)}"
    assert part.headers["content-type"].startswith("text/javascript")
    tag = part.headers["etag"]
    for if_range, status in ((tag, 206), ('"other"', 200)):
        ranged = {**packable, "Range": "bytes=5-9", "If-Range": if_range}
        assert (await site.reader.get(path, headers=ranged)).status_code == status
    beyond = await site.reader.get(path, headers={"Range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    has_it = await site.reader.get(path, headers={"Range": "bytes=5-9", "If-None-Match": tag, **packable})
    assert has_it.status_code == 200, "it has the other coding"


@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=1-"}], ids=["whole", "range"])
async def test_a_slow_reader_has_no_copy(asked: dict[str, str]) -> None:
    """A hundred readers wait for the file itself, which stays in memory anyway."""
    assets = StaticFiles(files_below(BUILT))
    extension: dict[str, Any] = {}
    headers = [(name.lower().encode(), value.encode()) for name, value in asked.items()]
    scope = {"type": "http", "method": "GET", "path": f"/{LARGEST}", "headers": headers}
    bodies: list[bytes | memoryview] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        bodies.append(message.get("body", b""))
        assert extension == {"body": b""}, "it counts for nobody"

    tracemalloc.start()
    for _ in range(100):
        await assets({**scope, "extensions": {EXTENSION: extension}}, None, send)  # type: ignore[arg-type]
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert sum(map(len, bodies)) >= 100 * ((BUILT / LARGEST).stat().st_size - 1)
    assert taken < 2_000_000
    assert extension == {}


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_no_descriptor_is_held_for_a_slow_reader(live_site: LiveSite) -> None:
    before = descriptors()
    peers = []
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", live_site.port, limit=1024)
        writer.write(f"GET /static/{LARGEST} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        peers.append(writer)
    # Both ends of the connections are here.
    assert descriptors() == before + 2 * len(peers)
    for writer in peers:
        writer.transport.abort()
    await live_site.idle()


async def test_a_large_file_is_handed_over_in_pieces() -> None:
    """The next one when the client has taken those before."""
    assets = StaticFiles(files_below(BUILT))
    messages: list[MutableMapping[str, Any]] = []
    waiting, taken = asyncio.Event(), asyncio.Event()

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)
        if len(messages) == 3:
            waiting.set()
            await taken.wait()

    scope = {"type": "http", "method": "GET", "path": f"/{LARGEST}", "headers": []}
    task = asyncio.create_task(assets(scope, None, send))  # type: ignore[arg-type]
    await waiting.wait()
    assert sum(len(message.get("body", b"")) for message in messages) == 2 * WRITE_BUFFER
    taken.set()
    await task
    assert b"".join(message.get("body", b"") for message in messages) == (BUILT / LARGEST).read_bytes()
    assert [message["more_body"] for message in messages[1:]] == [True] * (len(messages) - 2) + [False]


async def test_a_file_is_packed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However many ask for it at first."""
    packed: list[int] = []
    compress = gzip.compress

    def counted(body: bytes, *args: Any, **kwargs: Any) -> bytes:
        packed.append(len(body))
        return compress(body, *args, **kwargs)

    monkeypatch.setattr(gzip, "compress", counted)
    content = (BUILT / LARGEST).read_bytes()
    (tmp_path / "large.js").write_bytes(content)
    assets = StaticFiles(files_below(tmp_path))

    async def send(_: object) -> None:
        await asyncio.sleep(0)

    scope = {"type": "http", "method": "GET", "path": "/large.js", "headers": [(b"accept-encoding", b"gzip")]}
    await asyncio.gather(*(assets(dict(scope), None, send) for _ in range(10)))  # type: ignore[arg-type]
    assert packed == [len(content)]


def test_packing_is_asked_for_once() -> None:
    file = Representation(b"x" * 1000, "text/plain", {})
    assert not file.packed
    assert file.pack() is file.pack() is file.coded("gzip")
    assert file.packed
