"""The attacks, each with what it stands for. They go on until they are stopped; none sends more than it says."""

from __future__ import annotations

import asyncio
import random
import struct
import zlib
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

import orjson

from tests.hostile.enemy import READ, get, request, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.enemy import Attack, Enemy

ATTACKS: dict[str, Attack] = {}
"""By their names."""

MEGABYTE = 1_000_000
LARGE_FILE = "/static/docs/swagger-ui-bundle.js"
"""1.4 MB, for everybody."""


def attack(function: Attack) -> Attack:
    """Make it one of the attacks."""
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function


# Names of internal views


async def _invented(enemy: Enemy, kind: str) -> None:
    numbers = count(1)
    held = asyncio.Semaphore(200)

    async def one() -> None:
        async with held:
            extra = random.choice(["delay={}", "tag=t{}", "delay={}&tag=a", "x{}", "partner=p_{:012x}"])
            slug = f"{enemy.ground.slug}%3F{extra.format(next(numbers))}"
            async with enemy.stream(kind, slug=slug) as link:
                async with asyncio.timeout(20):
                    await link.drop()

    await enemy.repeat(one, clients=200, pause=2.0)


@attack
async def invented_topics_ws(enemy: Enemy) -> None:
    """Slugs that name internal views (`SLUG?delay=N`), by WebSocket: 200 at once, some 100 new ones a second."""
    await _invented(enemy, "ws")


@attack
async def invented_topics_sse(enemy: Enemy) -> None:
    """The same by server-sent events."""
    await _invented(enemy, "events")


# What a proxy or a parser chokes on


@attack
async def long_targets(enemy: Enemy) -> None:
    """The longest paths, queries and headers that may be accepted, on every route: four at once."""
    lengths = (1_000, 1_900, 3_900, 7_000, 16_000)

    async def one() -> None:
        template = random.choice(enemy.ground.routes)
        length = random.choice(lengths)
        filler = random.choice(["a", "é", "%C3%A9", "%0D%0A", "/", "a=&", "<"])
        text = (filler * length)[:length]
        real = {"slug": enemy.ground.slug, "id": enemy.ground.entry}
        plain = template.fill(real, otherwise="1")
        chosen = [
            get(template.fill(real | {random.choice([*real, "name"]): text}, otherwise=text)),
            get(f"{plain}?{random.choice(['x', 'cursor'])}={text}"),
            get(plain, Referer=text, Accept="text/html"),
        ]
        await enemy.ask(random.choice(chosen))

    await enemy.repeat(one, clients=4)


async def _pour(enemy: Enemy, begin: bytes, chunk: bytes, *, total: int, rate: float | None = None) -> None:
    """Send a beginning, then as much as is taken of a chunk repeated, with so many bytes a second."""
    async with enemy.link() as link:
        answer = asyncio.ensure_future(link.answer())
        try:
            await link.send(begin)
            for _ in range(total // len(chunk)):
                await link.send(chunk)
                if answer.done():
                    break
                await asyncio.sleep(len(chunk) / rate if rate else 0)
            else:
                await link.send(b"\r\n\r\n")
            enemy.done[await answer] += 1
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)


@attack
async def huge_header(enemy: Enemy) -> None:
    """One header of 80 MB, as fast as it is taken."""
    begin, chunk = get("/live")[:-2] + b"X-Huge: ", b"a" * READ
    await enemy.repeat(lambda: _pour(enemy, begin, chunk, total=80 * MEGABYTE), pause=1.0)


@attack
async def endless_header(enemy: Enemy) -> None:
    """Headers that grow for ever, eight at 100 kB a second; in the request line, in a name and in a value."""
    begins = (b"GET /", b"GET / HTTP/1.1\r\nX", b"GET / HTTP/1.1\r\nHost: a\r\nX: ")

    async def one() -> None:
        await _pour(enemy, random.choice(begins), b"a" * 1_000, total=20 * MEGABYTE, rate=100_000)

    await enemy.repeat(one, clients=8, pause=0.5)


