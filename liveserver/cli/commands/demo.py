"""`liveserver demo`: a server with a live blog in which entries are published while you look."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liveserver.cli.options import with_settings
from liveserver.cli.terminal import tell
from liveserver.domain.errors import NotFound, SettingsError, Unauthorized
from liveserver.domain.ids import new_user_id, now
from liveserver.domain.people.principal import COMMAND
from liveserver.domain.people.rights import SCOPES, KeyRights, Role
from liveserver.domain.people.user import LinkKind, User, UserState
from liveserver.settings import load
from liveserver.utils import private_files

if TYPE_CHECKING:
    from liveserver.http.container import Container
    from liveserver.store import Store


OWNER = "Demo"
"""The name of the user whom the demo makes."""

WELCOME = """
  A live blog is being written.

    Reader's page   {url}/live/{slug}
    Desk            {desk}
                    (signs in once; each start makes a new one)
    API             {url}/api/v1      (described at {url}/docs)
    API key         {key}
                    (also in {keyfile})

  Publish an entry of your own, and watch it arrive:

    curl {url}/api/v1/liveblogs/{slug}/entries \\
      -H "Authorization: Bearer $(cat {keyfile})" -H "Content-Type: application/json" \\
      -d '{{"heading": "Bonjour", "body": "<p>Publié à l’instant.</p>"}}'

  After about {minutes} min the story has been told: it is deleted, and begins again. Your own entries stay.
  Ctrl+C ends it.
"""


@with_settings(
    database_url="live.db in --dir",
    media_dir="media in --dir",
    media_url="none",
    redis_url="none",
    workers="always 1",
    log_level="warning",
)
def demo(
    flags: dict[str, Any],
    directory: Annotated[
        Path,
        typer.Option("--dir", help="Where the demo keeps its key, pictures, and database unless --database names one"),
    ] = Path("demo-data"),
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between entries")] = 6.0,
) -> None:
    """Run the server with a live blog that is being written while you look.

    The demo's database is live.db in --dir (demo-data/live.db), or the one that --database names. The environment and
    .env don't change that.
    """
    from liveserver.cli.demo.runner import Newsroom
    from liveserver.cli.demo.script import load as load_script
    from liveserver.server.serve import serve as run

    try:
        private_files.make_directories(directory)
    except OSError as error:
        raise SettingsError(f"can't make the directory {directory}: {error.strerror}") from None
    # Neither `.env` nor the environment may make the demo write into somebody's real database. An option may.
    own = {"database_url": f"sqlite:///{directory}/live.db", "redis_url": "", "log_level": "warning"}
    own |= {"media_dir": f"{directory}/media", "media_url": ""}
    # One server process only: each one would write the live blog.
    settings = load(**{**own, **flags, "workers": 1})
    script = load_script()

    async def write(parts: Container) -> None:
        newsroom = Newsroom(parts, script, interval=interval)
        # The live blog must exist before its address is printed. A new key revokes the earlier key. So the key is made
        # after this server got the port and the database: if an earlier demo server still ran, this server wouldn't
        # get them, and the earlier server would keep its key.
        await newsroom.open()
        key = await keep_or_make_key(parts.store, directory / "key")
        token = await sign_in_link(parts.store)
        typer.echo(
            WELCOME.format(
                url=parts.settings.base_url,
                slug=newsroom.slug,
                desk=f"{parts.settings.base_url}/desk/join#{token}",
                key=key,
                keyfile=directory / "key",
                minutes=max(1, round(newsroom.seconds / 60)),
            )
        )
        await newsroom.run()

    run(settings, beside=write)
    typer.echo("The demo has ended.")


async def sign_in_link(store: Store) -> str:
    """Make the demo's owner, unless there is one, and return the token of a link that signs in as this owner.

    Earlier links of the demo are void. Its sessions go on.
    """
    from liveserver.access.people.sign_in import new_link
    from liveserver.store.repositories.people.users import NewUser, UserChange

    at = now()
    try:
        user = await store.users.find_by_name(OWNER)
    except NotFound:
        user = User(new_user_id(), OWNER, Role.OWNER, UserState.INVITED, at, at, 1)
        token, link = new_link(user.id, LinkKind.SIGN_IN, at)
        await store.users.invite(NewUser(user, token.digest, link), COMMAND)
        return token.token
    # Somebody who tried the commands may have taken the role away, or disabled the user.
    await store.users.edit(user.id, UserChange(role=Role.OWNER, disabled=False), COMMAND, at)
    token, link = new_link(user.id, LinkKind.SIGN_IN, at)
    await store.credentials.offer_sign_in(user.id, token.digest, link, COMMAND)
    return token.token


async def keep_or_make_key(store: Store, path: Path) -> str:
    """Return the API key in the file at `path`, if it has all scopes for all live blogs; otherwise a new such key.

    A new key is written to the file. It revokes the demo's earlier keys, as nobody has their secrets any more. It would
    revoke the key of another demo server on this database, too. If the file can't be written, a message says so, and
    the new key is returned all the same.
    """
    from liveserver.access.api_keys import ApiKeys, new_key

    key = _read(path)
    with suppress(Unauthorized):
        actor = await ApiKeys(store).authenticate(f"Bearer {key}")
        if actor is not None and actor.rights == KeyRights("demo", frozenset(SCOPES)):
            private_files.tighten(path)
            return key
    stored_key, key = new_key("demo", SCOPES)
    for earlier_key in await store.keys.all():
        if earlier_key.name == "demo" and earlier_key.revoked_at is None:
            await store.keys.revoke(earlier_key.id, now(), COMMAND)
    await store.keys.add(stored_key, COMMAND)
    try:
        with private_files.write_to(path) as file:
            file.write(f"{key}\n".encode())
    except OSError as error:
        tell(f"can't write {path}: {error.strerror}; the key is shown here only")
    return key


def _read(path: Path) -> str:
    """Return the text of a file, which should be an API key. Return an empty text if the file can't be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
