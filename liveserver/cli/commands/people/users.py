"""`liveserver users …`: invites people to the desk, lists them, changes their roles, and helps them when they leave or
lose what they sign in with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from liveserver.cli.commands.serve import OF_LINKS
from liveserver.cli.options import with_settings
from liveserver.cli.store_access import on_store
from liveserver.cli.terminal import fail, print_table, tell
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.ids import new_user_id, now
from liveserver.domain.people.principal import COMMAND
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind, Membership, User, UserState
from liveserver.protocol.json_encoding import timestamp
from liveserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from liveserver.store import Store

T = TypeVar("T")

app = typer.Typer(
    help="Invite people to the desk, change their roles, disable and reset them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ROLES = ", ".join(role.value for role in reversed(Role))
NO_OWNER = "nobody who can sign in is an owner of the whole site now: liveserver users role NAME owner"
OPTION_OF = {"/name": "the name", "/role": "--role", "/liveblog": "--liveblog"}
"""The names of an invitation's fields on the command line, by the field's JSON pointer in the API."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name with which the person signs in")]
Slug = Annotated[str | None, typer.Option("--liveblog", metavar="SLUG", help="A role on this live blog only")]


@app.command("invite")
@with_settings(*OF_LINKS)
def users_invite(
    settings: Settings,
    name: Name,
    role: Annotated[str, typer.Option(help=f"What the person may do: {ROLES}")],
    liveblog: Slug = None,
) -> None:
    """Invite somebody, and print the link by which they join. It can be used once, and can't be shown again.

    With --liveblog, the role is for that live blog, and there is none for the whole site.
    """
    from liveserver.access.people.sign_in import new_link
    from liveserver.domain.inputs.parsing import parse
    from liveserver.domain.inputs.people import InvitationInput
    from liveserver.store.repositories.people.users import NewUser

    try:
        invited = parse(InvitationInput, {"name": name, "role": role, "liveblog": liveblog})
    except InvalidInput as error:
        raise InvalidInput([FieldError(OPTION_OF.get(each, each), detail) for each, detail in error.errors]) from None
    at = now()
    memberships = () if liveblog is None else (Membership(liveblog, invited.role),)
    site_role = invited.role if liveblog is None else None
    user = User(new_user_id(), invited.name, site_role, UserState.INVITED, at, at, 1, memberships)
    token, link = new_link(user.id, LinkKind.JOIN, at)
    on_store(settings, lambda store: store.users.invite(NewUser(user, token.digest, link), COMMAND))
    _print_link(settings, token.token, f"A link for {user.name} to join")


@app.command("list")
@with_settings("database_url")
def users_list(settings: Settings) -> None:
    """List all users, disabled ones, too."""

    async def read(store: Store) -> tuple[list[User], dict[str, datetime]]:
        return await store.users.all(), await store.sessions.last_seen()

    users, seen = on_store(settings, read)
    rows = [("NAME", "ROLE", "LIVE BLOGS", "STATE", "LAST SEEN")]
    rows += [
        (
            user.name,
            user.role.value if user.role else "none",
            " ".join(f"{slug}:{role.value}" for slug, role in user.memberships) or "-",
            user.state.value,
            timestamp(seen[user.id]) if user.id in seen else "never",
        )
        for user in users
    ]
    print_table(rows)


@app.command("role")
@with_settings("database_url")
def users_role(
    settings: Settings,
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=f"{ROLES}, or none")],
    liveblog: Slug = None,
) -> None:
    """Give somebody another role, or none, on the whole site. With --liveblog, give one on that live blog only."""
    from liveserver.store.repositories.people.users import UserChange

    chosen = None if role == "none" else _role(role)

    async def change(store: Store, user: User) -> tuple[User, bool]:
        if liveblog is not None:
            return await store.users.set_membership(liveblog, user.id, chosen, COMMAND, now()), False
        wanted = UserChange(role=chosen, no_role=chosen is None)
        changed = (await store.users.edit(user.id, wanted, COMMAND, now()))[0]
        return changed, user.role is Role.OWNER and not await _has_owner(store)

    user, was_last = _on_user(settings, name, change)
    where = "on the whole site" if liveblog is None else f"on {liveblog}"
    typer.echo(f"{user.name} is {chosen.value} {where}" if chosen else f"{user.name} has no role {where}")
    if liveblog is None and user.memberships:
        remaining = ", ".join(f"{slug} ({each.value})" for slug, each in user.memberships)
        tell(f"{user.name} still has roles on single live blogs: {remaining}. Change them with --liveblog SLUG.")
    if was_last:
        tell(NO_OWNER)