@attack
async def many_headers(enemy: Enemy) -> None:
    """200,000 headers in one head, again and again."""
    begin, chunk = b"GET / HTTP/1.1\r\nHost: a\r\n", b"a: b\r\n" * 5_000
    await enemy.repeat(lambda: _pour(enemy, begin, chunk, total=1_200_000), pause=0.5)


def _chunked(path: str) -> bytes:
    return request("POST", path, Transfer_Encoding="chunked", Content_Type="application/json")


@attack
async def trailers(enemy: Enemy) -> None:
    """Trailers without end: one of 40 MB, and many small ones."""
    begin = _chunked(f"{enemy.ground.api}/gone") + b"2\r\n{}\r\n0\r\n"
    chunks = (b"a" * READ, b"a: b\r\n" * 5_000)

    async def one() -> None:
        chunk = random.choice(chunks)
        prefix = b"X: " if chunk[1:2] == b"a" else b""
        await _pour(enemy, begin + prefix, chunk, total=40 * MEGABYTE)

    await enemy.repeat(one, pause=1.0)


@attack
async def chunk_extensions(enemy: Enemy) -> None:
    """A chunk of one byte with an extension of 40 MB, and ever more chunks with small extensions."""
    begin = _chunked(f"{enemy.ground.api}/gone")
    small = b"1;" + b"a" * 1_000 + b"\r\n \r\n"

    async def one() -> None:
        if random.random() < 0.5:
            await _pour(enemy, begin + b"1;", b"a" * READ, total=40 * MEGABYTE)
        else:
            await _pour(enemy, begin, small * 60, total=40 * MEGABYTE)

    await enemy.repeat(one, pause=1.0)


# Viewers that talk


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, deflated: bool = False) -> bytes:
    """A frame of a client's, masked with zeros (RFC 6455, 5.2)."""
    first = (0x80 if final else 0) | (0x40 if deflated else 0) | opcode
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", 0x80 | size)
    elif size < 65_536:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([first]) + length + bytes(4) + payload


