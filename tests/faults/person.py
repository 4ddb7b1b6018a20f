"""One person at the desk: signs in, asks for things by a session, and minds whether the answers may be so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from liveserver.domain.people.rights import VERBS_OF_ROLE, Role, Verb
from tests.faults.reading import Broken
from tests.support.desk_visitor import OWN

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from tests.faults.desk import Desk
    from tests.faults.people_ledger import PeopleLedger, Request

Message = dict[str, Any]

COOKIE = "__Host-liveserver"
GIVE_UP = 0.1
"""How often a person doesn't repeat what wasn't answered."""
IMPATIENT = 0.06
"""How often one hangs up before the answer can have come."""
REPEAT = "idempotency-replayed"


class Reply(NamedTuple):
    """The answer to a person."""

    status: int
    content: Message
    headers: Any
    at: float
    """`time.monotonic()`"""

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return self.status < 400


class Standing:
    """What the owner has made of a user: each value that may be so, now and at every time before."""

    def __init__(self, *values: Any) -> None:
        self._past: list[frozenset[Any]] = [frozenset(values)]

    @property
    def now(self) -> frozenset[Any]:
        """What may be so now."""
        return self._past[-1]

    def moment(self) -> int:
        """The present moment, to be given to `since` later."""
        return len(self._past) - 1

    def since(self, moment: int) -> frozenset[Any]:
        """What may have been so at any time since then."""
        return frozenset[Any]().union(*self._past[moment:])

    def may_become(self, value: Any) -> None:
        """Somebody has asked for it."""
        self._past.append(self.now | {value})

    def has_become(self, value: Any) -> None:
        """It was acknowledged."""
        self._past.append(frozenset({value}))

    def has_not_become(self, value: Any, before: frozenset[Any]) -> None:
        """It was refused."""
        self._past.append(self.now - {value} | before)


@dataclass(eq=False)
class Session:
    """A session, as far as its owner knows of it."""

    cookie: str
    id: str | None = None
    over: bool = False
    """An end of it was acknowledged."""
    shaky: bool = False
    """Somebody has asked for its end, and wasn't refused."""


@dataclass(eq=False)
class User:
    """Somebody who was invited, as far as the harness knows."""

    name: str
    id: str = ""
    version: int = 1
    """Of the user; the owner needs it."""
    roles: Standing = field(default_factory=Standing)
    disabled: Standing = field(default_factory=lambda: Standing(False))
    joined: bool = False
    password: str | None = None
    """The one that works, unless the owner has voided it."""
    sessions: list[Session] = field(default_factory=list)
    loose: bool = False
    """A request that ends sessions, and wasn't answered, may yet be done: any session may be over."""
    endings: int = 0
    """How often somebody has asked for the end of all sessions."""
    ending: bool = False
    """Whether somebody is asking for it."""

    def endanger(self) -> list[Session]:
        """Somebody asks for the end of all sessions; the ones that would be over."""
        self.endings += 1
        found = [session for session in self.sessions if not session.over]
        for session in found:
            session.shaky = True
        return found