@app.command("disable")
@with_settings("database_url")
def users_disable(settings: Settings, name: Name) -> None:
    """Sign somebody out everywhere, and let them sign in no more. What they wrote stays."""
    from liveserver.store.repositories.people.users import UserChange

    async def disable(store: Store, user: User) -> tuple[str, int, bool]:
        user, ended = await store.users.edit(user.id, UserChange(disabled=True), COMMAND, now())
        return user.name, len(ended), user.role is Role.OWNER and not await _has_owner(store)

    name, ended, was_last = _on_user(settings, name, disable)
    typer.echo(f"{name} is disabled{_sessions(ended)}")
    if was_last:
        tell(NO_OWNER)


@app.command("enable")
@with_settings("database_url")
def users_enable(settings: Settings, name: Name) -> None:
    """Let somebody who was disabled sign in again, with the password or passkey that they had."""
    from liveserver.store.repositories.people.users import UserChange

    async def enable(store: Store, user: User) -> User:
        return (await store.users.edit(user.id, UserChange(disabled=False), COMMAND, now()))[0]

    user = _on_user(settings, name, enable)
    typer.echo(f"{user.name} is enabled")
    if user.state is UserState.INVITED:
        tell(f"{user.name} hasn't joined, and needs a new link: liveserver users reset")


@app.command("reset")
@with_settings(*OF_LINKS)
def users_reset(settings: Settings, name: Name) -> None:
    """Void somebody's password and passkeys, sign them out everywhere, and print a link to set new ones.

    It serves those whose invitation was lost or has expired, too.
    """
    from liveserver.access.people.sign_in import new_link

    async def reset(store: Store, user: User) -> tuple[str, str, int]:
        kind = LinkKind.JOIN if user.state is UserState.INVITED else LinkKind.RESET
        token, link = new_link(user.id, kind, now())
        _, ended = await store.credentials.reset(user.id, token.digest, link, COMMAND)
        return token.token, user.name, len(ended)

    token, name, ended = _on_user(settings, name, reset)
    typer.echo(f"The password and the passkeys of {name} are void{_sessions(ended)}", err=True)
    _print_link(settings, token, "A link for new ones")


async def _has_owner(store: Store) -> bool:
    """Return True if somebody who can sign in is an owner of the whole site."""
    return any(user.role is Role.OWNER and user.state is UserState.ACTIVE for user in await store.users.all())


def _role(text: str) -> Role:
    if text not in set(Role):
        fail(f"unknown role {text}: there are {ROLES}, and none", 2)
    return Role(text)


def _on_user(settings: Settings, name: str, work: Callable[[Store, User], Awaitable[T]]) -> T:
    """Run `work` with the store and the user of this name, and return its result. Raises NotFound."""

    async def run(store: Store) -> T:
        return await work(store, await store.users.find_by_name(name))

    return on_store(settings, run)


def _sessions(count: int) -> str:
    return "" if count == 0 else ": one session has ended" if count == 1 else f": {count} sessions have ended"


def _print_link(settings: Settings, token: str, title: str) -> None:
    from liveserver.access.people.sign_in import LINK_TIME

    hours = int(LINK_TIME.total_seconds() // 3600)
    typer.echo(f"{title}, once, within {hours} hours, shown this once:", err=True)
    typer.echo(f"{_address(settings)}/desk/join#{token}")
    if not settings.public_url:
        typer.echo("If people reach the server by another address, set LIVESERVER_PUBLIC_URL (--public-url).", err=True)


def _address(settings: Settings) -> str:
    """Return the server's address: the public URL, else LIVESERVER_URL, else an address made of host and port.

    LIVESERVER_URL is the address at which the other commands look for the server. It is read only if host and port are
    the defaults.
    """
    fields = Settings.model_fields
    usual = (settings.host, settings.port) == (fields["host"].default, fields["port"].default)
    told = os.environ.get("LIVESERVER_URL")
    return told.rstrip("/") if told and usual and not settings.public_url else settings.base_url
