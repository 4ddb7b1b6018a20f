"""The newsroom of one round: an owner, those whom the owner invites, their live blogs, and the reckoning."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from liveserver.domain.people.rights import Role
from liveserver.store import Store
from liveserver.store.repositories.people.users import NewUser
from liveserver.utils.tokens import new_token
from tests.faults import records
from tests.faults.editors import Coverage, Editor
from tests.faults.ledger import marks_in
from tests.faults.owners import Owner
from tests.faults.people_ledger import PeopleLedger
from tests.faults.person import User
from tests.faults.reading import Broken
from tests.support.people_samples import a_link, a_user
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from tests.faults.desk import Desk
    from tests.faults.viewers import Viewer

Message = dict[str, Any]

PAIR = ("breaking", "takedowns")
"""What one person alone can't do on the second live blog."""


class Newsroom:
    """One round's people at the desk."""

    def __init__(self, desk: Desk, name: str, chance: random.Random) -> None:
        self.coverages = [Coverage(f"{name}-desk"), Coverage(f"{name}-pair")]
        self.ledger = PeopleLedger(frozenset(each.slug for each in self.coverages), self.coverages[-1].slug)
        self._name = name
        self._desk = desk
        self._chance = chance
        self._people: list[Owner | Editor] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Set the rules of the live blogs, which are there, and let the owner join. Nothing is out of order yet."""
        headers = {"Authorization": f"Bearer {self._desk.setup.key}", "If-Match": "*"}
        path = f"/liveblogs/{self.coverages[-1].slug}"
        await self._desk.insist("PATCH", path, {"two_persons": PAIR}, headers=headers)
        found, token = a_user(f"{self._name} owner", Role.OWNER), new_token()
        store = await Store.open(self._desk.setup.database_url)
        await store.users.invite(NewUser(found, token.digest, a_link(found)), NEWSROOM)
        await store.close()
        user = User(found.name, found.id)
        user.roles.has_become("owner")
        self.ledger.people[user.id] = user.name
        self.ledger.names.add(user.name)
        invited = self.ledger.begin(NEWSROOM.id, "user.invited", target=user.name)
        invited.sent = invited.done = 1
        self._owner = Owner(user, self._desk, self.ledger, random.Random(self._chance.random()))
        await self._owner.join(user, token.token, "user.joined")

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Let the owner go to work, and everybody whom the owner hires."""

        def hire(user: User) -> None:
            editor = Editor(user, self._desk, self.ledger, random.Random(self._chance.random()))
            editor.coverages = self.coverages
            self._people.append(editor)
            self._tasks.append(group.create_task(editor.run(), name=user.name))

        self._owner.hire = hire
        self._people.append(self._owner)
        self._tasks.append(group.create_task(self._owner.run(), name=self._owner.user.name))

    async def finish(self) -> None:
        """Return once nobody does anything any more, and all that they have scheduled is due."""
        self._owner.finishing.set()
        await asyncio.wait(self._tasks[:1])
        for person in self._people:
            person.finishing.set()
        await asyncio.wait(self._tasks)
        last_due = max(person.last_due for person in self._people)
        await asyncio.sleep(max(0.0, last_due + 1.0 - time.time()))

    async def check(self, viewers: list[Viewer]) -> None:
        """Raises Broken unless the database, the people and the readers agree."""
        totals, setup = self._desk.totals, self._desk.setup
        found = await records.read(setup.database_url, self.ledger.slugs)
        wrong = self.ledger.check(found)
        if wrong:
            raise Broken(wrong[0].kind, "\n".join(f"{kind}: {what}" for kind, what in wrong[:10]))
        shown: set[str] = set()
        for coverage in self.coverages:
            published = found.published(coverage.slug)
            for viewer in viewers:
                entries = viewer.reading.entries
                if viewer.ledger is coverage and {e["id"]: e["version"] for e in entries.values()} != published:
                    raise Broken("mixed", f"{viewer} shows {sorted(entries)}, published are {sorted(published)}")
            marks = {self.ledger.marks[entry_id] for entry_id in published}
            page = marks_in(await self._desk.page(f"/live/{coverage.slug}"))
            if page - marks:
                raise Broken(
                    "shown", f"the page of {coverage.slug} shows {sorted(page - marks)}, which aren't published"
                )
            shown |= marks
        erased = self.ledger.erased(self.ledger.ours(found))
        if setup.sqlite is not None and erased:
            left = await asyncio.to_thread(records.marks_in_file, setup.sqlite)
            totals.people["files searched for erased texts"] += left is not None
            if left and left & erased:
                raise Broken("unerased", f"{sorted(left & erased)} were erased, and stand in the bytes of the file")
        totals.people["entries erased"] += len(erased)
        totals.people["acts compared"] += len(self.ledger.ours(found))
        totals.people["entries compared"] += len(found.entries)
        totals.people["requests"] += len(self.ledger.requests)
