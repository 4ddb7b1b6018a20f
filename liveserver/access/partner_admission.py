"""Who may show a live blog on other sites: partners, under their rules, and everyone else, as the live blog says.

The rules are few, kept in memory, and read again every second and a half, all of them by one query; so what an editor
changes on one node holds on all of them within two seconds. A partner's viewers are on its roll: that is all that is
done for each, when it comes and when it goes. Who is on the roll of a partner that was switched off is closed.

What guards is the origin, which browsers tell and scripts outside of browsers make up. Pages of this server's own are
let in with every partner: who may frame them, their `frame-ancestors` say.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import structlog

from liveserver.access.partner_sessions import Caller, PartnerSessions, Reviewed
from liveserver.domain.change import VOID_POSITION
from liveserver.domain.errors import EmbedRefused, StoreUnavailable, check_version
from liveserver.domain.ids import PARTNER_ID_PATTERN, new_partner_id, now
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
    from liveserver.domain.ids import Edition
    from liveserver.domain.inputs.bodies import AttributionInput, PartnerInput, PartnerPatch
    from liveserver.realtime.hub import Hub
    from liveserver.store import Store
    from liveserver.store.repositories.partners import Rules

POLL = 1.5
"""Seconds between two looks at the rules."""

UNKNOWN_AGAIN = 0.5
"""Seconds between two looks for the sake of partners that aren't among the rules."""

SLICE = 500
"""Viewers that are closed in one turn of the event loop."""

_ID = re.compile(PARTNER_ID_PATTERN)

log = structlog.get_logger(__name__)


class Readers(Enum):
    """Of which sites the scripts may read an answer, beside this server's own pages. Programs read them all."""

    ANY = auto()
    """Of any."""
    ASKING = auto()
    """It is for some, and the one that asks is among them."""
    NONE = auto()
    """It is for some, and none of them asks."""


class Admission(NamedTuple):
    """What somebody was let in to see, with whom, and who else may read the same answer."""

    topic: Topic
    partner: Partner | None
    readers: Readers = Readers.ANY


