"""A desk's stream as use of its session: words count, silence doesn't."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.ids import now
from liveserver.newsroom.desk.upkeep import DeskUpkeep
from liveserver.protocol import close_codes
from liveserver.store import tables
from liveserver.store.repositories.people.sessions import IDLE
from tests.support.api.site import BASE, SLUG, database_away
from tests.support.desk_streams import desk_stream, signed_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.api.site import LiveSite
    from tests.support.desk_streams import DeskStreamClient, Editor

pytest_plugins = ["tests.support.api.fixtures"]

ENTRY = "0192c0de-0000-7000-8000-000000000001"


@pytest.fixture
async def ada(live_site: LiveSite) -> Editor:
    return await signed_in(live_site.parts.store, "Ada")


@pytest.fixture
async def stream(live_site: LiveSite, ada: Editor) -> AsyncIterator[DeskStreamClient]:
    """Ada's desk, which has been open for six hours."""
    async with desk_stream(live_site.url("", "ws"), ada, SLUG, origin=BASE) as stream:
        await stream.people(("Ada", None, "here"))
        await last_used(live_site, ada, timedelta(hours=6))
        yield stream


async def last_used(site: LiveSite, editor: Editor, ago: timedelta) -> None:
    """Let the session be as if it had been used last some time ago."""
    query = update(tables.sessions).where(tables.sessions.c.id == editor.session_id).values(seen_at=now() - ago)
    await site.parts.store.users._database.write(lambda connection: connection.execute(query))


async def seen_at(site: LiveSite, editor: Editor) -> datetime:
    found = await site.parts.store.sessions.find(editor.by.session or "")
    assert found is not None
    return found.seen_at


async def test_a_word_is_use_of_the_session_and_silence_is_none(
    live_site: LiveSite, ada: Editor, stream: DeskStreamClient
) -> None:
    """A word counts once; an open stream alone keeps no session."""
    use = DeskUpkeep(live_site.parts.store, live_site.parts.desk_rooms).note_use
    before = await seen_at(live_site, ada)
    await use()
    assert await seen_at(live_site, ada) == before
    await stream.say(ENTRY, "writing")
    await stream.people(("Ada", ENTRY, "writing"))
    said = now()
    await use()
    assert await seen_at(live_site, ada) >= said
    await last_used(live_site, ada, timedelta(hours=3))
    before = await seen_at(live_site, ada)
    await use()
    assert await seen_at(live_site, ada) == before


async def test_a_word_before_an_outage_counts_after_it(
    live_site: LiveSite, ada: Editor, stream: DeskStreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = DeskUpkeep(live_site.parts.store, live_site.parts.desk_rooms).note_use
    await stream.say(ENTRY)
    await stream.people(("Ada", ENTRY, "here"))
    with database_away(monkeypatch), pytest.raises(StoreUnavailable):
        await use()
    before = await seen_at(live_site, ada)
    await use()
    assert await seen_at(live_site, ada) > before


async def test_no_word_brings_a_session_back(live_site: LiveSite, ada: Editor, stream: DeskStreamClient) -> None:
    """Twelve hours after its last use a session is over, and its stream ends, whatever is said then."""
    await stream.say(ENTRY)
    await stream.people(("Ada", ENTRY, "here"))
    await last_used(live_site, ada, IDLE)
    await DeskUpkeep(live_site.parts.store, live_site.parts.desk_rooms).note_use()
    assert await live_site.parts.store.sessions.find(ada.by.session or "") is None
    live_site.parts.desk_rooms.check_sessions.set()
    assert await stream.end() == close_codes.CLOSE_SESSION_ENDED