class Person:
    """Who sits at the desk as one user. Does one thing after the other."""

    def __init__(self, user: User, desk: Desk, ledger: PeopleLedger, chance: random.Random) -> None:
        self.user = user
        self.chance = chance
        self.desk = desk
        self.ledger = ledger
        self.finishing = asyncio.Event()
        self.last_due = 0.0
        """`time.time()` of the last publication that was asked for."""
        self._number = 0

    def next(self) -> str:
        """A word that nobody has used."""
        self._number += 1
        return f"{self.user.id.removeprefix('u_')}x{self._number}"

    # Signing in

    async def session(self) -> Session | None:
        """A session that isn't known to be over; None if there is none to be had now."""
        for session in reversed(self.user.sessions):
            if not session.over:
                return session
        return await self.sign_in()

    async def sign_in(self) -> Session | None:
        """A new session; None if it was refused, or wasn't answered."""
        user = self.user
        if user.password is None:
            return None
        form = {"name": user.name, "password": user.password}
        request = self.ledger.begin(user.id, "session.began", once=False)
        disabled, endings, ending = user.disabled.moment(), user.endings, user.ending
        reply = await self.until(request, lambda: self.post_form("/desk/signin", form), allowed=(303, 401, 429))
        if reply is None:
            return None
        if reply.good and False not in user.disabled.since(disabled):
            raise Broken("admitted", f"{user.name} is disabled, and signed in: {request}")
        shaky = ending or user.ending or endings != user.endings
        return await self.began(reply, request, shaky=shaky) if reply.good else None

    async def began(self, reply: Reply, request: Request, *, shaky: bool = False) -> Session:
        """The session that begins with an answer. `shaky`: somebody may have ended it meanwhile."""
        cookie = reply.headers["set-cookie"].partition(";")[0]
        if not cookie.startswith(f"{COOKIE}="):
            raise Broken("refused", f"no session in {cookie!r}: {request}")
        session = Session(cookie, shaky=shaky or self.user.loose)
        self.user.sessions.append(session)
        told = await self.get("/session", session)
        if told is not None and told.good:
            session.id = told.content["session"]["id"]
            request.told.append(("session.began", "session", session.id))
        return session

    async def post_form(self, path: str, form: dict[str, str]) -> Reply | None:
        """An answer to a form, from a browser without a session."""
        return await self._send("POST", path, data=form, headers=OWN)

    # Asking

    async def get(self, path: str, session: Session, patience: float | None = None) -> Reply | None:
        """Read something."""
        return await self._held("GET", path, session, None, patience=patience)

    async def ask(
        self,
        request: Request,
        method: str,
        path: str,
        content: Message | None = None,
        *,
        session: Session | None = None,
        headers: dict[str, str] | None = None,
        verb: Verb | None = None,
        allowed: tuple[int, ...] = (200,),
        stubborn: bool = False,
    ) -> Reply | None:
        """Ask, again and again, until it is answered or not worth the trouble any more; then None.

        `session`: None for the present one. `verb`: what the answer must be refused for, if no role of the person's has
        it. `allowed`: the statuses of answers, beside 401 and 403. `stubborn`: never give up.
        """
        using = session or await self.session()
        if using is None:
            return None

        async def attempt() -> Reply | None:
            patience = self.chance.uniform(0.001, 0.05) if self.chance.random() < IMPATIENT else None
            return await self._held(method, path, using, content, headers=headers, verb=verb, patience=patience)

        return await self.until(request, attempt, allowed=(*allowed, 401, 403), stubborn=stubborn)

    async def until(
        self,
        request: Request,
        attempt: Callable[[], Awaitable[Reply | None]],
        *,
        allowed: tuple[int, ...],
        stubborn: bool = False,
    ) -> Reply | None:
        """Try until it is answered, or not worth the trouble any more, and note what came of it."""
        done = self.desk.totals.people
        while True:
            request.sent += 1
            reply = await attempt()
            if reply is not None:
                break
            done["unanswered"] += 1
            if not stubborn and self.chance.random() < GIVE_UP:
                done["given up"] += 1
                return None
            await asyncio.sleep(self.chance.uniform(0.05, 0.5))
            done["retried"] += 1
        if reply.status not in allowed:
            raise Broken("refused", f"{reply.status} {reply.content}: {request}")
        if reply.good:
            request.done += 1
            done[request.acts[0]] += 1
        else:
            request.refused += 1
            done[f"refused {reply.status}"] += 1
        return reply

    async def _held(
        self,
        method: str,
        path: str,
        session: Session,
        content: Message | None,
        *,
        headers: dict[str, str] | None = None,
        verb: Verb | None = None,
        patience: float | None = None,
    ) -> Reply | None:
        """One try. Raises Broken if the session, or the role, doesn't allow the answer."""
        user, over = self.user, session.over
        roles, disabled = user.roles.moment(), user.disabled.moment()
        options: dict[str, Any] = {} if content is None else {"json": content}
        sent = {**OWN, "Accept": "application/json", "Cookie": session.cookie, **(headers or {})}
        reply = await self._send(method, f"/desk/api/v1{path}", patience=patience, headers=sent, **options)
        if reply is None:
            return None
        void = over or False not in user.disabled.since(disabled)
        said = f"{method} {path} of {user.name} was answered {reply.status} {reply.content}"
        if void and reply.status != 401:
            raise Broken("admitted", f"{said}, by a session that was over (or its user disabled) before it was sent")
        if reply.status == 401:
            doubtful = session.shaky or user.loose or True in user.disabled.since(disabled)
            if not void and not doubtful:
                raise Broken("refused", f"{said}, and nobody has ended the session {session.id}")
            session.over = True
        elif verb is not None:
            able = {role is not None and verb in VERBS_OF_ROLE[Role(role)] for role in user.roles.since(roles)}
            if able == {False} and reply.status != 403:
                raise Broken("admitted", f"{said}, without the right to {verb}")
            if able == {True} and reply.status == 403:
                raise Broken("refused", f"{said}, with the right to {verb}")
        return reply

    async def _send(self, method: str, path: str, *, patience: float | None = None, **options: Any) -> Reply | None:
        sent = await self.desk.send(method, path, patience=patience, **options)
        if sent is None:
            return None
        response, at = sent
        is_json = "json" in response.headers.get("content-type", "")
        content = orjson.loads(response.content) if is_json and response.content else {}
        return Reply(response.status_code, content, response.headers, at)

    # What one does with one's own sessions

    async def end_other(self) -> None:
        """End another session of one's own; or, without another, the present one."""
        using = await self.session()
        if using is None:
            return
        others = [each for each in self.user.sessions if each.id is not None and each is not using and not each.over]
        victim = self.chance.choice(others) if others else using
        if victim.id is None:
            return
        own = victim is using
        request = self.ledger.begin(self.user.id, "session.ended", target=victim.id)
        shaken, victim.shaky = victim.shaky, True
        path = "/session" if own else f"/sessions/{victim.id}"
        reply = await self.ask(request, "DELETE", path, session=using, allowed=(204, 404))
        self._ended([victim], {victim: shaken}, request, reply)

    async def end_others(self) -> None:
        """End all sessions of one's own, but for the present one."""
        using = await self.session()
        if using is None or using.id is None:
            return
        self.ledger.leavers.add(using.id)
        request = self.ledger.begin(self.user.id, "session.ended_all", once=False)
        before = {each: each.shaky for each in self.user.sessions}
        others = [each for each in self.user.endanger() if each is not using]
        using.shaky = before[using]
        reply = await self.ask(request, "DELETE", "/sessions", session=using, allowed=(204,))
        self._ended(others, before, request, reply)
        self.user.loose |= request.lost > 0

    def _ended(
        self, sessions: list[Session], before: dict[Session, bool], request: Request, reply: Reply | None
    ) -> None:
        for session in sessions:
            session.over |= reply is not None and reply.good
            if reply is not None and not reply.good and not request.lost:
                session.shaky = before[session]

    async def knock(self) -> None:
        """Come with a session that is over: `_held` wants it refused."""
        gone = [session for session in self.user.sessions if session.over]
        if gone:
            self.desk.totals.people["came with a session that was over"] += 1
            await self.get("/session", self.chance.choice(gone[-5:]))

    async def prove(self) -> None:
        """Give the password once more."""
        if self.user.password is None:
            return
        request = self.ledger.begin(self.user.id, "session.confirmed", once=False)
        content = {"password": self.user.password}
        await self.ask(request, "POST", "/session/confirm", content, allowed=(200, 422, 429))
