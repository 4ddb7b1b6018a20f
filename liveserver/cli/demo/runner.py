"""The player of the demo's script. The player plays the first steps without pauses, and gives their entries publication
times in the past (up to two hours ago). Then it plays the other steps one by one, with pauses."""

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
from liveserver.domain.people.principal import Principal, PrincipalKind

if TYPE_CHECKING:
    from liveserver.cli.demo.script import Step
    from liveserver.http.container import Container

DEMO = Principal(PrincipalKind.SERVER, "demo", "demo newsroom")
BACKLOG = 14
"""How many steps of the script are played without pauses when the story begins. The entries of these steps look as if
they had been published in the hours before."""
BACKLOG_STEP = timedelta(minutes=7)
"""The time between two consecutive steps of the first `BACKLOG` steps, according to the publication times that their
entries get. These publication times are invented."""
REST = 5
"""The length of the pause between the end of the story and its next beginning, in intervals. An interval is the time
between two steps."""


class Newsroom:
    """A newsroom that writes the demo's live blog. `interval`: seconds between two steps of the script."""

    def __init__(self, parts: Container, script: Script, *, interval: float) -> None:
        self._parts = parts
        self._script = script
        self._interval = interval
        self._ids: dict[str, str] = {}

    @property
    def slug(self) -> str:
        """The slug of the demo's live blog."""
        return str(self._script.liveblog["slug"])

    @property
    def seconds(self) -> float:
        """How many seconds pass from one beginning of the story to the next."""
        return (len(self._script.steps) - BACKLOG + REST) * self._interval

    async def open(self) -> None:
        """Create the demo's live blog, unless it exists from an earlier run of the demo."""
        try:
            await self._parts.store.liveblogs.find(self.slug)
        except NotFound:
            await self._parts.publisher.create_liveblog(parse(LiveblogInput, self._script.liveblog), DEMO)

    async def run(self) -> None:
        """Play the script again and again, for ever. Each time, first delete the entries that the demo published
        before."""
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
        """Delete the entries that the demo published before, in this run or an earlier one. Other entries stay."""
        self._ids.clear()
        cursor: str | None = None
        while True:
            page = await self._parts.store.entries.page(self.slug, limit=100, cursor=cursor)
            for entry in page.items:
                [first], _ = await self._parts.store.entries.revisions(self.slug, entry.id, limit=1)
                if first.actor == DEMO.name:
                    await self._unless_gone(self._parts.publisher.delete_entry(self.slug, entry.id, DEMO, version=None))
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _do(self, step: Step, extra_fields: dict[str, Any] | None = None) -> None:
        publisher = self._parts.publisher
        match step:
            case Publish(ref, entry):
                fields = parse(EntryInput, {**entry, **(extra_fields or {})})
                written = await publisher.create_entry(self.slug, fields, DEMO)
                self._ids[ref] = written.entry.id
            case Edit(ref, entry, correction):
                patch = parse(EntryPatch, {**entry, "correction": correction})
                await self._unless_gone(publisher.edit_entry(self.slug, self._ids[ref], patch, DEMO, version=None))
            case _:
                await self._unless_gone(publisher.delete_entry(self.slug, self._ids[step.ref], DEMO, version=None))

    async def _unless_gone(self, work: Any) -> None:
        with contextlib.suppress(Gone):
            await work
