"""Admission of other sites: partners under their rules, and all others under the live blog's embed policy.

The rules are few and kept in memory. All of them are read again by one query every 1.5 seconds, so a change that is
made on one node holds on all nodes within two seconds. Each viewer of a partner has a session from when it comes until
it leaves (`access/partner_sessions.py`). When a partner is switched off, the viewers of its sessions are closed.

The rules go by the request's origin, which browsers tell the truth about and other programs can invent. This server's
own pages are let in with every partner; their `frame-ancestors` say which sites may frame them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import structlog

from liveserver.access.partner_sessions import Caller, PartnerSessions, Reviewed
from liveserver.domain.change import VOID_POSITION
from liveserver.domain.errors import EmbedRefused, StoreUnavailable, check_version
from liveserver.domain.ids import PARTNER_ID, new_partner_id, now
from liveserver.domain.inputs import origins
from liveserver.domain.liveblog import EmbedPolicy
from liveserver.domain.partner import Attribution, Partner
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
    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.inputs.models import AttributionInput, PartnerInput, PartnerPatch
    from liveserver.realtime.hub import Hub
    from liveserver.store import Store
    from liveserver.store.repositories.partners import Rules

POLL = 1.5
"""Seconds between two reads of the rules."""

UNKNOWN_AGAIN = 0.5
"""Seconds between two reads of the rules because a request names a partner that isn't among them."""

SLICE = 500
"""Viewers that are closed in one turn of the event loop at most."""


log = structlog.get_logger(__name__)


class Readers(Enum):
    """The sites whose scripts may read an answer, beside this server's own pages. Other programs can read it anyway."""

    ANY = auto()
    """Scripts of any site may read the answer."""
    ASKING = auto()
    """Scripts of some sites may read the answer, and the request is from one of those."""
    NONE = auto()
    """Scripts of some sites may read the answer, and the request is from none of those."""


class Admission(NamedTuple):
    """The topic that a request gets to see, the partner with whom it came, and the readers of the same answer.

    `partner`: None for a request without one.
    """

    topic: Topic
    partner: Partner | None
    readers: Readers = Readers.ANY


