"""Admission of other sites: each partner under its own rules, all other sites under the live blog's embed policy.

"The rules" are the rules of all partners, and all embed policies that restrict a live blog. Usually there are only
dozens of rules, and each process keeps them in memory. The process reads all rules again every 1.5 seconds, so a change
that is made on one node takes effect on all nodes within two seconds. Each viewer whose request named a partner has a
partner session while it is connected (`access/partner_sessions.py`). When a partner is switched off, its viewers are
disconnected.

The rules look at the request's Origin header. Browsers send the true origin; other programs can invent one. Requests
from this server's own pages have an origin that every partner's rules admit. The `frame-ancestors` of these pages say
which sites may frame them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import structlog

from liveserver.access.partner_sessions import Caller, PartnerSessions, Reviewed
from liveserver.domain.change import VOID_POSITION
from liveserver.domain.errors import EmbedRefused, StoreUnavailable
from liveserver.domain.ids import PARTNER_ID, now
from liveserver.domain.inputs import origins
from liveserver.domain.liveblog import EmbedPolicy
from liveserver.domain.topic import Topic
from liveserver.protocol import close_codes, messages
from liveserver.protocol.frames import Frame
from liveserver.realtime.subscription import Subscription
from liveserver.utils.background import BackgroundTasks, Periodic
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from liveserver.access.partner_sessions import RawHeaders
    from liveserver.domain.partner import Partner
    from liveserver.realtime.hub import Hub
    from liveserver.store import Store
    from liveserver.store.repositories.partners import Rules

POLL = 1.5
"""Seconds between two reads of the rules from the store."""

UNKNOWN_AGAIN = 0.5
"""The least number of seconds from a read of the rules to a read that a request for an unknown partner causes."""

SLICE = 500
"""The greatest number of viewers that are disconnected in one turn of the event loop."""


log = structlog.get_logger(__name__)


class Readers(Enum):
    """The sites whose scripts may read an answer, besides this server's own pages.

    Browsers keep the scripts of all other sites from reading the answer. Programs that aren't browsers can always read
    the answer.
    """

    ANY = auto()
    """Scripts of any site may read the answer."""
    ASKING = auto()
    """Only scripts of certain sites may read the answer, and the request comes from one of these sites."""
    NONE = auto()
    """Only scripts of certain sites may read the answer. The request comes from another site, or has no Origin."""


class Admission(NamedTuple):
    """The topic that a request gets to see, the partner that it names, and the sites whose scripts may read the answer.

    `partner`: None if the request names no partner.
    """

    topic: Topic
    partner: Partner | None
    readers: Readers = Readers.ANY


class PartnerAdmission:
    """One process's copy of all rules (`Rules`). It decides which partners and sites may show which live blogs."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        *,
        base_url: str,
        poll: float = POLL,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._hub = hub
        self._store = store
        self._own = urlsplit(base_url)
        self._clock = clock
        self._partners: dict[str, Partner] = {}
        self._restricted: dict[str, EmbedPolicy] = {}
        self._read_at: float | None = None
        """The time at which the last read of the rules began, by the event loop's clock; None before the first read."""
        self._reading = FreshFlight(self._read)
        self._partner_sessions = PartnerSessions(hub)
        # A `Periodic` goes on after any error: partners must be switched off in this process even after a failed poll.
        self._polls = Periodic(self._poll, lambda: poll, log=log, failure_event="partners.poll_broken", wait_first=True)
        self._tasks = BackgroundTasks()

    async def start(self) -> None:
        """Read the rules, and begin to read them every `poll` seconds. If the first read fails, nothing is raised."""
        with suppress(StoreUnavailable):
            await self.refresh()
        self._tasks.spawn(self._polls.run())

    async def close(self) -> None:
        """Stop reading the rules: cancel the task that reads them, and a read that is under way."""
        await asyncio.gather(*self._tasks.cancel(), *self._reading.cancel(), return_exceptions=True)

    async def refresh(self) -> None:
        """Read the rules now, and disconnect viewers whose admission changed (`_enforce`). Raises StoreUnavailable."""
        await self._reading()
        await self._enforce()

    async def admit(self, slug: str, partner_id: str | None, headers: RawHeaders) -> Admission:
        """Return what a request may see of a live blog. Whether the live blog exists isn't checked.

        `partner_id`: None if the request names no partner. Raises StoreUnavailable. Raises EmbedRefused if the partner
        is unknown, or its rules refuse the request. If `partner_id` is None, raises EmbedRefused if the live blog's
        embed policy refuses the request.
        """
        partner = None if partner_id is None else await self._find(partner_id)
        if self._read_at is None:
            await self.refresh()
        if partner_id is None and slug not in self._restricted:
            return Admission(Topic(slug), None)
        caller = Caller.of(headers)
        readers = Readers.NONE if caller.origin is None else Readers.ASKING
        if partner_id is None:
            if not self._may_embed(slug, caller):
                raise EmbedRefused("embedding")
            return Admission(Topic(slug), None, readers)
        if reason := self._refusal(partner, slug, caller):
            raise EmbedRefused(reason)
        assert partner is not None
        return Admission(_topic(partner, slug), partner, readers if partner.origins else Readers.ANY)

    async def readers(self, slug: str, headers: RawHeaders) -> Readers:
        """Return the sites whose scripts may read a live blog's feed or share card. Raises StoreUnavailable.

        Anybody may fetch feeds and share cards. No request for them is refused because of its Origin header: harmless
        programs, such as feed readers within a browser, send this header, too. Instead, the headers of the answer tell
        browsers which sites' scripts may read the answer.
        """
        try:
            return (await self.admit(slug, None, headers)).readers
        except EmbedRefused:
            return Readers.NONE

    async def shown(self, slugs: Iterable[str], headers: RawHeaders) -> frozenset[str]:
        """Return the slugs of the live blogs that a request without a partner may see. Raises StoreUnavailable.

        `slugs`: the slugs to choose from. Whether their live blogs exist isn't checked.
        """
        if self._read_at is None:
            await self.refresh()
        caller = Caller.of(headers)
        return frozenset(slug for slug in slugs if slug not in self._restricted or self._may_embed(slug, caller))

    async def subscription(self, slug: str, partner_id: str | None, headers: RawHeaders) -> Subscription:
        """Make a subscription for a viewer that opens a stream. Raises EmbedRefused and StoreUnavailable.

        `partner_id`: None if the request names no partner.
        """
        if partner_id is None and slug not in self._restricted and self._read_at is not None:
            return Subscription(self._hub, Topic(slug))
        topic, partner, _ = await self.admit(slug, partner_id, headers)
        if partner is None:
            return Subscription(self._hub, topic)
        return self._partner_sessions.subscription(partner, topic, Caller.of(headers))

    async def frame_ancestors(self, slug: str, partner_id: str | None) -> str:
        """Return the sites that may show a page with the live blog in a frame.

        The result is the value of `frame-ancestors` in a Content-Security-Policy. `partner_id`: None if the request
        names no partner; the live blog's embed policy decides. Raises StoreUnavailable. Raises EmbedRefused if the
        partner is unknown, or may not show the live blog.
        """
        if partner_id is not None:
            partner = (await self.admit(slug, partner_id, ())).partner
            return origins.frame_ancestors(partner.origins) if partner and partner.origins else "*"
        if self._read_at is None:
            await self.refresh()
        embedding = self._restricted.get(slug, EmbedPolicy())
        return "*" if embedding.mode == "anyone" else origins.frame_ancestors(embedding.origins)

    def known(self, partner_id: str | None) -> Partner | None:
        """Return the partner as it was when the rules were last read; None if `partner_id` is None or was unknown."""
        return None if partner_id is None else self._partners.get(partner_id)

    def viewers(self, partner_id: str) -> int:
        """Return the number of viewers in this process that came with the partner."""
        return self._partner_sessions.count(partner_id)

    async def changed(self) -> None:
        """Read the rules now. Call this after a rule was written.

        If the read fails, nothing is raised: the next regular read gets the rule.
        """
        with suppress(StoreUnavailable):
            await self.refresh()

    async def _find(self, partner_id: str) -> Partner | None:
        asked_at = self._now()
        if partner_id not in self._partners and PARTNER_ID.fullmatch(partner_id):
            # The partner may be new, and clients give up after the answer "unknown", so the rules are read again. The
            # read is delayed, so that a client that invents ids doesn't cause a query for each id.
            if self._read_at is not None:
                await asyncio.sleep(self._read_at + UNKNOWN_AGAIN - asked_at)
            if self._read_at is None or self._read_at < asked_at:
                await self.refresh()
        return self._partners.get(partner_id)

    async def _read(self) -> None:
        started_at = self._now()
        rules: Rules = await self._store.partners.rules()
        self._partners, self._restricted = rules
        self._read_at = started_at

    async def _poll(self) -> None:
        with suppress(StoreUnavailable):
            await self._reading()
        # This runs even if the database can't be read: the viewers of a partner that has expired must go.
        await self._enforce()

    def _may_embed(self, slug: str, caller: Caller) -> bool:
        embedding = self._restricted[slug]
        return caller.origin is None or self._is_own(caller) or origins.allows(embedding.origins, caller.origin)

    def _is_own(self, caller: Caller) -> bool:
        if caller.origin is None:
            return False
        scheme, _, host = caller.origin.partition("://")
        return host == caller.host.lower() or (scheme, host) == (self._own.scheme, self._own.netloc.lower())

    def _refusal(self, partner: Partner | None, slug: str, caller: Caller) -> str | None:
        """Return why the partner may not show the live blog to this caller (`EmbedRefused.reason`); None if it may."""
        if partner is None:
            return "unknown"
        if not partner.enabled:
            return "disabled"
        if partner.expires_at is not None and partner.expires_at <= self._clock():
            return "expired"
        if partner.liveblogs and slug not in partner.liveblogs:
            return "liveblog"
        if partner.origins and caller.origin is not None and not self._is_own(caller):
            return None if origins.allows(partner.origins, caller.origin) else "origin"
        return None

    async def _enforce(self) -> None:
        """Disconnect viewers that the rules don't admit any more, and viewers that the rules now give another topic."""
        at = self._clock()
        for partner_id in self._partner_sessions.partners():
            partner = self._partners.get(partner_id)
            over = partner is None or (partner.expires_at is not None and partner.expires_at <= at)
            if self._partner_sessions.review(partner_id, Reviewed(partner.version if partner else 0, over)):
                await self._review(partner_id, partner)

    async def _review(self, partner_id: str, partner: Partner | None) -> None:
        closed = 0
        for session in self._partner_sessions.sessions(partner_id):
            slug = session.topic.slug
            if self._refusal(partner, slug, session.caller) is not None:
                self._partner_sessions.close(partner_id, session, close_codes.CLOSE_NOT_ADMITTED)
            elif partner is not None and _topic(partner, slug) != session.topic:
                # The viewer must not keep entries that it may not see any more, and must not miss entries that it may
                # see now. So it is sent a reset, which tells it to start anew. The reset has a void position. With the
                # live blog's position, a viewer that already has this position would ignore the reset.
                session.viewer.write(Frame(messages.reset(VOID_POSITION)))
                self._partner_sessions.close(partner_id, session, close_codes.CLOSE_RESTART)
            else:
                continue
            closed += 1
            if closed % SLICE == 0:
                await asyncio.sleep(0)
        if closed:
            log.info("partners.closed", partner=partner_id, viewers=closed)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _topic(partner: Partner, slug: str) -> Topic:
    return Topic(slug, tuple(sorted(partner.tags)), partner.delay)
