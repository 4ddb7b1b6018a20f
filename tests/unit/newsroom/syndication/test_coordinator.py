"""Sources: which can be followed, and which process follows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from liveserver.domain.change import Position
from liveserver.domain.ids import now
from liveserver.domain.inputs.models import SourceInput
from liveserver.newsroom.syndication import coordinator
from liveserver.newsroom.syndication.coordinator import new_source
from liveserver.store import Hold, Incoming, NotHeld
from tests.support.api.site import LIVEBLOG, SLUG, LiveSite, bad_fields, problem, settled
from tests.support.principals import NEWSROOM, named
from tests.support.store_samples import an_entry

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.support.syndication_pair import Pair


async def test_after_it_was_stopped_what_was_taken_over_is_the_newsrooms(pair: Pair) -> None:
    await pair.follow()
    entry = await pair.source.publish()
    (here,) = await pair.level()
    await pair.stop()
    assert (await pair.mirror.editor.get(f"{LIVEBLOG}/source")).status_code == 404
    mine = await pair.mirror.edit(here, heading="Le nôtre")
    assert mine["heading"] == "Le nôtre"
    # Followed again, it is known, and is the source's again.
    await pair.source.edit(entry, heading="Le leur")
    await pair.follow()
    (again,) = await pair.level()
    assert (again["id"], again["heading"]) == (here["id"], "Le leur")


@pytest.mark.slow
async def test_another_process_takes_over_when_the_follower_is_gone(pair: Pair) -> None:
    """A process that doesn't hold the source writes nothing."""
    await pair.follow()
    await pair.source.publish()
    await pair.level()
    store = pair.mirror.parts.store
    source = await store.sources.find(SLUG, now())
    stranger = Hold(source.id, "stranger", source.position)
    given = Incoming("01935000-0000-7000-8000-000000000001", 99, replace(an_entry(), id=""))
    for reached in (None, Position("aaaaaaaa", 99)):
        with pytest.raises(NotHeld):
            await store.sources.take_over(SLUG, stranger, reached, given, by=named("x"), at=now())
    assert await store.sources.hold("stranger", now(), coordinator.LEASE) == []
    late = now() + coordinator.LEASE + coordinator.LEASE
    assert [each.slug for each in await store.sources.hold("stranger", late, coordinator.LEASE)] == [SLUG]
    await pair.source.publish("<p>À qui ?</p>")

    async def taken_by_nobody() -> bool:
        return not pair.mirror.parts.syndication._following

    await settled(taken_by_nobody)
    assert len(await pair.followed()) == 1
    await store.sources.release("stranger")
    await pair.level()


NO_HOSTS = [
    *("\u2460\u2461\u2466.0.0.1", "[v1.a]", "\u00df" + "a" * 62 + ".example", "256.256.256.256"),
    *("a" * 64 + ".example", "a..b", ".", "a%00b", ".".join(["a" * 60] * 5), 'a"b.example'),
]
"""Hosts for which no request can be made, and that can't be looked up."""


@pytest.mark.parametrize(
    "host", ["live.example.org", "live.example.org.", "m\u00e9di\u00e1.example", "a_b", "8.8.8.8:8000"]
)
def test_hosts_that_are(settings: Settings, host: str) -> None:
    assert (
        new_source(SLUG, SourceInput.model_validate({"url": f"http://{host}/live/x"}), now(), settings).server
        == f"http://{host}"
    )


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_one_that_was_let_in_before_is_told_so(live_site: LiveSite, host: str) -> None:
    """And tried again later, without a word in the log each time."""
    coordinator = live_site.parts.syndication
    source = new_source(
        SLUG, SourceInput.model_validate({"url": "http://live.example.org/live/x"}), now(), live_site.parts.settings
    )
    with capture_logs() as logged:
        await live_site.parts.store.sources.add(replace(source, server=f"http://{host}"), NEWSROOM)
        coordinator._look_now.set()

        async def is_told() -> bool:
            found = (await live_site.editor.get(f"{LIVEBLOG}/source")).json()
            return found["state"] == "lost" and "not a server's URL" in (found["error"] or "")

        await settled(is_told)
    assert not [line for line in logged if line["log_level"] in {"error", "warning"}]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://live.example.org/", "must be the address of a live blog's page"),
        ("https://live.example.org/live/", "must be the address of a live blog's page"),
        ("ftp://live.example.org/live/x", "must be an absolute http(s) URL"),
        ("https://a:b@live.example.org/live/x", "must name a host"),
        ("http://169.254.169.254/live/x", "is at a private address"),
        ("http://[::ffff:10.0.0.1]/live/x", "is at a private address"),
        ("http://localhost:8000/live/x", "is at a private address"),
        (f"http://live.test/live/{SLUG}", "is this live blog itself"),
        *((f"http://{host}/live/x", "must name a host") for host in NO_HOSTS),
    ],
)
async def test_addresses_that_arent_followed(live_site: LiveSite, url: str, said: str) -> None:
    response = await live_site.editor.post(f"{LIVEBLOG}/source", json={"url": url})
    assert said in bad_fields(response)["/url"]


async def test_it_follows_one_at_most(live_site: LiveSite) -> None:
    url = "https://live.invalid/live/x"
    assert (await live_site.editor.post(f"{LIVEBLOG}/source", json={"url": url})).status_code == 201
    assert problem(await live_site.editor.post(f"{LIVEBLOG}/source", json={"url": url}), 409)
    assert problem(await live_site.editor.post("/api/v1/liveblogs/none/source", json={"url": url}), 404)
    publisher = await live_site.client(await live_site.key("Autre", ["publish"]))
    assert problem(await publisher.get(f"{LIVEBLOG}/source"), 403)
    assert problem(await live_site.reader.delete(f"{LIVEBLOG}/source"), 401)
