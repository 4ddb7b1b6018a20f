"""Reporters and editors at the desk: drafts, reviews, takedowns and notes, each by a session and as a role allows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from liveserver.domain.ids import now
from liveserver.domain.people.rights import Verb
from liveserver.protocol import json_encoding
from tests.faults.ledger import Ledger, body_of, mark_of, marked
from tests.faults.person import REPEAT, Person
from tests.faults.reading import Broken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.person import Reply

Message = dict[str, Any]

PACE = 0.15
"""Seconds that somebody at the desk thinks, on average."""
STALE = 0.4
"""How often somebody acts on the board as it was."""
DUE_MAX = 2.5
STEP = (200, 404, 409, 410, 412)


class Coverage(Ledger):
    """A live blog on which only people at the desk work. `people_ledger` says what must be in it."""

    returning = True

    def heard(self, entry: Message, at: float) -> None:
        """A change that readers see was acknowledged."""
        seq = entry.get("seq")
        if seq is not None and seq not in self.acknowledged:
            self.acknowledged[seq] = self.acknowledged_at = at
            self.seq = max(self.seq, seq)

    def check(self, liveblog: Message, entries: Iterable[Message], seq: int) -> None:
        """Readers see one entry once."""
        marks = [mark_of(entry) for entry in entries]
        if len(marks) != len(set(marks)) or "" in marks:
            raise Broken("doubled", f"{self.slug} shows {sorted(marks)}")


class Editor(Person):
    """Somebody who works on live blogs, as whatever the owner makes of them."""

    coverages: list[Coverage]

    async def run(self) -> None:
        """Go on until told to finish, and end nothing half-way."""
        self._boards: dict[str, list[Message]] = {}
        self._notes: list[tuple[str, str, str]] = []
        anybody = {self._write: 25, self._edit: 12, self._submit: 30, self._withdraw: 10, self._delete: 4}
        anybody |= {self._note: 6, self._unnote: 3, self.end_other: 2, self.end_others: 1, self.knock: 3}
        anybody |= {self._sign_in_again: 2, self.prove: 1}
        editing = {self._approve: 60, self._return: 10, self._publish: 6, self._erase: 8}
        while not self.finishing.is_set():
            # A reporter tries it, too, now and then.
            share = 1.0 if "editor" in self.user.roles.now else 0.1
            acts = {**anybody, **{act: weight * share for act, weight in editing.items()}}
            if await self.session() is not None:
                await self.chance.choices([*acts], [*acts.values()])[0]()
            else:
                # Disabled, or without a password: only so many tries to sign in are allowed.
                await asyncio.sleep(1)
            await asyncio.sleep(self.chance.expovariate(1 / PACE))

    async def _sign_in_again(self) -> None:
        await self.sign_in()

    # Drafts

    async def _write(self) -> None:
        coverage = self.chance.choice(self.coverages)
        mark = self.next()
        entry: Message = {"heading": f"{mark} draft", "body": body_of(mark, 200), "status": "draft"}
        entry["breaking"] = self.chance.random() < 0.4
        request = self.ledger.begin(self.user.id, "entry.created", target=mark)
        path = f"/liveblogs/{coverage.slug}/entries"
        reply = await self.ask(request, "POST", path, entry, headers=self._key(), allowed=(201, 410))
        if reply is not None and reply.good:
            if mark_of(reply.content) != mark:
                raise Broken("mixed", f"answered with {reply.content}: {request}")
            self.ledger.marks[reply.content["id"]] = mark
            request.told.append(("entry.created", "version", 1))

    async def _edit(self) -> None:
        patch = {"heading": f"edited {self.next()}"}
        found = await self._choose("draft", "review", "published", mine=self.chance.random() < 0.8)
        if found is not None:
            allowed = (*STEP, 422)
            await self._step(*found, "entry.edited", "", patch, method="PATCH", allowed=allowed)

    async def _submit(self) -> None:
        found = await self._choose("draft", mine=self.chance.random() < 0.9)
        if found is None:
            return
        content: Message = {}
        if self.chance.random() < 0.25:
            due = now() + timedelta(seconds=self.chance.uniform(0.5, DUE_MAX))
            self.last_due = max(self.last_due, due.timestamp())
            content["publish_at"] = json_encoding.timestamp(due)
        await self._step(*found, "entry.submitted", "/submit", content, allowed=(*STEP, 422))

    async def _delete(self) -> None:
        found = await self._choose("draft", "published", mine=self.chance.random() < 0.8)
        if found is not None:
            more: Message = {"instead": "entry.delete_proposed", "allowed": (204, 202, 404, 410, 412)}
            await self._step(*found, "entry.deleted", "", None, method="DELETE", keyed=False, **more)

    # Reviews

    async def _approve(self) -> None:
        found = await self._choose("review")
        if found is None:
            return
        item, review = found[1], found[1]["review"] or {}
        reply = await self._step(*found, "entry.approved", "/approve", None, verb=Verb.PUBLISH)
        own = review.get("by") == f"user:{self.user.id}" and item["breaking"] and found[0] is self.coverages[-1]
        if own and reply is not None and reply.good and REPEAT not in reply.headers:
            raise Broken("admitted", f"{self.user.name} has approved breaking news that they submitted: {item}")

    async def _return(self) -> None:
        found = await self._choose("review")
        if found is not None:
            content = {"reason": f"Who says so? {marked(mark_of(found[1]))}"}
            await self._step(*found, "entry.returned", "/return", content, verb=Verb.PUBLISH)

    async def _publish(self) -> None:
        found = await self._choose("draft")
        if found is not None:
            patch = {"status": "published"}
            await self._step(*found, "entry.published", "", patch, method="PATCH", allowed=(*STEP, 422))

    # Takedowns

    async def _withdraw(self) -> None:
        found = await self._choose("review", "published", "published", "scheduled", proposed=True)
        if found is not None:
            more: Message = {"instead": "entry.withdraw_proposed", "allowed": (202, *STEP)}
            await self._step(*found, "entry.withdrawn", "/withdraw", None, **more)

    async def _erase(self) -> None:
        found = await self._choose("draft", "review", "published", proposed=True)
        if found is None:
            return
        if self.chance.random() < 0.3:
            await self.prove()
        more: Message = {"instead": "entry.erase_proposed", "allowed": (204, 202, 404, 412), "verb": Verb.PUBLISH}
        await self._step(*found, "entry.erased", "/erase", {"confirm": True}, keyed=False, **more)

    # Notes

    async def _note(self) -> None:
        found = await self._choose("draft", "review", "published")
        if found is None:
            return
        coverage, item = found
        mark = mark_of(item)
        request = self.ledger.begin(self.user.id, "note.added", target=mark, once=False)
        path = f"/liveblogs/{coverage.slug}/entries/{item['id']}/notes"
        reply = await self.ask(request, "POST", path, {"text": f"Sûr ? {marked(mark)}"}, allowed=(201, 404, 409, 410))
        if reply is not None and reply.good:
            request.told.append(("note.added", "note", reply.content["id"]))
            self._notes.append((f"{path}/{reply.content['id']}", reply.content["id"], mark))

    async def _unnote(self) -> None:
        if self._notes:
            path, note_id, mark = self._notes.pop(self.chance.randrange(len(self._notes)))
            request = self.ledger.begin(self.user.id, "note.deleted", target=mark)
            reply = await self.ask(request, "DELETE", path, allowed=(204, 404))
            if reply is not None and reply.good:
                request.told.append(("note.deleted", "note", note_id))

    # Their parts

    async def _choose(
        self, *statuses: str, mine: bool = False, proposed: bool = False
    ) -> tuple[Coverage, Message] | None:
        """An entry of one of these statuses. `mine`: one's own. `proposed`: rather one proposed for a takedown."""
        coverage = self.chance.choice(self.coverages)
        if coverage.slug not in self._boards or self.chance.random() > STALE:
            session = await self.session()
            reply = None
            if session is not None:
                reply = await self.get(f"/liveblogs/{coverage.slug}/board?limit=100", session)
            if reply is None or not reply.good:
                return None
            self._boards[coverage.slug] = reply.content["items"]
            for item in reply.content["items"]:
                self.ledger.marks.setdefault(item["id"], mark_of(item))
        status = self.chance.choice(statuses)
        ref = f"user:{self.user.id}"
        found = [
            item
            for item in self._boards[coverage.slug]
            if item["status"] == status and (not mine or item["created_by"] == ref)
        ]
        if proposed and self.chance.random() < 0.7:
            found = [item for item in found if item["review"] and item["review"]["by"] != ref] or found
        return (coverage, self.chance.choice(found)) if found else None

    async def _step(
        self,
        coverage: Coverage,
        item: Message,
        act: str,
        path: str,
        content: Message | None,
        *,
        method: str = "POST",
        keyed: bool = True,
        instead: str | None = None,
        verb: Verb | None = None,
        allowed: tuple[int, ...] = STEP,
    ) -> Reply | None:
        """Take one step with an entry, as one has read it."""
        request = self.ledger.begin(self.user.id, act, target=mark_of(item), instead=instead)
        headers = {"If-Match": f'"{item["version"]}"', **(self._key() if keyed else {})}
        whole = f"/liveblogs/{coverage.slug}/entries/{item['id']}{path}"
        reply = await self.ask(request, method, whole, content, headers=headers, verb=verb, allowed=allowed)
        if reply is None or not reply.good:
            return reply
        replayed = REPEAT in reply.headers
        # A proposal may have been there already, and leaves no act then.
        request.in_doubt = reply.status == 202 or (replayed and instead is not None)
        if reply.status == 202 and instead is not None:
            self.desk.totals.people.subtract([act])
            self.desk.totals.people[instead] += 1
        if reply.status == 200:
            coverage.heard(reply.content, reply.at)
            if not replayed:
                request.told.append((act, "version", reply.content["version"]))
                if reply.content["version"] != item["version"] + 1:
                    raise Broken("mixed", f"version {item['version']} became {reply.content['version']}: {request}")
        return reply

    def _key(self) -> dict[str, str]:
        return {"Idempotency-Key": f"{self.user.id}-{self.next()}"}
