"""The viewers of each partner, in this process. A viewer is noted when it comes, and forgotten when it leaves.

Messages are delivered to these viewers in the same way as to all other viewers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.realtime.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.domain.change import Position
    from liveserver.domain.partner import Partner
    from liveserver.domain.topic import Topic
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer

    RawHeaders = Iterable[tuple[bytes, bytes]]


NAMED_MAX = 300
"""The greatest number of bytes of an Origin or Host header: host names have at most 253 characters. If a header is
longer, the caller's origin is set to `null`, which fits no rule."""


class Caller(NamedTuple):
    """The page from which a request comes, as a browser names it."""

    origin: str | None
    """The Origin header in lower case: the page's origin. `null` if the Origin or Host header has more than NAMED_MAX
    bytes. None if there is no Origin: browsers send none with most requests of this server's own pages, and other
    programs needn't send one."""
    host: str
    """The Host header: the name by which this server was addressed."""

    @classmethod
    def of(cls, headers: RawHeaders) -> Caller:
        """Return the caller that a request's headers name.

        If the Origin or Host header has more than NAMED_MAX bytes, the caller has an origin that fits no rule.
        """
        values = {name: value for name, value in headers if name in {b"origin", b"host"}}
        origin = values.get(b"origin")
        if any(len(value) > NAMED_MAX for value in values.values()):
            # No browser sends such a header, and no rule has such a name. The session would keep it in memory for as
            # long as the viewer stays.
            return cls("null", "")
        return cls(origin.decode("latin-1").lower() if origin else None, values.get(b"host", b"").decode("latin-1"))


class PartnerSession(NamedTuple):
    """A viewer that came from a partner's page."""

    viewer: Viewer
    topic: Topic
    """The topic that the viewer follows."""
    caller: Caller
    version: int
    """The partner's version when the viewer was admitted."""


class Reviewed(NamedTuple):
    """The state of a partner when its sessions were last reviewed: checked against the partner's rules."""

    version: int
    """The partner's version; 0 if there was no such partner."""
    over: bool
    """True if the partner had been deleted, or had expired."""


class PartnerSessions:
    """The partner sessions of one process, by partner."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._sessions: dict[str, dict[Viewer, PartnerSession]] = {}
        self._reviewed: dict[str, Reviewed] = {}

    def partners(self) -> list[str]:
        """Return the ids of the partners that have sessions."""
        return list(self._sessions)

    def sessions(self, partner_id: str) -> list[PartnerSession]:
        """Return a partner's sessions, in a new list, which doesn't change when sessions are added or removed."""
        return list(self._sessions.get(partner_id, {}).values())

    def count(self, partner_id: str) -> int:
        """Return the number of a partner's sessions."""
        return len(self._sessions.get(partner_id, ()))

    def add(self, partner_id: str, session: PartnerSession) -> None:
        """Add a session of the partner."""
        self._sessions.setdefault(partner_id, {})[session.viewer] = session
        reviewed = self._reviewed.get(partner_id)
        if reviewed is not None and reviewed.version != session.version:
            # The viewer was admitted by rules that have changed since then: the partner's sessions need another review.
            del self._reviewed[partner_id]

    def review(self, partner_id: str, rules: Reviewed) -> bool:
        """Return True if a partner's sessions must be reviewed: for the first time, or as its state has changed.

        `rules`: the partner's present state. If the result is True, the caller must review the sessions now, as this
        method has noted `rules` as the state of the last review.
        """
        if self._reviewed.get(partner_id) == rules:
            return False
        self._reviewed[partner_id] = rules
        return True

    def remove(self, partner_id: str, viewer: Viewer) -> None:
        """Forget a viewer's session with the partner. Does nothing if there is no such session."""
        sessions = self._sessions.get(partner_id)
        if sessions is not None:
            sessions.pop(viewer, None)
            if not sessions:
                del self._sessions[partner_id]
                self._reviewed.pop(partner_id, None)

    def close(self, partner_id: str, session: PartnerSession, code: int) -> None:
        """End a session: forget it, and close the viewer's connection with this code."""
        self.remove(partner_id, session.viewer)
        self._hub.leave(session.topic, session.viewer)
        session.viewer.close(code)

    def subscription(self, partner: Partner, topic: Topic, caller: Caller) -> PartnerSubscription:
        """Make a subscription for a viewer that comes from a partner's page."""
        return PartnerSubscription(self._hub, self, partner, topic, caller)


class PartnerSubscription(Subscription):
    """The subscription of a viewer that came with a partner: it adds and removes the viewer's partner session."""

    __slots__ = ("_caller", "_partner_id", "_partner_sessions", "_version")

    def __init__(
        self, hub: Hub, partner_sessions: PartnerSessions, partner: Partner, topic: Topic, caller: Caller
    ) -> None:
        super().__init__(hub, topic)
        self._partner_sessions = partner_sessions
        self._partner_id = partner.id
        self._version = partner.version
        self._caller = caller

    async def join(self, viewer: Viewer, after: Position | None, /) -> None:
        """Register the viewer with the hub, and add its partner session.

        `after`: the viewer's position; None if the viewer has no position. Raises NotFound, StoreUnavailable
        and Draining. After such an error the viewer has no partner session.
        """
        viewer.partner = self._partner_id
        # The session is added first, as the partner may be switched off while the store is asked for the live blog.
        self._partner_sessions.add(self._partner_id, PartnerSession(viewer, self.topic, self._caller, self._version))
        try:
            await super().join(viewer, after)
        except BaseException:
            self._partner_sessions.remove(self._partner_id, viewer)
            raise

    def gone(self, viewer: Viewer, /) -> None:
        """Forget a viewer whose connection has ended, and forget the viewer's partner session."""
        self._partner_sessions.remove(self._partner_id, viewer)
        super().gone(viewer)
