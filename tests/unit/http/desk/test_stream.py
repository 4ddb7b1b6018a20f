"""The desk's stream on a real server: what it tells, who gets it, and when it ends."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import Membership
from liveserver.newsroom.desk import rooms, upkeep
from liveserver.newsroom.desk.upkeep import DeskUpkeep
from liveserver.protocol import close_codes
from liveserver.store.repositories.people.users import UserChange
from tests.support.api.site import BASE, ENTRIES, OURS, SLUG, STOCK, Stack, database_away, serving, settled
from tests.support.api.streams import websocket
from tests.support.desk_streams import DeskStreamClient, Editor, desk_stream, signed_in
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from liveserver.settings import Settings
    from tests.support.api.site import LiveSite

ENTRY = "0192c0de-0000-7000-8000-000000000001"
OVER = 2.0
"""Seconds within which a stream ends after its session."""


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Streams that were handed over, and streams behind ASGI's `send`: they get the same."""
    chosen: Stack = request.param
    return chosen


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions are checked, and figures told, more often than once a second."""
    monkeypatch.setattr(upkeep, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(upkeep, "REFRESH_SECONDS", 0.05)


def at_desk(
    site: LiveSite, editor: Editor, *, slug: str = SLUG, **more: Any
) -> AbstractAsyncContextManager[DeskStreamClient]:
    """A desk stream of the site."""
    return desk_stream(site.url("", "ws"), editor, slug, **{"origin": BASE, **more})


async def refused(site: LiveSite, editor: Editor, **more: Any) -> int:
    """The status with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as error:
        async with at_desk(site, editor, **more):
            pass
    return error.value.response.status_code


# What a stream is told


async def test_hello_says_who_and_where(live_site: LiveSite) -> None:
    """Then come the people, the figures, and the public changes in readers' words."""
    ada = await signed_in(live_site.parts.store, "Ada")
    epoch = (await live_site.position()).partition("-")[0]
    async with at_desk(live_site, ada) as stream:
        assert await stream.next() == {
            "type": "hello",
            "you": {"user": ada.by.id, "name": "Ada"},
            "liveblog": SLUG,
            "board": await live_site.parts.store.liveblogs.board_tag(SLUG),
            "epoch": epoch,
            "seq": 0,
            "resumed": False,
            "heartbeat": 300,
        }
        await stream.people(("Ada", None, "here"))
        assert await stream.until("figures") == {"type": "figures", "viewers": 0, "by": {}}
        entry = await live_site.publish()
        assert await stream.until("entry") == {"type": "entry", "seq": 1, "entry": entry}


async def test_a_stream_goes_on_from_its_position(live_site: LiveSite) -> None:
    ada = await signed_in(live_site.parts.store, "Ada")
    position = await live_site.position()
    entry = await live_site.publish()
    async with at_desk(live_site, ada, query=f"?after={position}") as stream:
        assert (await stream.next())["resumed"] is True
        assert await stream.until("entry") == {"type": "entry", "seq": 1, "entry": entry}


async def test_hints_tell_of_unpublished_work_without_its_text(live_site: LiveSite) -> None:
    """Created, edited, scheduled, deleted; what readers see comes as they see it, and not twice."""
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada) as stream:
        # Before its `hello` a stream isn't told of work, but of the board's tag afterwards.
        await stream.next()
        draft = await live_site.publish(status="draft")
        hint = await stream.until("work")
        assert hint["by"].pop("id")
        assert hint == {
            "type": "work",
            "id": draft["id"],
            "version": 1,
            "status": "draft",
            "by": {"kind": "key", "name": "Rédaction"},
        }
        edited = await live_site.edit(draft, body="<p>Autre</p>")
        due = {"status": "scheduled", "publish_at": "2999-01-01T00:00:00Z"}
        scheduled = await live_site.edit(edited, **due)
        await live_site.delete(scheduled)
        told = [await stream.until("work") for _ in range(3)]
        assert [(hint["version"], hint["status"]) for hint in told] == [(2, "draft"), (3, "scheduled"), (4, "deleted")]
        shown = await live_site.publish()
        await live_site.delete(shown)
        kinds: list[str] = []
        while kinds[-1:] != ["delete"]:
            kinds.append((await stream.next())["type"])
        assert [kind for kind in kinds if kind in {"work", "entry", "delete"}] == ["entry", "delete"]


