"""Pages of other sites that show a widget of ours: from another host name and another port than the live blogs'."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Host:
    """A site whose pages are given to it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}"
        self._pages: dict[str, tuple[bytes, dict[str, str]]] = {}

    def add(self, path: str, html: str, **headers: str) -> str:
        """A page at `path` with these headers, `_` for `-` in their names; its address."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._pages[path] = (html.encode(), {"Content-Type": "text/html; charset=utf-8", **named})
        return self.url + path

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        head = await reader.readuntil(b"\r\n\r\n")
        path = urlsplit(head.split(b" ", 2)[1].decode()).path
        # A browser asks for an icon too.
        body, headers = self._pages.get(path, (b"", {}))
        lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
        writer.write("\r\n".join(["HTTP/1.1 200 OK", "Connection: close", *lines, "", ""]).encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def hosting() -> AsyncIterator[Host]:
    """A host while it serves."""
    port = free_port()
    host = Host(port)
    server = await asyncio.start_server(host.answer, "localhost", port)
    try:
        yield host
    finally:
        server.close()
        await server.wait_closed()


def widget(server: str, slug: str, **attributes: str) -> str:
    """The line that partners paste."""
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    live = f"{server}/live/{slug}"
    return (
        f'<script async src="{server}/embed/v1.js"></script>'
        f'<live-blog src="{live}"{more}><a href="{live}">En direct</a></live-blog>'
    )


def document(body: str, *, head: str = "", root: str = 'lang="fr"') -> str:
    """A partner's page."""
    return (
        f"<!DOCTYPE html><html {root}><head><meta charset=utf-8><title>Partenaire</title>"
        f'<link rel="icon" href="data:,">{head}</head>'
        f"<body><main><h1>La une</h1>{body}<p>Pied.</p></main></body></html>"
    )
