"""`liveserver demo`: which key it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from liveserver.access.api_keys import ApiKeys, new_key
from liveserver.cli.commands.demo import OWNER, keep_or_make_key, sign_in_link
from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.rights import SCOPES, KeyRights, Role
from liveserver.domain.people.user import LinkKind, UserState
from liveserver.store import Store
from liveserver.store.repositories.people.users import UserChange
from liveserver.utils.tokens import digest_of
from tests.support.people_samples import a_session
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A database without keys."""
    store = await Store.open(f"sqlite:///{tmp_path}/live.db")
    yield store
    await store.close()


async def test_a_key_that_is_good_stays(store: Store, tmp_path: Path) -> None:
    """A shell that has exported it goes on using it after a restart."""
    key = await keep_or_make_key(store, tmp_path / "key")
    assert await keep_or_make_key(store, tmp_path / "key") == key
    assert (tmp_path / "key").read_text() == f"{key}\n"
    assert len(await store.keys.all()) == 1


@pytest.mark.parametrize("text", ["", "not a key", "\xff\n", "lv_abcdefghijkl_" + "A" * 43])
async def test_what_is_no_key_of_this_database_is_replaced(store: Store, tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_bytes(text.encode("latin-1"))
    key = await keep_or_make_key(store, tmp_path / "key")
    assert (tmp_path / "key").read_text() == f"{key}\n"
    actor = await ApiKeys(store).authenticate(f"Bearer {key}")
    assert actor is not None
    assert actor.rights == KeyRights("demo", frozenset(SCOPES))


async def test_a_revoked_key_is_replaced(store: Store, tmp_path: Path) -> None:
    key = await keep_or_make_key(store, tmp_path / "key")
    await store.keys.revoke(key.split("_")[1], now(), NEWSROOM)
    assert await keep_or_make_key(store, tmp_path / "key") != key


async def test_a_key_that_may_not_do_everything_is_replaced(store: Store, tmp_path: Path) -> None:
    stored_key, key = new_key("desk", ["publish"])
    await store.keys.add(stored_key, NEWSROOM)
    (tmp_path / "key").write_text(key)
    assert await keep_or_make_key(store, tmp_path / "key") != key
    assert await ApiKeys(store).authenticate(f"Bearer {key}"), "it is somebody's, and stays good"


async def test_a_lost_key_is_revoked(store: Store, tmp_path: Path) -> None:
    """As nobody has it any more; one key of the demo's is good at a time."""
    lost = await keep_or_make_key(store, tmp_path / "key")
    (tmp_path / "key").unlink()
    await keep_or_make_key(store, tmp_path / "key")
    with pytest.raises(Unauthorized):
        await ApiKeys(store).authenticate(f"Bearer {lost}")


async def test_a_file_that_cannot_be_written(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The server runs already: it goes on with a key that only the terminal shows."""
    (tmp_path / "key").mkdir()
    key = await keep_or_make_key(store, tmp_path / "key")
    assert await ApiKeys(store).authenticate(f"Bearer {key}")
    assert capsys.readouterr().err == (
        f"liveserver: can't write {tmp_path}/key: Is a directory; the key is shown here only\n"
    )


async def test_each_start_makes_a_link_that_signs_in(store: Store) -> None:
    """The earlier link is void, and the sessions that began with it go on. The owner is one again, and enabled."""
    first = digest_of(await sign_in_link(store))
    link, user = await store.credentials.link(first)
    assert (link.kind, user.name, user.role) == (LinkKind.SIGN_IN, OWNER, Role.OWNER)
    await store.credentials.join(first, None, "session", a_session(user))
    unused = digest_of(await sign_in_link(store))
    assert await store.sessions.find("session") is not None
    await store.users.edit(user.id, UserChange(role=Role.VIEWER, disabled=True), NEWSROOM, now())
    last = digest_of(await sign_in_link(store))
    with pytest.raises(Unauthorized):
        await store.credentials.link(unused)
    _, user = await store.credentials.link(last)
    assert (user.role, user.state) == (Role.OWNER, UserState.ACTIVE)
    await store.credentials.join(last, None, "another", a_session(user))