class Partners:
    """One process's copy of the rules, and the partners' sessions in it."""

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
        """The time at which the last read of the rules began, by the event loop's clock; None if there was none."""
        self._reading = FreshFlight(self._read)
        self._partner_sessions = PartnerSessions(hub)
        # A `Periodic` goes on after any error: partners must be switched off even if one poll fails.
        self._polls = Periodic(self._poll, lambda: poll, log=log, failure_event="partners.poll_broken", wait_first=True)
        self._tasks = BackgroundTasks()

    async def start(self) -> None:
        """Read the rules, and begin to poll them."""
        with suppress(StoreUnavailable):
            await self.refresh()
        self._tasks.spawn(self._polls.run())

    async def close(self) -> None:
        """Stop polling, and cancel a read that is under way."""
        await asyncio.gather(*self._tasks.cancel(), *self._reading.cancel(), return_exceptions=True)

    async def refresh(self) -> None:
        """Read the rules now, and close viewers that they don't let in any more. Raises StoreUnavailable."""
        await self._reading()
        await self._enforce()

    async def admit(self, slug: str, partner_id: str | None, headers: RawHeaders) -> Admission:
        """Return what a request may see of a live blog, whether or not that exists.

        `partner_id`: None if the request names no partner. Raises EmbedRefused and StoreUnavailable.
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
        """Return the sites whose scripts may read an answer that is sent to everybody. Raises StoreUnavailable.

        Such answers have an address on the newsroom's pages (feeds, share cards). They aren't refused, as a program may
        send an origin too, such as a feed reader within a browser; browsers keep them from other sites' scripts.
        """
        try:
            return (await self.admit(slug, None, headers)).readers
        except EmbedRefused:
            return Readers.NONE

    async def shown(self, slugs: Iterable[str], headers: RawHeaders) -> frozenset[str]:
        """Return those live blogs of a list that a request may see. Raises StoreUnavailable."""
        if self._read_at is None:
            await self.refresh()
        caller = Caller.of(headers)
        return frozenset(slug for slug in slugs if slug not in self._restricted or self._may_embed(slug, caller))

    async def subscription(self, slug: str, partner_id: str | None, headers: RawHeaders) -> Subscription:
        """Make a subscription for a viewer that comes by such a request. Raises EmbedRefused and StoreUnavailable."""
        if partner_id is None and slug not in self._restricted and self._read_at is not None:
            return Subscription(self._hub, Topic(slug))
        topic, partner, _ = await self.admit(slug, partner_id, headers)
        if partner is None:
            return Subscription(self._hub, topic)
        return self._partner_sessions.subscription(partner, topic, Caller.of(headers))

    async def frame_ancestors(self, slug: str, partner_id: str | None) -> str:
        """Return the sites that may frame a page with the live blog, as a Content-Security-Policy's `frame-ancestors`.

        Raises EmbedRefused if the partner may not show the live blog, and StoreUnavailable.
        """
        if partner_id is not None:
            partner = (await self.admit(slug, partner_id, ())).partner
            return origins.frame_ancestors(partner.origins) if partner and partner.origins else "*"
        if self._read_at is None:
            await self.refresh()
        embedding = self._restricted.get(slug, EmbedPolicy())
        return "*" if embedding.mode == "anyone" else origins.frame_ancestors(embedding.origins)

    def known(self, partner_id: str | None) -> Partner | None:
        """Return the partner as of when the rules were last read; None if it isn't among them."""
        return None if partner_id is None else self._partners.get(partner_id)

    def viewers(self, partner_id: str) -> int:
        """Return the number of viewers that a partner has in this process."""
        return self._partner_sessions.count(partner_id)

    async def create(self, content: PartnerInput) -> Partner:
        """Create a partner."""
        partner = await self._store.partners.add(new_partner(content, self._clock()))
        await self.changed()
        return partner

    async def edit(self, partner_id: str, patch: PartnerPatch, *, version: EntityVersion | None) -> Partner:
        """Change a partner. `version`: the one that was edited; None for whichever is current.

        Raises NotFound, and VersionConflict if another version is current.
        """
        at = self._clock()

        def edit(current: Partner) -> Partner:
            check_version(current, version, current.entity_version.history)
            return edited_partner(current, patch, at)

        partner = await self._store.partners.edit(partner_id, edit)
        await self.changed()
        return partner

    async def delete(self, partner_id: str, *, version: EntityVersion | None) -> None:
        """Delete a partner, and close its viewers. `version`: as in `edit`."""
        await self._store.partners.delete(partner_id, version=version)
        await self.changed()

    async def _find(self, partner_id: str) -> Partner | None:
        asked_at = self._now()
        if partner_id not in self._partners and PARTNER_ID.fullmatch(partner_id):
            # The partner may be new, and clients don't ask again after "unknown", so the rules are read again. That is
            # delayed: a client that invents ids doesn't cause a query for each.
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

    async def changed(self) -> None:
        """Read the rules after some were written. If that fails, the next poll reads them."""
        with suppress(StoreUnavailable):
            await self.refresh()

    async def _poll(self) -> None:
        with suppress(StoreUnavailable):
            await self._reading()
        # Even if the database can't be read: a partner whose time is over has to be closed.
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
        """Return the reason why the partner may not show the live blog to this caller; None if it may."""
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
        """Close the viewers that the rules don't let in any more, or for which they make another topic now."""
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
                # The viewer must neither keep entries that it may not see any more, nor miss those that it may see now.
                # The reset's position is void: a viewer at the live blog's own position would ignore a reset to it.
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


def new_partner(content: PartnerInput, at: datetime) -> Partner:
    """Make a new partner, to be stored. `at`: the moment of its creation."""
    return Partner(
        id=new_partner_id(),
        name=content.name,
        origins=tuple(content.origins),
        liveblogs=tuple(content.liveblogs),
        tags=tuple(content.tags),
        delay=content.delay,
        expires_at=content.expires_at,
        enabled=content.enabled,
        theme=content.theme.model_dump(exclude_none=True),
        attribution=_attribution(content.attribution),
        created_at=at,
        updated_at=at,
        version=1,
    )


def edited_partner(current: Partner, patch: PartnerPatch, at: datetime) -> Partner:
    """Return the partner with the patch applied at a moment; `current` itself if the patch changes nothing."""
    new = replace(current, **_fields(patch))
    return current if new == current else replace(new, updated_at=at)


def _topic(partner: Partner, slug: str) -> Topic:
    return Topic(slug, tuple(sorted(partner.tags)), partner.delay)


def _fields(patch: PartnerPatch) -> dict[str, Any]:
    """Return the fields that a patch names, in the types that a partner has them in."""
    fields = patch.sent()
    for name in {"origins", "liveblogs", "tags"} & fields.keys():
        fields[name] = tuple(getattr(patch, name))
    if "theme" in fields:
        fields["theme"] = patch.theme.model_dump(exclude_none=True)
    if "attribution" in fields:
        fields["attribution"] = _attribution(patch.attribution)
    return fields


def _attribution(content: AttributionInput | None) -> Attribution | None:
    return None if content is None else Attribution(content.text, content.url)
