"""Attacks on the parsers of requests: long, odd and endless ones."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.hostile.attacks.registry import attack
from tests.hostile.enemy import MEGABYTE, READ, get, request

if TYPE_CHECKING:
    from tests.hostile.enemy import Enemy


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
