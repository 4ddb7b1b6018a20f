"""The player of the demo's script: its first part at once, dated in the last hours; the rest step by step."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from liveserver.cli.demo.script import Edit, Publish, Script
from liveserver.domain.errors import Gone, NotFound
from liveserver.domain.ids import now
from liveserver.domain.inputs.models import EntryInput, EntryPatch, LiveblogInput
from liveserver.domain.inputs.parsing import parse

if TYPE_CHECKING:
    from liveserver.cli.demo.script import Step
    from liveserver.http.container import Container

ACTOR = "demo newsroom"
BACKLOG = 14
"""Steps that have happened already when the demo is started for the first time."""
BACKLOG_STEP = timedelta(minutes=7)
REST = 5
"""Intervals between the end of the story and its next beginning."""


class Newsroom:
    """A newsroom that writes the demo's live blog."""

    def __init__(self, parts: Container, script: Script, *, interval: float) -> None:
        self._parts = parts
        self._script = script
        self._interval = interval
        self._ids: dict[str, str] = {}

    @property
    def slug(self) -> str:
        """The live blog's slug."""
        return str(self._script.liveblog["slug"])

    @property
    def seconds(self) -> float:
        """Seconds from one beginning of the story to the next."""
        return (len(self._script.steps) - BACKLOG + REST) * self._interval

    async def open(self) -> None:
        """Open the live blog, unless an earlier run has done so."""
        try:
            await self._parts.store.liveblogs.find(self.slug)
        except NotFound:
            await self._parts.publisher.create_liveblog(parse(LiveblogInput, self._script.liveblog))

    async def run(self) -> None:
        """Write for ever: at each start, and whenever the story is over, it is deleted and begins again."""
        while True:
            await self._clear()
            await self._play()
            await asyncio.sleep(self._interval * REST)

    async def _play(self) -> None:
        start = now() - BACKLOG_STEP * BACKLOG
        for number, step in enumerate(self._script.steps[:BACKLOG]):
            await self._do(step, {"publish_at": (start + BACKLOG_STEP * number).isoformat()})
        for step in self._script.steps[BACKLOG:]:
            await asyncio.sleep(self._interval)
            await self._do(step)

    async def _clear(self) -> None:
        """Delete the entries of earlier runs; entries of other authors stay."""
        self._ids.clear()
        cursor: str | None = None
        while True:
            page = await self._parts.store.entries.page(self.slug, limit=100, cursor=cursor)
            for entry in page.items:
                [first], _ = await self._parts.store.entries.revisions(self.slug, entry.id, limit=1)
                if first.actor == ACTOR:
                    await self._unless_gone(
                        self._parts.publisher.delete_entry(self.slug, entry.id, version=None, actor=ACTOR)
                    )
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _do(self, step: Step, extra_fields: dict[str, Any] | None = None) -> None:
        publisher = self._parts.publisher
        match step:
            case Publish(ref, entry):
                fields = parse(EntryInput, {**entry, **(extra_fields or {})})
                written = await publisher.create_entry(self.slug, fields, actor=ACTOR)
                self._ids[ref] = written.entry.id
            case Edit(ref, entry, correction):
                patch = parse(EntryPatch, {**entry, "correction": correction})
                await self._unless_gone(
                    publisher.edit_entry(self.slug, self._ids[ref], patch, version=None, actor=ACTOR)
                )
            case _:
                await self._unless_gone(
                    publisher.delete_entry(self.slug, self._ids[step.ref], version=None, actor=ACTOR)
                )

    async def _unless_gone(self, work: Any) -> None:
        with contextlib.suppress(Gone):
            await work