async def test_the_board_has_another_tag_after_every_change(live_site: LiveSite) -> None:
    tags = live_site.parts.store.liveblogs
    seen = [await tags.board_tag(SLUG)]
    draft = await live_site.publish(status="draft")
    seen.append(await tags.board_tag(SLUG))
    edited = await live_site.edit(draft, heading="Autre")
    seen.append(await tags.board_tag(SLUG))
    await live_site.delete(edited)
    seen.append(await tags.board_tag(SLUG))
    await live_site.open_liveblog("port")
    seen.append(await tags.board_tag(SLUG))
    assert len(set(seen)) == 4
    assert seen[-1] == seen[-2]


async def test_the_boards_tag_is_told_again_and_again(live_site: LiveSite) -> None:
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        running = asyncio.create_task(
            DeskUpkeep(live_site.parts.store, live_site.parts.desk_rooms, board_seconds=0.01).run()
        )
        tag = await live_site.parts.store.liveblogs.board_tag(SLUG)
        assert await stream.until("board") == {"type": "board", "board": tag}
        assert await stream.until("board") == {"type": "board", "board": tag}
        running.cancel()


async def test_people_see_each_other_come_write_and_go(live_site: LiveSite) -> None:
    ada, bo = [await signed_in(live_site.parts.store, name) for name in ("Ada", "Bo")]
    async with at_desk(live_site, ada) as one:
        async with at_desk(live_site, bo) as two:
            await one.people(("Ada", None, "here"), ("Bo", None, "here"))
            await two.say(ENTRY, "writing")
            await one.people(("Ada", None, "here"), ("Bo", ENTRY, "writing"))
            await two.people(("Ada", None, "here"), ("Bo", ENTRY, "writing"))
        await one.people(("Ada", None, "here"))


async def test_figures_count_readers_only(live_site: LiveSite) -> None:
    """Editors are in none: not in these, not in readers' heartbeats, not in takedowns or metrics."""
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada) as stream:
        assert (await stream.until("figures"))["viewers"] == 0
        async with websocket(live_site) as reader:
            await reader.next()
            assert await stream.until("figures") == {"type": "figures", "viewers": 1, "by": {"": 1}}
            assert live_site.parts.hub.count(SLUG) == live_site.parts.hub.count_everywhere(SLUG) == 1
            metrics = (await live_site.reader.get("/metrics")).text
            assert f'liveserver_viewers{{liveblog="{SLUG}"}} 1.0' in metrics
            assert f'liveserver_desk_streams{{liveblog="{SLUG}"}} 1.0' in metrics
        assert (await stream.until("figures"))["viewers"] == 0


async def test_a_takedown_is_told_as_it_goes_on(live_site: LiveSite) -> None:
    """Readers are asked, and editors are not."""
    ada = await signed_in(live_site.parts.store, "Ada")
    entry = await live_site.publish()
    async with at_desk(live_site, ada) as stream, websocket(live_site) as reader:
        await reader.next()
        await live_site.editor.delete(f"{ENTRIES}/{entry['id']}?confirm=true")
        first = await stream.until("takedown")
        assert (first["entry_id"], first["asked"], first["waiting"]) == (entry["id"], 1, 1)
        await reader.connection.send(f'{{"type":"gone","id":"{entry["id"]}","had":true}}')
        assert (await stream.until("takedown", lambda message: message["confirmed"]))["waiting"] == 0


async def test_notes_are_hinted_at(live_site: LiveSite) -> None:
    """To everybody who is at work there; without their text."""
    ada, entry = await signed_in(live_site.parts.store, "Ada"), await live_site.publish()
    client = await live_site.client()
    client.headers.update(ada.headers(BASE))
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        added = await client.post(f"/desk{ENTRIES}/{entry['id']}/notes", json={"text": "Deux sources ?"})
        hint = await stream.until("note")
        assert (hint["id"], hint["note"]) == (entry["id"], added.json()["id"])
        assert "sources" not in str(hint)


# Who gets it


