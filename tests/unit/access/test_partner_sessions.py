"""Which viewers came with which partner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from liveserver.access.partner_sessions import Caller
from liveserver.domain.errors import NotFound
from liveserver.protocol.close_codes import CLOSE_NOT_ADMITTED
from tests.support.api.site import SLUG
from tests.support.viewers import ListSink

if TYPE_CHECKING:
    from liveserver.access.partner_sessions import PartnerSession
    from liveserver.realtime.subscription import Subscription
    from tests.support.api.site import Site

HERE, THERE = "https://www.exemple.fr", "https://blog.exemple.fr"


async def take_in(site: Site, **fields: Any) -> str:
    """A new partner; its id."""
    made = await site.editor.post("/api/v1/partners", json={"name": "Le Phare", **fields})
    partner: str = made.json()["id"]
    return partner


async def edit(site: Site, partner: str, **fields: Any) -> None:
    """Change its rules, which hold once this returns."""
    changed = await site.editor.patch(f"/api/v1/partners/{partner}", json=fields, headers={"If-Match": "*"})
    assert changed.status_code == 200


async def let_in(site: Site, partner: str, origin: str) -> Subscription:
    """The subscription that a viewer on a page of this origin reports to."""
    return await site.parts.partners.subscription(SLUG, partner, [(b"origin", origin.encode())])


def test_what_is_kept_of_a_caller() -> None:
    """Headers that browsers send are kept; of those that no browser would send, nothing is."""
    host = (b"host", b"live.example.org")
    assert Caller.of([host, (b"origin", b"https://A.example")]) == Caller("https://a.example", "live.example.org")
    assert Caller.of([host]) == Caller(None, "live.example.org")
    for long in ((b"origin", b"https://" + b"a" * 30_000), (b"host", b"a" * 30_000)):
        assert Caller.of([host, (b"origin", b"https://a.example"), long]) == Caller("null", "")


async def test_coming_and_going(site: Site) -> None:
    """A viewer is on the roll from its coming on, and no longer than it is there."""
    partners, partner = site.parts.partners, await take_in(site, origins=[HERE])
    subscription = await let_in(site, partner, HERE)
    assert partners.viewers(partner) == 0
    viewer = ListSink()
    await subscription.join(viewer, None)
    assert (partners.viewers(partner), viewer.partner, viewer.told) == (1, partner, ["hello 0 fresh"])
    subscription.gone(viewer)
    subscription.gone(viewer)
    assert (partners.viewers(partner), site.parts.hub.count(SLUG)) == (0, 0)


async def test_a_viewer_that_is_not_let_in_is_not_on_the_roll(site: Site) -> None:
    """The live blog isn't there, say."""
    partner = await take_in(site)
    subscription = await site.parts.partners.subscription("rien", partner, [])
    with pytest.raises(NotFound):
        await subscription.join(ListSink(), None)
    assert site.parts.partners.viewers(partner) == 0


async def test_rules_that_change_between_the_door_and_the_seat(site: Site) -> None:
    """A viewer let in by the rules as they were, that comes when they have changed, is looked at once more."""
    partner = await take_in(site, origins=[HERE, THERE])
    early, late, other = ListSink(), ListSink(), ListSink()
    await (await let_in(site, partner, HERE)).join(early, None)
    subscription = await let_in(site, partner, THERE)
    await edit(site, partner, origins=[HERE])
    await subscription.join(late, None)
    await (await let_in(site, partner, HERE)).join(other, None)
    await site.parts.partners.refresh()
    assert (early.closed, late.closed, other.closed) == (None, CLOSE_NOT_ADMITTED, None)
    assert site.parts.partners.viewers(partner) == 2


async def test_a_review_is_made_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A roll that nobody has changed isn't gone through again and again, however many viewers there are."""
    partner = await take_in(site)
    viewer = ListSink()
    await (await let_in(site, partner, HERE)).join(viewer, None)
    partners = site.parts.partners
    await partners.refresh()
    looked: list[str] = []
    sessions = partners._partner_sessions.sessions

    def looking(partner_id: str) -> list[PartnerSession]:
        looked.append(partner_id)
        return sessions(partner_id)

    monkeypatch.setattr(partners._partner_sessions, "sessions", looking)
    await partners.refresh()
    assert looked == []
    await edit(site, partner, name="La Vigie")
    assert (looked, viewer.closed) == ([partner], None)
