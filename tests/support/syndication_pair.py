"""A live blog that follows another, on two real servers; and a source that answers as it is told."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG, LiveSite, settled
from tests.support.listening import listening

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from tests.support.api.site import JSON


SOURCE = "https://source.example"
MIRRORED = (
    *("heading", "body", "authors", "key_event", "breaking", "pinned", "tags", "verification", "source"),
    *("corrections", "published_at", "updated_at"),
)


class Pair:
    """A source, and the server whose live blog of the same slug follows it."""

    def __init__(self, source: LiveSite, mirror: LiveSite) -> None:
        self.source = source
        self.mirror = mirror

    @property
    def address(self) -> str:
        return self.source.url(f"/live/{SLUG}")

    async def follow(self, **fields: Any) -> None:
        response = await self.mirror.editor.post(f"{LIVEBLOG}/source", json={"url": self.address, **fields})
        assert response.status_code == 201, response.text

    async def stop(self) -> None:
        assert (await self.mirror.editor.delete(f"{LIVEBLOG}/source")).status_code == 204

    async def state(self) -> JSON:
        response = await self.mirror.editor.get(f"{LIVEBLOG}/source")
        assert response.status_code == 200, response.text
        state: JSON = response.json()
        return state

    async def in_state(self, name: str) -> None:
        async def is_so() -> bool:
            return bool((await self.state())["state"] == name)

        await settled(is_so)

    async def level(self, query: str = "") -> list[JSON]:
        """The followed entries, newest first, once they are those of the source (as a partner sees them)."""

        async def is_so() -> bool:
            return contents(await entries(self.source, query)) == contents(await self.followed())

        await settled(is_so, seconds=15)
        return await self.followed()

    async def followed(self) -> list[JSON]:
        return [entry for entry in await entries(self.mirror) if "via" in entry]


async def entries(site: LiveSite, query: str = "") -> list[JSON]:
    answer = (await site.reader.get(f"{ENTRIES}?limit=100{query}")).json()
    found: list[JSON] = answer["items"]
    return found


def contents(found: list[JSON]) -> list[list[Any]]:
    """The contents of entries, without the parts that differ from server to server: ids, seqs, versions, addresses."""
    return sorted([[entry[name] for name in MIRRORED] for entry in found], key=str)


ID = "01935000-0000-7000-8000-000000000001"
EMBED: JSON = {"allowed": True, "reason": None, "theme": {}, "attribution": None, "fallback_url": "https://x.example/"}
HEAD: JSON = {"epoch": "k3f9x2ab", "seq": 1}
CHANGES: JSON = {"epoch": "k3f9x2ab", "seq": 1, "more": False, "events": []}


@asynccontextmanager
async def imposter(answers: JSON, status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """Something that answers as it is told, by the last part of the path; its live blog, and what it was asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        asked.append(line.decode().rpartition("/")[2].partition("?")[0])
        found = answers.get(asked[-1])
        body = json.dumps(found).encode()
        code = status if found is not None else 500
        writer.write(b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body)
        await writer.drain()

    async with listening(answer) as port:
        yield f"http://127.0.0.1:{port}/live/{SLUG}", asked