async def test_a_page_of_another_site_is_refused_before_it_opens(live_site: LiveSite) -> None:
    """Though the browser sends it with our cookie."""
    ada = await signed_in(live_site.parts.store, "Ada")
    assert await refused(live_site, ada, origin="http://evil.test") == 403
    path = live_site.url(f"/desk/api/v1/liveblogs/{SLUG}/stream", "ws")
    cookie = {"Cookie": ada.headers(BASE)["Cookie"]}
    for site in ("cross-site", "same-site", "none"):
        with pytest.raises(InvalidStatus):
            await connect(path, additional_headers={**cookie, "Origin": BASE, "Sec-Fetch-Site": site})
    with pytest.raises(InvalidStatus):
        await connect(path, additional_headers=cookie)
    async with connect(path, additional_headers={**cookie, "Sec-Fetch-Site": "same-origin"}):
        pass


async def test_only_editors_of_the_live_blog_get_it(live_site: LiveSite) -> None:
    """401 without a session, 403 without a role."""
    store = live_site.parts.store
    await live_site.open_liveblog("port")
    ada = await signed_in(store, "Ada", None, Membership("port", Role.VIEWER))
    assert await refused(live_site, ada) == 403
    assert await refused(live_site, ada._replace(token="x" * 43)) == 401
    async with at_desk(live_site, ada, slug="port") as stream:
        assert (await stream.next())["liveblog"] == "port"


async def test_an_api_key_opens_no_desk_stream(live_site: LiveSite) -> None:
    key = await live_site.key("Rédaction", ["publish", "manage"])
    with pytest.raises(InvalidStatus) as error:
        await connect(
            live_site.url(f"/desk/api/v1/liveblogs/{SLUG}/stream", "ws"),
            additional_headers={"Authorization": f"Bearer {key}", "Origin": BASE},
        )
    assert error.value.response.status_code == 401


async def test_there_is_no_stream_of_an_unknown_live_blog(live_site: LiveSite) -> None:
    """And nothing is kept of it."""
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada, slug="rien") as stream:
        assert await stream.end() == close_codes.CLOSE_NO_SUCH_LIVEBLOG
    await settled(lambda: _true(live_site.parts.desk_rooms.counts() == {}))


async def _true(value: bool) -> bool:
    return value


async def test_a_get_without_an_upgrade_is_told_so(live_site: LiveSite) -> None:
    async with httpx2.AsyncClient() as client:
        response = await client.get(live_site.url(f"/desk/api/v1/liveblogs/{SLUG}/stream"))
    assert response.status_code == 426


async def test_one_person_has_only_so_many_streams(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "STREAMS_OF_USER_MAX", 2)
    monkeypatch.setattr(rooms, "STREAMS_MAX", 3)
    ada, bo, cy = [await signed_in(live_site.parts.store, name) for name in ("Ada", "Bo", "Cy")]
    async with AsyncExitStack() as streams:
        for editor in (ada, ada, bo):
            await (await streams.enter_async_context(at_desk(live_site, editor))).next()
        assert await refused(live_site, ada) == 429
        assert await refused(live_site, cy) == 429
    await settled(lambda: _true(live_site.parts.desk_rooms.counts() == {}))
    async with at_desk(live_site, cy) as stream:
        await stream.next()


# When it ends


async def ended(stream: DeskStreamClient) -> int:
    """The code with which a stream ends, and in time."""
    return await stream.end(seconds=OVER)


async def test_a_stream_ends_with_its_session(live_site: LiveSite) -> None:
    """And no other one: not that of the same person's other session."""
    store = live_site.parts.store
    ada, bo = [await signed_in(store, name) for name in ("Ada", "Bo")]
    async with at_desk(live_site, ada) as one, at_desk(live_site, bo) as two:
        await two.people(("Ada", None, "here"), ("Bo", None, "here"))
        await store.sessions.end(ada.session_id, ada.by, now())
        assert await ended(one) == close_codes.CLOSE_SESSION_ENDED == 4501
        await two.people(("Bo", None, "here"))
    assert await refused(live_site, ada) == 401


async def test_a_stream_ends_when_the_role_is_taken(live_site: LiveSite) -> None:
    store = live_site.parts.store
    ada = await signed_in(store, "Ada", None, Membership(SLUG, Role.REPORTER))
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        await store.users.set_membership(SLUG, ada.by.id, None, NEWSROOM, now())
        assert await ended(stream) == close_codes.CLOSE_NOT_ADMITTED


async def test_a_stream_ends_when_the_user_is_disabled(live_site: LiveSite) -> None:
    store = live_site.parts.store
    ada = await signed_in(store, "Ada")
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        await store.users.edit(ada.by.id, UserChange(disabled=True), NEWSROOM, now(), version=None)
        assert await ended(stream) == close_codes.CLOSE_SESSION_ENDED


