"""An owner at the desk: invites people, lets them join, changes their roles, disables them, resets them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from liveserver.domain.people.rights import Verb
from tests.faults.person import Person, User
from tests.faults.reading import Broken

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.people_ledger import Request
    from tests.faults.person import Reply

Message = dict[str, Any]

ROLES = ("viewer", "reporter", "editor")
WEIGHTS = {"viewer": 1, "reporter": 2, "editor": 5}
STAFF = ("reporter", "editor", "editor", "reporter")
"""The roles of those who are invited at first."""
STAFF_MAX = 7
PACE = 0.8
"""Seconds between two acts of an owner, on average."""


class Owner(Person):
    """The owner. Nobody else changes anybody's role."""

    hire: Callable[[User], None]
    """Is called with each user who has joined for the first time."""

    async def run(self) -> None:
        """Go on until told to finish, and end nothing half-way."""
        users: list[User] = []
        acts = [self._change_role, self._disable, self._reset]
        for role in STAFF:
            await self._invite(users, role)
        while not self.finishing.is_set():
            if len(users) < STAFF_MAX and self.chance.random() < 0.15:
                await self._invite(users, self.chance.choice(ROLES))
            elif disabled := [user for user in users if True in user.disabled.now and self.chance.random() < 0.5]:
                await self._enable(disabled[0])
            elif users:
                await self.chance.choices(acts, [6, 3, 3])[0](self.chance.choice(users))
            if self.chance.random() < 0.1:
                await self.chance.choice([self.end_other, self.end_others, self.knock, self.sign_in])()
            await asyncio.sleep(self.chance.expovariate(1 / PACE))
        for user in users:
            if True in user.disabled.now:
                await self._enable(user)

    # Inviting and joining

    async def _invite(self, users: list[User], role: str) -> None:
        user = User(f"{self.user.name} {self.next()}")
        self.ledger.names.add(user.name)
        request = self.ledger.begin(self.user.id, "user.invited", target=user.name)
        content = {"name": user.name, "role": role}
        reply = await self._administer(request, "POST", "/invitations", content, allowed=(201, 409))
        if reply is None or reply.status in {401, 403}:
            return
        user.roles.has_become(role)
        if reply.status == 409:
            # An earlier try was done, and its link is lost.
            await self._find(user)
            if not user.id:
                raise Broken("lost", f"there is a user {user.name}, and there is none: {request}")
            link = await self._new_link(user)
        else:
            user.id, link = reply.content["user"]["id"], _token(reply)
        self.ledger.people[user.id] = user.name
        if link is not None and await self.join(user, link, "user.joined"):
            users.append(user)
            self.hire(user)

    async def _find(self, user: User) -> None:
        session = await self.session()
        for _ in range(50):
            reply = None if session is None else await self.get("/users?limit=100", session)
            if reply is not None and reply.good:
                user.id = next((each["id"] for each in reply.content["items"] if each["name"] == user.name), "")
                return
            await asyncio.sleep(0.2)

    async def join(self, user: User, link: str, act: str) -> bool:
        """Let the user use the link, and somebody else who has got hold of it."""
        user.joined = True
        password = f"la mer monte {self.next()}"
        racers = [(Person(user, self.desk, self.ledger, self.chance), password)]
        if self.chance.random() < 0.5:
            racers.append((Person(user, self.desk, self.ledger, self.chance), f"{password} encore"))
        replies = await asyncio.gather(*(self._use(person, link, word, act) for person, word in racers))
        won = [word for (_, word), (reply, _) in zip(racers, replies, strict=True) if reply.good]
        limited = any(reply.status == 429 for reply, _ in replies)
        if len(won) > 1:
            raise Broken("doubled", f"two have joined by one link: {', '.join(str(request) for _, request in replies)}")
        self.desk.totals.people["raced for a link"] += len(racers) > 1
        if not won:
            # The answer to whoever has used it was lost; the password tells who it was.
            won = [word for _, word in racers if await self._works(user, word)]
            if len(won) != 1 and not user.loose and not limited:
                what = ", ".join(str(request) for _, request in replies)
                raise Broken("doubled" if won else "lost", f"of one link came the passwords {won}: {what}")
        if not won:
            return False
        user.password = won[0]
        if self.chance.random() < 0.3:
            reply, request = await self._use(racers[0][0], link, f"{password} toujours", act)
            if reply.good:
                raise Broken("doubled", f"a link was used twice: {request}")
        return True

    async def _use(self, person: Person, link: str, password: str, act: str) -> tuple[Reply, Request]:
        request = self.ledger.begin(person.user.id, act, "session.began")
        form = {"link": link, "password": password}
        reply = await person.until(
            request, lambda: person.post_form("/desk/join", form), allowed=(303, 401, 429), stubborn=True
        )
        assert reply is not None
        if reply.good:
            person.user.password = password
            await person.began(reply, request)
        return reply, request

    async def _works(self, user: User, password: str) -> bool:
        """Whether one can sign in by a password."""
        request = self.ledger.begin(user.id, "session.began", once=False)
        person = Person(user, self.desk, self.ledger, self.chance)
        form = {"name": user.name, "password": password}
        reply = await person.until(
            request, lambda: person.post_form("/desk/signin", form), allowed=(303, 401, 429), stubborn=True
        )
        assert reply is not None
        if reply.good:
            await person.began(reply, request)
        return reply.good

    # What an owner makes of people

    async def _change_role(self, user: User) -> None:
        others = [role for role in ROLES if {role} != user.roles.now]
        role = self.chance.choices(others, [WEIGHTS[role] for role in others])[0]
        before = user.roles.now
        user.roles.may_become(role)
        request = self.ledger.begin(self.user.id, "user.changed", target=user.name)
        reply = await self._patch(request, user, {"role": role})
        if reply is not None and reply.status == 200:
            user.roles.has_become(role)
        elif not request.lost:
            user.roles.has_not_become(role, before)

    async def _disable(self, user: User) -> None:
        if True in user.disabled.now:
            await self._enable(user)
            return
        user.disabled.may_become(True)
        doomed, shaken = self._endanger(user)
        request = self.ledger.begin(self.user.id, "user.disabled", target=user.name)
        reply = await self._patch(request, user, {"disabled": True})
        if reply is not None and reply.status == 200:
            user.disabled.has_become(True)
        elif not request.lost:
            user.disabled.has_not_become(True, frozenset({False}))
        self._ended_all(user, doomed, shaken, request)

    async def _enable(self, user: User) -> None:
        before = user.disabled.now
        user.disabled.may_become(False)
        request = self.ledger.begin(self.user.id, "user.changed", target=user.name)
        reply = await self._patch(request, user, {"disabled": False})
        if reply is not None and reply.status == 200:
            user.disabled.has_become(False)
        elif not request.lost:
            user.disabled.has_not_become(False, before)

    async def _reset(self, user: User) -> None:
        if True in user.disabled.now:
            return
        old = user.password
        link = await self._new_link(user)
        if link is None:
            return
        user.password = None
        if old is not None and not user.loose and self.chance.random() < 0.5 and await self._works(user, old):
            raise Broken("admitted", f"{user.name} has signed in by a password that was void")
        await self.join(user, link, "user.reset")

    async def _new_link(self, user: User) -> str | None:
        """Void the user's password and sessions; the token of the link."""
        doomed, shaken = self._endanger(user)
        request = self.ledger.begin(self.user.id, "user.link_made", target=user.name, once=False)
        reply = await self._administer(request, "POST", f"/users/{user.id}/reset", None, allowed=(201, 409))
        self._ended_all(user, doomed, shaken, request)
        user.loose |= request.lost > 0
        return _token(reply) if reply is not None and reply.good else None

    def _endanger(self, user: User) -> tuple[list[Any], list[bool]]:
        user.ending = True
        shaken = [session.shaky for session in user.sessions if not session.over]
        return user.endanger(), shaken

    def _ended_all(self, user: User, doomed: list[Any], shaken: list[bool], request: Request) -> None:
        # Nobody knows of a try that wasn't answered: it may yet be done.
        user.ending = request.open
        for session, before in zip(doomed, shaken, strict=True):
            session.over |= request.done > 0
            session.shaky = session.shaky if request.done or request.lost else before

    async def _patch(self, request: Request, user: User, patch: Message) -> Reply | None:
        headers = {"If-Match": f'"{user.version}"'}
        path, allowed = f"/users/{user.id}", (200, 409, 412)
        reply = await self._administer(request, "PATCH", path, patch, headers=headers, allowed=allowed)
        if reply is None:
            return None
        if reply.status == 200:
            if reply.content["version"] == user.version:
                # It was so already.
                request.done, request.refused = request.done - 1, request.refused + 1
            user.version = reply.content["version"]
        elif reply.status == 412:
            user.version = reply.content["current"]["version"]
        return reply

    async def _administer(
        self, request: Request, method: str, path: str, content: Message | None, **more: Any
    ) -> Reply | None:
        return await self.ask(request, method, path, content, verb=Verb.ADMINISTER, **more)


def _token(reply: Reply) -> str:
    token: str = reply.content["url"].rpartition("#")[2]
    return token
