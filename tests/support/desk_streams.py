"""Editors who are signed in, and the desk streams that they read."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.rights import Role
from liveserver.store.repositories.people.credentials import Credential
from liveserver.utils.tokens import digest_of, new_token
from tests.support.people_samples import a_session, a_user, invited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from liveserver.domain.people.user import Membership
    from liveserver.store import Store

PATIENCE = 10.0
"""Seconds within which anything that is awaited must come."""


class Editor(NamedTuple):
    """Somebody who is signed in."""

    by: Principal
    token: str
    session_id: str

    def headers(self, origin: str) -> dict[str, str]:
        """The headers of a handshake, from a page of this origin."""
        name = "__Host-liveserver" if origin.startswith("https://") else "liveserver"
        return {"Cookie": f"{name}={self.token}", "Origin": origin}


async def signed_in(store: Store, name: str, role: Role | None = Role.EDITOR, *memberships: Membership) -> Editor:
    """A new user with a session."""
    user = a_user(name, role, *memberships)
    await invited(store, user, f"link {user.id}")
    token, session = new_token(), a_session(user)
    await store.credentials.join(digest_of(f"link {user.id}"), Credential(password="hash"), token.digest, session)
    return Editor(Principal(PrincipalKind.USER, user.id, name, token.digest), token.token, session.id)


@asynccontextmanager
async def desk_stream(
    url: str, editor: Editor, slug: str, *, origin: str, query: str = "", **more: Any
) -> AsyncIterator[DeskStreamClient]:
    """A desk stream of an editor. `url`: the server's, with the scheme ws."""
    path = f"{url}/desk/api/v1/liveblogs/{slug}/stream{query}"
    async with connect(path, additional_headers=editor.headers(origin), **more) as connection:
        yield DeskStreamClient(connection)


class DeskStreamClient:
    """The editor's end of a desk stream."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def next(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE):
            message: dict[str, Any] = orjson.loads(await self.connection.recv())
        return message

    async def until(
        self, kind: str, check: Callable[[dict[str, Any]], Any] = bool, *, seconds: float = PATIENCE
    ) -> Any:
        """The first message of that type for which `check` holds."""
        async with asyncio.timeout(seconds):
            while True:
                message: dict[str, Any] = orjson.loads(await self.connection.recv())
                if message["type"] == kind and check(message):
                    return message

    async def people(self, *expected: tuple[str, str | None, str], seconds: float = PATIENCE) -> None:
        """Return once these people are there: each a name, an entry, and a state."""
        wanted = sorted(expected, key=str)

        def there(message: dict[str, Any]) -> bool:
            return sorted(((p["name"], p["entry"], p["state"]) for p in message["people"]), key=str) == wanted

        await self.until("presence", there, seconds=seconds)

    async def say(self, entry: str | None, state: str = "here") -> None:
        """Say where the editor is."""
        await self.connection.send(orjson.dumps({"type": "presence", "entry": entry, "state": state}).decode())

    async def end(self, *, seconds: float = PATIENCE) -> int:
        """The code with which the server closes, whatever comes before it."""

        async def read_on() -> None:
            while True:
                await self.connection.recv()

        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(read_on(), seconds)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code