class Partners:
    """One process's partners: the rules, who is let in by them, and who came with whom."""

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
        """When the rules were read, by the event loop's clock; None: they haven't been."""
        self._reading = FreshFlight(self._read)
        self._partner_sessions = PartnerSessions(hub)
        # What switches partners off must outlive any defect, as a `Periodic` does.
        self._polls = Periodic(self._look, lambda: poll, log=log, failure_event="partners.poll_broken", wait_first=True)
        self._tasks = BackgroundTasks()

    async def start(self) -> None:
        """Read the rules, and begin to look at them again and again."""
        with suppress(StoreUnavailable):
            await self.refresh()
        self._tasks.spawn(self._polls.run())

    async def close(self) -> None:
        """Stop."""
        await asyncio.gather(*self._tasks.cancel(), *self._reading.cancel(), return_exceptions=True)

    async def refresh(self) -> None:
        """Read the rules now, and close whom they don't let in any more. Raises StoreUnavailable."""
        await self._reading()
        await self._enforce()

    async def admit(self, slug: str, partner_id: str | None, headers: RawHeaders) -> Admission:
        """Say what a request may see of a live blog; that needn't exist. Raises EmbedRefused and StoreUnavailable."""
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
        """The same of what is sent to whoever asks, and kept from other sites' scripts by their browsers.

        That is what has an address of its own on the newsroom's page (feeds, cards): programs that name an origin,
        such as a feed reader in a browser, go on reading it. Raises StoreUnavailable.
        """
        try:
            return (await self.admit(slug, None, headers)).readers
        except EmbedRefused:
            return Readers.NONE

    async def shown(self, slugs: Iterable[str], headers: RawHeaders) -> frozenset[str]:
        """Which of some live blogs a request gets to see, where they stand in a list. Raises StoreUnavailable."""
        if self._read_at is None:
            await self.refresh()
        caller = Caller.of(headers)
        return frozenset(slug for slug in slugs if slug not in self._restricted or self._may_embed(slug, caller))

    async def subscription(self, slug: str, partner_id: str | None, headers: RawHeaders) -> Subscription:
        """Whom the viewers report to that come by such a request. Raises EmbedRefused and StoreUnavailable."""
        if partner_id is None and slug not in self._restricted and self._read_at is not None:
            return Subscription(self._hub, Topic(slug))
        topic, partner, _ = await self.admit(slug, partner_id, headers)
        if partner is None:
            return Subscription(self._hub, topic)
        return self._partner_sessions.subscription(partner, topic, Caller.of(headers))

    async def frame_ancestors(self, slug: str, partner_id: str | None) -> str:
        """Who may frame a page that shows the live blog: the value of the directive of a Content-Security-Policy.

        Raises EmbedRefused for a partner that may not show it, and StoreUnavailable.
        """
        if partner_id is not None:
            partner = (await self.admit(slug, partner_id, ())).partner
            return origins.frame_ancestors(partner.origins) if partner and partner.origins else "*"
        if self._read_at is None:
            await self.refresh()
        embedding = self._restricted.get(slug, EmbedPolicy())
        return "*" if embedding.mode == "anyone" else origins.frame_ancestors(embedding.origins)

    def known(self, partner_id: str | None) -> Partner | None:
        """The partner, as the rules were last read."""
        return None if partner_id is None else self._partners.get(partner_id)

    def viewers(self, partner_id: str) -> int:
        """How many viewers a partner has here."""
        return self._partner_sessions.count(partner_id)

    async def create(self, given: PartnerInput) -> Partner:
        """A new partner."""
        partner = await self._store.partners.add(made(given, self._clock()))
        await self.changed()
        return partner

    async def edit(self, partner_id: str, patch: PartnerPatch, *, version: Edition | None) -> Partner:
        """Change a partner. `version`: the one that was edited (None: whichever is current)."""
        at = self._clock()

        def edit(current: Partner) -> Partner:
            check_version(current, version, current.edition.history)
            return edited(current, patch, at)

        partner = await self._store.partners.edit(partner_id, edit)
        await self.changed()
        return partner

    async def delete(self, partner_id: str, *, version: Edition | None) -> None:
        """Forget a partner, and close its viewers."""
        await self._store.partners.delete(partner_id, version=version)
        await self.changed()

    async def _find(self, partner_id: str) -> Partner | None:
        asked = self._now()
        if partner_id not in self._partners and _ID.fullmatch(partner_id):
            # It may be new, and "unknown" is final. Not at once, lest whoever makes ids up has all of them looked up.
            if self._read_at is not None:
                await asyncio.sleep(self._read_at + UNKNOWN_AGAIN - asked)
            if self._read_at is None or self._read_at < asked:
                await self.refresh()
        return self._partners.get(partner_id)

    async def _read(self) -> None:
        began = self._now()
        rules: Rules = await self._store.partners.rules()
        self._partners, self._restricted = rules
        self._read_at = began

    async def changed(self) -> None:
        """Read the rules, of which some have just been written: if they can't be read now, the poll will."""
        with suppress(StoreUnavailable):
            await self.refresh()

    async def _look(self) -> None:
        with suppress(StoreUnavailable):
            await self._reading()
        # Without the database too: a time that is over needs none.
        await self._enforce()

    def _may_embed(self, slug: str, caller: Caller) -> bool:
        embedding = self._restricted[slug]
        return caller.origin is None or self._is_own(caller) or origins.allows(embedding.origins, caller.origin)

    def _is_own(self, caller: Caller) -> bool:
        if caller.origin is None:
            return False
        scheme, _, place = caller.origin.partition("://")
        return place == caller.host.lower() or (scheme, place) == (self._own.scheme, self._own.netloc.lower())

    def _refusal(self, partner: Partner | None, slug: str, caller: Caller) -> str | None:
        """Why the partner may not show the live blog to this caller; None if it may."""
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
        """Close the viewers that the rules don't let in any more, and send those back whose view has changed."""
        at = self._clock()
        for partner_id in self._partner_sessions.partners():
            partner = self._partners.get(partner_id)
            over = partner is None or (partner.expires_at is not None and partner.expires_at <= at)
            if self._partner_sessions.review(partner_id, Reviewed(partner.version if partner else 0, over)):
                await self._go_through(partner_id, partner)

    async def _go_through(self, partner_id: str, partner: Partner | None) -> None:
        closed = 0
        for session in self._partner_sessions.sessions(partner_id):
            slug = session.topic.slug
            if self._refusal(partner, slug, session.caller) is not None:
                self._partner_sessions.close(partner_id, session, close_codes.CLOSE_NOT_ADMITTED)
            elif partner is not None and _topic(partner, slug) != session.topic:
                # It must neither keep what it may not see any more, nor miss what it may see now.
                # Of no history: who stands where the live blog does would take its own for right.
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


def made(given: PartnerInput, at: datetime) -> Partner:
    """A new partner, to be stored."""
    return Partner(
        id=new_partner_id(),
        name=given.name,
        origins=tuple(given.origins),
        liveblogs=tuple(given.liveblogs),
        tags=tuple(given.tags),
        delay=given.delay,
        expires_at=given.expires_at,
        enabled=given.enabled,
        theme=given.theme.model_dump(exclude_none=True),
        attribution=_attribution(given.attribution),
        created_at=at,
        updated_at=at,
        version=1,
    )


def edited(current: Partner, patch: PartnerPatch, at: datetime) -> Partner:
    """A partner with what the patch names; the same, if it says the same."""
    new = replace(current, **_fields(patch))
    return current if new == current else replace(new, updated_at=at)


def _topic(partner: Partner, slug: str) -> Topic:
    return Topic(slug, tuple(sorted(partner.tags)), partner.delay)


def _fields(patch: PartnerPatch) -> dict[str, Any]:
    """The fields that a patch names, as a partner has them."""
    fields: dict[str, Any] = {name: getattr(patch, name) for name in patch.model_fields_set}
    for name in {"origins", "liveblogs", "tags"} & fields.keys():
        fields[name] = tuple(getattr(patch, name))
    if "theme" in fields:
        fields["theme"] = patch.theme.model_dump(exclude_none=True)
    if "attribution" in fields:
        fields["attribution"] = _attribution(patch.attribution)
    return fields


def _attribution(given: AttributionInput | None) -> Attribution | None:
    return None if given is None else Attribution(given.text, given.url)