@cache
def bomb() -> bytes:
    """A megabyte of zeros, deflated to one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\x00\x00\xff\xff")


async def _flood(enemy: Enemy, unit: bytes, *, kind: str = "ws", begin: bytes = b"", clients: int = 4) -> None:
    """One client at 2 MB a second, and the others at 0.1, each of pieces of 4 KB or one unit."""
    numbers = count()

    async def one(rate: float, piece: bytes) -> None:
        async with enemy.stream(kind) as link:
            reading = asyncio.ensure_future(link.drop())
            try:
                await link.send(begin)
                while not reading.done():
                    await link.send(piece)
                    enemy.done["sent KB"] += len(piece) // 1000
                    await asyncio.sleep(len(piece) / rate)
                enemy.done["closed"] += 1
            finally:
                reading.cancel()

    async def client() -> None:
        rate = 2 * MEGABYTE if next(numbers) % clients == 0 else MEGABYTE / 10
        piece = unit * max(1, int(rate / 50) // len(unit))
        await enemy.repeat(lambda: one(rate, piece), pause=0.2)

    await together(client() for _ in range(clients))


@attack
async def pings(enemy: Enemy) -> None:
    """Pings of 50 bytes."""
    await _flood(enemy, frame(9, b"p" * 50))


@attack
async def empty_pongs(enemy: Enemy) -> None:
    """Pongs without a payload: six bytes each, so the most frames for the bytes."""
    await _flood(enemy, frame(10))


@attack
async def texts(enemy: Enemy) -> None:
    """Short text messages: what a viewer may say, and what it may not."""
    await _flood(enemy, frame(1, b'{"type":"gone","id":"x"}') + frame(1, b"[" * 200))


@attack
async def continuations(enemy: Enemy) -> None:
    """A message of fragments without end, all of them empty, or of one byte."""
    await _flood(enemy, frame(0, final=False) + frame(0, b"a", final=False), begin=frame(1, b"{", final=False))


@attack
async def deflated_bombs(enemy: Enemy) -> None:
    """Small messages that inflate to a megabyte."""
    await _flood(enemy, frame(1, bomb(), deflated=True), kind="deflated", clients=2)


@attack
async def deflated_texts(enemy: Enemy) -> None:
    """Deflated messages, each of a few bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (packer.compress(b'{"type":"x"}') + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
    await _flood(enemy, frame(1, packed, deflated=True), kind="deflated")


@attack
async def half_frames(enemy: Enemy) -> None:
    """A frame that is announced as long, and of which a byte comes now and then, for ever: 100 of them."""
    begins = (b"\x81\xfe\xff\xff", b"\x81\xff" + bytes(4) + b"\xff" * 4, b"\x89\xfe\x01\x00", b"\x81")

    async def one() -> None:
        async with enemy.stream(random.choice(["ws", "deflated"])) as link:
            reading = asyncio.ensure_future(link.drop())
            try:
                await link.send(random.choice(begins))
                while not reading.done():
                    await link.send(b"a")
                    await asyncio.sleep(0.1)
                enemy.done["closed"] += 1
            finally:
                reading.cancel()

    await enemy.repeat(one, clients=100, pause=1.0)


@attack
async def talkative_sse(enemy: Enemy) -> None:
    """Readers of server-sent events that go on sending: requests, and what is none. One at 2 MB a second."""
    await _flood(enemy, random.choice([get("/healthz"), b"a" * 100]), kind="events")


# Caches


@attack
async def page_cache(enemy: Enemy) -> None:
    """Pages with queries that nobody else has: eight at once, each a thousand different ones on one connection."""
    slug, entry = enemy.ground.slug, enemy.ground.entry
    paths = ["/", f"/live/{slug}", f"/live/{slug}/entries/{entry}", f"/live/{slug}/feed.json"]
    paths += [f"/embed/{slug}", f"/embed/{slug}/fragment", f"/embed/{slug}/shell.json", f"/embed/preview/{slug}"]
    names = ("x", "utm_source", "lang", "theme", "partner", "limit", "cursor", "q" * 500)
    numbers = count()

    async def one() -> None:
        requests = [
            get(
                f"{random.choice(paths)}?{random.choice(names)}={next(numbers)}{random.choice(['', 'b' * 1_000])}",
                Accept_Encoding=random.choice(["gzip", "identity", f"x{next(numbers)}"]),
                Accept=random.choice(["text/html", "*/*"]),
            )
            for _ in range(1_000)
        ]
        await enemy.ask(*requests)

    await enemy.repeat(one, clients=8)


# Slowness


async def _linger(enemy: Enemy, begin: Callable[[], bytes], drip: bytes, *, clients: int = 200) -> None:
    """Connections by the hundred that begin something, and send a little of it now and then."""

    async def one() -> None:
        async with enemy.link() as link:
            reading = asyncio.ensure_future(link.drop())
            try:
                await link.send(begin())
                while not reading.done():
                    await asyncio.sleep(1.0)
                    await link.send(drip)
                enemy.done["closed"] += 1
            finally:
                reading.cancel()

    await enemy.repeat(one, clients=clients, pause=1.0)


@attack
async def silent(enemy: Enemy) -> None:
    """200 connections that say nothing."""
    await _linger(enemy, lambda: b"", b"")


@attack
async def half_heads(enemy: Enemy) -> None:
    """200 requests whose heads don't end."""
    await _linger(enemy, lambda: get("/live")[:-2], b"X: a\r\n")


@attack
async def half_bodies(enemy: Enemy) -> None:
    """200 requests whose bodies don't end: with and without a good key, of a known length and in chunks."""

    def begin() -> bytes:
        key = random.choice([f"Bearer {enemy.ground.key}", "Bearer no"])
        path, sort = f"/api/v1/liveblogs/{enemy.ground.own}/entries", "application/json"
        if random.random() < 0.5:
            return request("POST", path, Authorization=key, Content_Type=sort, Content_Length="50000")
        return request("POST", path, Authorization=key, Content_Type=sort, Transfer_Encoding="chunked")

    await _linger(enemy, begin, b"1\r\n \r\n")


@attack
async def slow_receivers(enemy: Enemy) -> None:
    """100 viewers, 100 readers of large pages and 50 of a part of a file, who read nothing."""
    whole = f"?after={enemy.ground.epoch}-1"

    async def viewer() -> None:
        async with enemy.stream(random.choice(["ws", "deflated", "events"]), whole, buffer=4096):
            await asyncio.sleep(15)

    async def reader() -> None:
        async with enemy.link(buffer=4096) as link:
            link.writer.write(get(f"{enemy.ground.api}/snapshot?limit=100") * 100)
            await asyncio.sleep(15)

    async def reader_of_a_part() -> None:
        async with enemy.link(buffer=4096) as link:
            link.stop_reading()
            link.writer.write(get(LARGE_FILE, Range="bytes=1-"))
            await asyncio.sleep(15)

    many = ((viewer, 100), (reader, 100), (reader_of_a_part, 50))
    await together(enemy.repeat(act, clients=clients, pause=1.0) for act, clients in many)


# Dear work


@attack
async def quadratic_bodies(enemy: Enemy) -> None:
    """An editor, or somebody who has their key, with 100 kB of what parsers take long for: two at once."""
    bodies = [
        ("html", "<ul><li>"),
        ("html", "<b>"),
        ("html", "<table><tr><td>"),
        ("html", "<a href='x'>"),
        ("html", "<svg><p>"),
        ("html", "<!--"),
        ("html", "&amp"),
        ("markdown", "!["),
        ("markdown", "["),
        ("markdown", "*a_"),
        ("markdown", "> "),
        ("markdown", "- "),
        ("markdown", "`a``"),
        ("markdown", "<a "),
        ("markdown", "[a](<b"),
        ("markdown", "|a"),
    ]
    key = f"Bearer {enemy.ground.key}"
    path = f"/api/v1/liveblogs/{enemy.ground.own}/entries"

    async def one() -> None:
        sort, unit = random.choice(bodies)
        body = orjson.dumps({"format": sort, "body": (unit * 100_000)[:99_990] + "texte", "status": "draft"})
        await enemy.ask(request("POST", path, body, Authorization=key, Content_Type="application/json"))

    await enemy.repeat(one, clients=2)


# Many


@attack
async def connect_storm(enemy: Enemy) -> None:
    """WebSockets that are opened and closed, 32 at once, as fast as it goes."""

    async def one() -> None:
        async with enemy.stream(random.choice(["ws", "deflated"])):
            pass

    await enemy.repeat(one, clients=32)


@attack
async def sse_storm(enemy: Enemy) -> None:
    """The same by server-sent events."""

    async def one() -> None:
        async with enemy.stream("events"):
            pass

    await enemy.repeat(one, clients=32)


@attack
async def replay_storm(enemy: Enemy) -> None:
    """Viewers that come back from a thousand changes ago, each from another position: 16 at once."""

    async def one() -> None:
        after = f"?after={enemy.ground.epoch}-{max(enemy.ground.seq - random.randrange(150, 1_000), 0)}"
        async with enemy.stream(random.choice(["ws", "deflated", "events"]), after) as link:
            async with asyncio.timeout(2):
                enemy.done["replayed KB"] += len(await link.reader.read(MEGABYTE)) // 1000

    await enemy.repeat(one, clients=16)


@attack
async def failed_keys(enemy: Enemy) -> None:
    """Guesses at keys, 16 at once: of the right form with a known id, and of none."""
    path = f"/api/v1/liveblogs/{enemy.ground.own}/entries"
    body = orjson.dumps({"body": "<p>x</p>"})

    async def one() -> None:
        known = enemy.ground.key.rsplit("_", 1)[0]
        guess = random.choice([f"{known}_{random.randbytes(16).hex()}", "x" * 5_000, random.randbytes(20).hex()])
        post = request("POST", path, body, Authorization=f"Bearer {guess}", Content_Type="application/json")
        await enemy.ask(*[post] * 20)

    await enemy.repeat(one, clients=16)


@attack
async def polling(enemy: Enemy) -> None:
    """Snapshots, changes and lists as fast as they are answered, 16 connections, never with a tag."""
    api, epoch, seq = enemy.ground.api, enemy.ground.epoch, enemy.ground.seq

    def any_request() -> bytes:
        after = f"{epoch}-{random.randrange(seq)}"
        path = random.choice(["/snapshot?limit=100", f"/changes?after={after}&limit=200", "/entries?limit=100", ""])
        return get(f"{api}{path}")

    await enemy.repeat(lambda: enemy.ask(*[any_request() for _ in range(50)]), clients=16)


def _variant(enemy: Enemy) -> bytes:
    """An answer of hundreds of entries that nobody else asks for."""
    ground = enemy.ground
    after = f"{ground.epoch}-{random.randrange(max(1, ground.seq - 300))}"
    return get(f"{ground.api}/changes?after={after}&limit={random.randrange(150, 201)}")


@attack
async def variants_left(enemy: Enemy) -> None:
    """Pages that nobody else asks for, by 200 clients of four limited addresses that ask and leave at once."""
    enemy.be_limited()

    async def one() -> None:
        async with enemy.link() as link:
            await link.send(_variant(enemy))
            await asyncio.sleep(0.02)
        enemy.done["left"] += 1

    await enemy.repeat(one, clients=200, pause=0.2)


@attack
async def variants_awaited(enemy: Enemy) -> None:
    """The same by clients that stay for what they asked for."""
    enemy.be_limited()
    await enemy.repeat(lambda: enemy.ask(_variant(enemy)), clients=200, pause=0.2)


@attack
async def variants_unread(enemy: Enemy) -> None:
    """The same by clients that stay, and read nothing of it."""
    enemy.be_limited()

    async def one() -> None:
        async with enemy.link(buffer=4096) as link:
            link.stop_reading()
            await link.send(_variant(enemy))
            await asyncio.sleep(15)

    await enemy.repeat(one, clients=100, pause=0.2)


async def _refused(enemy: Enemy, path: str) -> None:
    enemy.be_limited()
    await enemy.repeat(
        lambda: enemy.ask(*(get(f"{path}{random.getrandbits(64):x}") for _ in range(50))), clients=200, pause=0.2
    )


@attack
async def refused_pages(enemy: Enemy) -> None:
    """Pages that don't exist, by 200 clients of four limited addresses, each again as soon as it is refused."""
    await _refused(enemy, "/live/")


@attack
async def refused_reads(enemy: Enemy) -> None:
    """The same of the API."""
    await _refused(enemy, "/api/v1/liveblogs/")


@attack
async def pipelines(enemy: Enemy) -> None:
    """Thousands of requests in one write, on four connections."""
    api, slug = enemy.ground.api, enemy.ground.slug
    many = (get("/healthz") + get(f"/live/{slug}") + get(f"{api}/snapshot")) * 1_000

    async def one() -> None:
        async with enemy.link() as link:
            reading = asyncio.ensure_future(link.drop())
            try:
                await link.send(many)
                enemy.done["pipelined"] += 3_000
                async with asyncio.timeout(5):
                    await asyncio.wait([reading], timeout=5)
            finally:
                reading.cancel()

    await enemy.repeat(one, clients=4)


@attack
async def odd_values(enemy: Enemy) -> None:
    """Numbers, dates and positions that nobody expects, some with a good key: four at once."""
    ground = enemy.ground
    odd = ("9" * 5_000, "-1", "0", "1e99", "NaN", "٣", "%00", "9999-12-31", "0001-01-01", "1970-01-01", "x-" + "9" * 30)
    paths = (
        "/sitemap-{}.xml",
        f"{ground.api}/reach?to={{}}",
        f"{ground.api}/reach?from={{}}",
        f"{ground.api}/changes?after={ground.epoch}-{{}}",
        f"{ground.api}/entries?limit={{}}",
        f"{ground.api}/entries?cursor={{}}",
        f"{ground.api}/events?after={{}}x&partner={{}}",
        f"{ground.api}/snapshot?limit={{}}",
        f"/live/{ground.slug}?before={{}}",
        f"/live/{ground.slug}/entries/{{}}",
        "/oembed?url={}&maxwidth={}",
        "/api/v1/partners/{}",
    )

    async def one() -> None:
        value = random.choice(odd)
        path = random.choice(paths).replace("{}", value).encode("utf-8").decode("latin-1")
        await enemy.ask(get(path, Authorization=f"Bearer {ground.manager}", Connection="close"))

    await enemy.repeat(one, clients=4)