async def test_signing_out_ends_the_streams_here_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHECK_SECONDS", 300.0)
    async with serving(settings) as site:
        ada = await signed_in(site.parts.store, "Ada")
        async with at_desk(site, ada) as stream:
            await stream.next()
            async with httpx2.AsyncClient(headers=ada.headers(BASE)) as client:
                response = await client.delete(site.url("/desk/api/v1/session"))
            assert response.status_code == 204, response.text
            assert await ended(stream) == close_codes.CLOSE_SESSION_ENDED


async def test_nothing_ends_while_the_store_is_away(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing of any session; what ended meanwhile is seen when it is back."""
    store, parts = live_site.parts.store, live_site.parts
    ada = await signed_in(store, "Ada")
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        await store.sessions.end(ada.session_id, ada.by, now())
        with database_away(monkeypatch):
            with pytest.raises(StoreUnavailable):
                await DeskUpkeep(store, parts.desk_rooms).check()
            parts.desk_rooms.tell(SLUG, b'{"type":"note"}')
            await stream.until("note")
            assert len(parts.desk_rooms.streams()) == 1
        assert await ended(stream) == close_codes.CLOSE_SESSION_ENDED


@pytest.mark.parametrize("word", ["presence", '{"type":"presence","entry":null,"state":"asleep"}'])
async def test_a_stream_on_which_something_else_is_said_is_ended(live_site: LiveSite, word: str) -> None:
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        await stream.connection.send(word)
        assert await stream.end() == close_codes.CLOSE_TOO_TALKATIVE


async def test_a_stream_on_which_too_much_is_said_is_ended(live_site: LiveSite) -> None:
    """As a viewer is."""
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        for _ in range(40):
            await stream.say(None)
        assert await stream.end() == close_codes.CLOSE_TOO_TALKATIVE
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        await stream.connection.send("x" * 600)
        assert await stream.end() == close_codes.CLOSE_TOO_BIG


async def test_desk_streams_leave_when_the_server_ends(live_site: LiveSite) -> None:
    """As viewers do: told before, and then closed."""
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada) as stream:
        await stream.next()
        live_site.server.handle_exit(2, None)
        await stream.until("reconnect", lambda _: True)
        assert await stream.end() == close_codes.CLOSE_RESTART


# Slow editors


async def fill(site: LiveSite, enough: Callable[[], bool]) -> None:
    """Tell the streams, which nobody reads, more and more until it is enough; of what hardly shrinks when deflated."""
    noise = secrets.token_hex(50_000).encode()
    async with asyncio.timeout(30):
        while not enough():
            site.parts.desk_rooms.tell(SLUG, b'{"type":"note","padding":"%s"}' % noise)
            await asyncio.sleep(0)


async def test_a_stream_that_lagged_is_told_of_the_board(live_site: LiveSite) -> None:
    """It missed hints; the tag tells whether it has to fetch anything."""
    ada = await signed_in(live_site.parts.store, "Ada")
    async with at_desk(live_site, ada, max_size=None) as stream:
        await stream.until("figures")
        [slow] = live_site.parts.desk_rooms.streams()
        await fill(live_site, lambda: slow.missed)
        tag = await live_site.parts.store.liveblogs.board_tag(SLUG)
        assert await stream.until("board") == {"type": "board", "board": tag}
        await live_site.publish(status="draft")
        assert (await stream.until("work"))["status"] == "draft"


@pytest.mark.slow
async def test_a_stream_that_is_never_read_is_closed(settings: Settings, stack: Stack) -> None:
    """As a viewer is; others see the editor go, and readers notice nothing."""
    quick = settings.model_copy(update={"poll": 0.1, "lag_timeout": 0.2, "heartbeat": 1})
    async with serving(quick, stack) as site:
        ada, bo = [await signed_in(site.parts.store, name) for name in ("Ada", "Bo")]
        async with at_desk(site, ada, max_size=None, close_timeout=0), websocket(site, max_size=None) as reader:
            await reader.next()
            await settled(lambda: _true(bool(site.parts.desk_rooms.streams())))
            await fill(site, lambda: site.parts.desk_rooms.counts() == {})
            async with at_desk(site, bo) as other:
                await other.people(("Bo", None, "here"))
            await site.publish()
            while (await reader.next())["type"] != "entry":
                pass
