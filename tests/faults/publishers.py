"""Editors: they publish, edit, delete, race each other and themselves, and repeat what wasn't answered."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from liveserver.domain.ids import now
from liveserver.protocol import json_encoding
from tests.faults.ledger import Item, body_of
from tests.faults.reading import Broken

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from tests.faults.desk import Answer, Desk
    from tests.faults.ledger import Ledger

Message = dict[str, Any]

GIVE_UP = 0.15
"""How often an editor doesn't repeat what wasn't answered."""
IMPATIENT = 0.06
"""How often one hangs up before the answer can have come."""
DUE_MAX = 2.5


class Publisher:
    """One editor with a live blog. Entries are edited only by the editor who made them, unless two race on purpose."""

    def __init__(self, name: str, desk: Desk, ledger: Ledger, chance: random.Random, pace: float) -> None:
        self.name = name
        self.finishing = asyncio.Event()
        self.last_due = 0.0
        self._desk = desk
        self._ledger = ledger
        self._chance = chance
        self._pace = pace
        self._path = f"/liveblogs/{ledger.slug}"
        self._headers = {"Authorization": f"Bearer {desk.setup.key}"}
        self._items: list[Item] = []
        self._number = 0
        self._liveblog_version: int | None = None

    async def run(self, *, renames: bool) -> None:
        """Go on until told to finish, and end nothing half-way."""
        acts = [self._create, self._edit, self._delete, self._conflict, self._schedule, self._draft]
        weights = [50, 20, 8, 5, 5, 4]
        if renames:
            acts.append(self._rename)
            weights.append(8)
        while not self.finishing.is_set():
            await self._chance.choices(acts, weights)[0]()
            await asyncio.sleep(self._chance.expovariate(1 / self._pace))

    async def _create(self) -> None:
        item = self._begin()
        chosen = {name: True for name in ("key_event", "breaking") if self._chance.random() < 0.1}
        entry = {**self._entry(item), **chosen}
        times = 3 if self._chance.random() < 0.08 else 1
        # Duplicates race each other; each is repeated by itself.
        answers = await asyncio.gather(*(self._post(item, entry) for _ in range(times)))
        self._asked(item, answers, "created")

    async def _schedule(self) -> None:
        due = now() + timedelta(seconds=self._chance.uniform(0.3, DUE_MAX))
        item = self._begin(due=due.timestamp())
        self.last_due = max(self.last_due, due.timestamp())
        entry = {**self._entry(item), "publish_at": json_encoding.timestamp(due)}
        strict = self._chance.random() < 0.5
        if strict:
            entry["status"] = "scheduled"
        answer = await self._post(item, entry, allowed=(201, 422) if strict else (201,))
        if answer is None or answer.status == 201:
            self._asked(item, [answer], "scheduled")
        elif now() < due:
            raise Broken("refused", f"an entry due at {due} was refused: {answer.content}")

    def _asked(self, item: Item, answers: list[Answer | None], what: str) -> None:
        for answer in answers:
            if answer is not None:
                self._ledger.created(item, answer.content, answer.at)
        if all(answer is None for answer in answers):
            self._ledger.create_open(item)
            self._count("open")
        else:
            self._count(what)
            self._items.append(item)

    async def _draft(self) -> None:
        item = self._begin()
        draft = await self._post(item, {**self._entry(item), "status": "draft"})
        if draft is None:
            # Nobody sees it, whether or not it is there.
            del self._ledger.items[item.mark]
            return
        version = draft.content["version"]
        item.id = draft.content["id"]
        answer = await self._until(
            lambda: self._patch(item, {"status": "published"}, version),
        )
        if answer is None:
            self._ledger.create_open(item)
            self._count("open")
            return
        content = answer.content if answer.status == 200 else answer.content["current"]
        if content["status"] != "published":
            raise Broken("refused", f"publishing the draft {item.id} was answered with {answer.content}")
        self._ledger.created(item, content, answer.at)
        self._count("published drafts")
        self._items.append(item)

    async def _edit(self) -> None:
        item = self._editable()
        if item is None:
            return
        heading, patch = self._change(item)
        asked = 0

        async def change() -> Answer | None:
            nonlocal asked
            asked += 1
            return await self._patch(item, patch, item.version)

        answer = await self._until(change)
        if answer is None or (answer.status == 409 and asked > 1):
            # One that was given up may still be on its way, after another was refused.
            self._ledger.edit_open(item, heading)
            self._count("open")
        elif answer.status != 409:
            content = answer.content if answer.status == 200 else answer.content["current"]
            if content["heading"] != heading:
                raise Broken("lost", f"an edit of {item.id} of version {item.version} met {content}")
            self._ledger.edited(item, content, answer.at)
            self._count("edited")

    async def _conflict(self) -> None:
        """Two editors start from one version: one of them gets through, and the other is told with what."""
        item = self._editable()
        if item is None:
            return
        (one, first), (two, second) = self._change(item), self._change(item)
        version = item.version
        answers = await asyncio.gather(*(self._patch(item, patch, version) for patch in (first, second)))
        won = [answer.content for answer in answers if answer is not None and answer.status == 200]
        told = [answer.content["current"] for answer in answers if answer is not None and answer.status == 412]
        if len(won) > 1 or any(state["heading"] not in {one, two} for state in (*won, *told)):
            raise Broken("doubled", f"two edits of {item.id} of version {version} were answered {answers}")
        if won or told:
            self._ledger.edited(item, (won or told)[0], next(answer.at for answer in answers if answer is not None))
            self._count("conflicts")
        elif None in answers:
            self._ledger.edit_open(item, one)
            item.headings.add(two)
            self._count("open")

    async def _delete(self) -> None:
        item = self._editable()
        if item is None:
            return
        asked = 0

        async def remove() -> Answer | None:
            nonlocal asked
            asked += 1
            return await self._ask("DELETE", f"/entries/{item.id}", allowed=(204, 410))

        answer = await self._until(remove)
        if answer is None:
            self._ledger.delete_open(item)
            self._count("open")
        elif answer.status == 410 and asked == 1:
            raise Broken("lost", f"{item.id} was deleted before anyone asked for it")
        else:
            self._ledger.deleted(item, answer.at)
            self._count("deleted")

    async def _rename(self) -> None:
        if self._liveblog_version is None:
            answer = await self._ask("GET", "")
            if answer is None:
                return
            self._liveblog_version = answer.content["version"]
        version = self._liveblog_version
        title = f"{self._ledger.slug} {self._next()}"
        headers = {"If-Match": f'"{version}"'}
        answer = await self._until(
            lambda: self._ask("PATCH", "", {"title": title}, headers=headers, allowed=(200, 412))
        )
        self._liveblog_version = None
        if answer is None:
            self._ledger.rename_open(title)
            self._count("open")
            return
        content = answer.content if answer.status == 200 else answer.content["current"]
        if content["title"] == title:
            self._ledger.renamed(content, answer.at)
            self._liveblog_version = content["version"]
            self._count("renamed")
        elif content["title"] not in self._ledger.titles:
            raise Broken("lost", f"the live blog is called {content['title']!r}")

    async def _post(self, item: Item, entry: Message, *, allowed: tuple[int, ...] = (201,)) -> Answer | None:
        headers = {"Idempotency-Key": f"{self._ledger.slug}-{item.mark}"}
        return await self._until(lambda: self._ask("POST", "/entries", entry, headers=headers, allowed=allowed))

    async def _patch(self, item: Item, patch: Message, version: int) -> Answer | None:
        headers = {"If-Match": f'"{version}"'}
        # 409: one pinned entry too many.
        allowed = (200, 412, 409) if patch.get("pinned") else (200, 412)
        return await self._ask("PATCH", f"/entries/{item.id}", patch, headers=headers, allowed=allowed)

    async def _until(self, attempt: Callable[[], Awaitable[Answer | None]]) -> Answer | None:
        """Repeat until it is answered, or not worth the trouble any more."""
        while (answer := await attempt()) is None:
            if self._chance.random() < GIVE_UP:
                return None
            await asyncio.sleep(self._chance.uniform(0.05, 0.5))
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        content: Message | None = None,
        *,
        headers: dict[str, str] | None = None,
        allowed: tuple[int, ...] = (200,),
    ) -> Answer | None:
        patience = self._chance.uniform(0.001, 0.05) if self._chance.random() < IMPATIENT else None
        return await self._desk.ask(
            method,
            f"{self._path}{path}",
            content,
            headers={**self._headers, **(headers or {})},
            allowed=allowed,
            patience=patience,
        )

    def _begin(self, due: float | None = None) -> Item:
        mark = self._next()
        return self._ledger.begin(mark, f"{mark} as written", due=due)

    def _entry(self, item: Item) -> Message:
        (heading,) = item.headings
        return {"heading": heading, "body": body_of(item.mark, self._length())}

    def _change(self, item: Item) -> tuple[str, Message]:
        heading = f"{item.mark} edited {self._next()}"
        patch: Message = {"heading": heading}
        if self._chance.random() < 0.2:
            patch["key_event"] = self._chance.random() < 0.5
        if self._chance.random() < 0.2:
            patch["pinned"] = self._chance.random() < 0.5
        if self._chance.random() < 0.3:
            patch["body"] = body_of(item.mark, self._length())
        if self._chance.random() < 0.1:
            patch["correction"] = "Une première version disait autre chose."
        return heading, patch

    def _editable(self) -> Item | None:
        known = [item for item in self._items[-40:] if item.editable]
        return self._chance.choice(known) if known else None

    def _length(self) -> int:
        """Mostly short; sometimes more than the bus carries, and enough to make a slow viewer lag."""
        return self._chance.choices([200, 2_000, 20_000, 60_000], [60, 30, 7, 3])[0]

    def _next(self) -> str:
        self._number += 1
        return f"{self.name}x{self._number}"

    def _count(self, what: str) -> None:
        self._desk.totals.done[what] += 1
