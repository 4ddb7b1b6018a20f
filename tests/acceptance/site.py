"""A server with a newsroom, for tests that each have a live blog of their own there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx2
from sqlalchemy import create_engine

from liveserver.store.repositories import entries
from tests.support.images import quarters, saved
from tests.support.principals import named
from tests.support.store_samples import an_entry

if TYPE_CHECKING:
    from liveserver.client import Client
    from tests.acceptance.serving import LiveServer


class Site:
    """A server and its newsroom."""

    def __init__(self, server: LiveServer, newsroom: Client) -> None:
        self.server = server
        self.newsroom = newsroom
        self._manager = ""
        """An API key."""

    async def liveblog(self, slug: str, count: int, **fields: Any) -> list[str]:
        """A new live blog with so many entries; their ids, newest first."""
        given = {"slug": slug, "title": "Le Tour", "language": "fr", "timezone": "Europe/Paris"}
        await self.newsroom.create_liveblog({**given, **fields})
        return [(await self.publish(slug, number))["id"] for number in range(count)][::-1]

    async def publish(self, slug: str, number: int, **fields: Any) -> dict[str, Any]:
        """One more entry, tall enough that twenty don't fit into a window."""
        body = f"<p>Entrée {number}</p>" + "<p>Le peloton roule groupé.</p>" * 3
        return await self.newsroom.publish(slug, {"heading": f"Kilomètre {number}", "body": body, **fields})

    async def picture(self, alt: str) -> str:
        """A picture's HTML, for a body."""
        key = await self.server.key("publish")
        async with httpx2.AsyncClient(base_url=self.server.api) as http:
            answer = await http.post(
                "/media",
                params={"alt": alt},
                content=saved(quarters(800, 500), "JPEG"),
                headers={"Authorization": f"Bearer {key}", "Content-Type": "image/jpeg"},
            )
        assert answer.status_code == 201, answer.text
        html: str = answer.json()["html"]
        return html

    async def partner(self, **fields: Any) -> str:
        """A new partner of everybody's, with these rules; its id."""
        made = await self._manage("POST", "/partners", {"name": "Le Phare", **fields})
        partner: str = made["id"]
        return partner

    async def set_partner(self, partner: str, **fields: Any) -> None:
        """Change its rules."""
        await self._manage("PATCH", f"/partners/{partner}", fields)

    async def set_liveblog(self, slug: str, **fields: Any) -> None:
        """Change a live blog's own fields."""
        await self._manage("PATCH", f"/liveblogs/{slug}", fields)

    async def _manage(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._manager = self._manager or await self.server.key("manage")
        headers = {"Authorization": f"Bearer {self._manager}", "If-Match": "*"}
        async with httpx2.AsyncClient(base_url=self.server.api, headers=headers) as http:
            answer = await http.request(method, path, json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def url(self, slug: str) -> str:
        return f"{self.server.url}/live/{slug}"

    async def many(self, slug: str, count: int, *, apart: timedelta = timedelta(minutes=1), **fields: Any) -> list[str]:
        """A new live blog with thousands of entries, a minute apart or as long as is said; their ids, newest first.

        They are written straight into the database, before anybody has asked for the live blog.
        """
        await self.liveblog(slug, 0)
        return await asyncio.to_thread(self._insert, slug, count, apart, fields)

    def _insert(self, slug: str, count: int, apart: timedelta, fields: dict[str, Any]) -> list[str]:
        written = []
        first = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
        engine = create_engine(f"sqlite:///{self.server.directory}/live.db")
        with engine.begin() as connection:
            for number in range(count):
                entry = an_entry(first + apart * number, body=f"<p>Entrée {number}</p>", **fields)
                written.append(entries.create(connection, slug, entry, by=named("test")).entry.id)
        engine.dispose()
        return written[::-1]
