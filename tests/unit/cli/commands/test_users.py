"""`liveserver users …`: which links it prints, and what it does to people."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest
from typer.testing import CliRunner

from liveserver.cli.app import app
from liveserver.domain.errors import Conflict, InvalidInput, NotFound, Unauthorized
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind, Membership, UserState
from liveserver.store import Store, migrate
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.credentials import Credential
from liveserver.utils.tokens import digest_of
from tests.support.people_samples import a_session
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from typer.testing import Result

T = TypeVar("T")


class Desk:
    """The commands, on a database of their own, as a newcomer runs them in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/live.db"

    def run(self, *arguments: str) -> Result:
        """Run `liveserver users …`; errors of ours are raised, as `cli/app.py: main` gets them."""
        command = ["users", *arguments, "--database", self.url]
        return CliRunner().invoke(app, command, catch_exceptions=False)

    def link(self, *arguments: str) -> str:
        """Run a command that prints a link, and nothing else on standard output."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        [line] = result.stdout.splitlines()
        return line

    def on_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        async def run() -> T:
            store = await Store.open(self.url)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def joined(self, name: str, role: str = "reporter") -> None:
        """Invite somebody, who joins."""
        digest = digest_of(self.link("invite", name, "--role", role).rpartition("#")[2])

        async def join(store: Store) -> None:
            _, user = await store.credentials.link(digest)
            await store.credentials.join(digest, Credential(password="hash"), digest_of(name), a_session(user))

        self.on_store(join)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in ("LIVESERVER_URL", "LIVESERVER_PUBLIC_URL", "LIVESERVER_PORT"):
        monkeypatch.delenv(name, raising=False)
    desk = Desk(tmp_path)
    asyncio.run(migrate(desk.url))
    return desk


def test_an_invitation(desk: Desk) -> None:
    """Prints the link alone on standard output. The link is good for 72 hours, and the database has only its hash."""
    link = desk.link("invite", " Ada  Lovelace ", "--role", "owner")
    address, _, token = link.partition("#")
    assert address == "http://localhost:8000/desk/join"
    assert len(token) == 43
    found, user = desk.on_store(lambda store: store.credentials.link(digest_of(token)))
    assert (found.kind, (found.expires_at - found.created_at).total_seconds()) == (LinkKind.JOIN, 72 * 3600)
    assert (user.name, user.role, user.state) == ("Ada  Lovelace", Role.OWNER, UserState.INVITED)
    acts, _ = desk.on_store(lambda store: store.acts.page(ActFilter(), limit=9))
    assert [(act.action, act.name) for act in acts] == [("user.invited", "command line")]
    assert token not in str(acts)
    with pytest.raises(Conflict, match="already a user"):
        desk.run("invite", "ADA LOVELACE", "--role", "viewer")


def test_an_invitation_to_one_live_blog(desk: Desk) -> None:
    """Gives no role on the whole site."""
    with pytest.raises(NotFound):
        desk.run("invite", "Bob", "--role", "editor", "--liveblog", "match")
    desk.on_store(lambda store: store.liveblogs.create(a_liveblog("match"), NEWSROOM))
    desk.link("invite", "Bob", "--role", "editor", "--liveblog", "match")
    user = desk.on_store(lambda store: store.users.find_by_name("bob"))
    assert (user.role, user.memberships) == (None, (Membership("match", Role.EDITOR),))


def test_a_bad_invitation_names_every_mistake(desk: Desk) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.run("invite", "a\nb", "--role", "boss", "--liveblog", "Not a slug")
    assert [error.pointer for error in caught.value.errors] == ["the name", "--role", "--liveblog"]


def test_the_address_in_the_link(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is the public URL; without one, what the other commands use, unless the command line has another port."""
    monkeypatch.setenv("LIVESERVER_URL", "http://localhost:8001/")
    assert desk.link("invite", "A", "--role", "viewer").startswith("http://localhost:8001/desk/join#")
    assert desk.link("reset", "A", "--port", "8901").startswith("http://localhost:8901/desk/join#")
    monkeypatch.setenv("LIVESERVER_PUBLIC_URL", "https://live.example.org")
    result = desk.run("reset", "A")
    assert result.stdout.startswith("https://live.example.org/desk/join#")
    assert "LIVESERVER_PUBLIC_URL" not in result.stderr


def test_the_list(desk: Desk) -> None:
    desk.joined("Ada", "owner")
    desk.on_store(lambda store: store.liveblogs.create(a_liveblog("match"), NEWSROOM))
    desk.link("invite", "Bob", "--role", "editor", "--liveblog", "match")
    assert desk.run("disable", "ada").stdout == "Ada is disabled: one session has ended\n"
    head, ada, bob = desk.run("list").stdout.splitlines()
    assert head.split() == ["NAME", "ROLE", "LIVE", "BLOGS", "STATE", "LAST", "SEEN"]
    assert ada.split()[:4] == ["Ada", "owner", "-", "disabled"]
    assert ada.split()[4] != "never", "although the session has ended"
    assert bob.split() == ["Bob", "none", "match:editor", "invited", "never"]


def test_roles(desk: Desk) -> None:
    desk.joined("Ada")
    desk.on_store(lambda store: store.liveblogs.create(a_liveblog("match"), NEWSROOM))
    for arguments, said in (
        (("editor",), "Ada is editor on the whole site"),
        (("none",), "Ada has no role on the whole site"),
        (("owner", "--liveblog", "match"), "Ada is owner on match"),
        (("none", "--liveblog", "match"), "Ada has no role on match"),
    ):
        assert desk.run("role", "ada", *arguments).stdout == f"{said}\n"
    desk.run("role", "Ada", "owner", "--liveblog", "match")
    lowered = desk.run("role", "Ada", "viewer")
    assert lowered.stdout == "Ada is viewer on the whole site\n"
    assert "Ada still has roles on single live blogs: match (owner)." in lowered.stderr
    assert desk.run("role", "Ada", "none", "--liveblog", "match").stderr == ""
    unknown = desk.run("role", "Ada", "boss")
    assert unknown.exit_code == 2
    assert "and none" in unknown.stderr
    with pytest.raises(NotFound):
        desk.run("role", "Eve", "editor")


def test_a_site_without_an_owner_is_told(desk: Desk) -> None:
    """The operator may take the last owner's role, or disable the last owner, and hears of it."""
    desk.joined("Ada", "owner")
    desk.joined("Bob", "owner")
    desk.link("invite", "Eve", "--role", "owner")
    told = "nobody who can sign in is an owner"
    assert told not in desk.run("role", "Ada", "editor").stderr
    assert told in desk.run("role", "Bob", "editor").stderr
    assert told not in desk.run("role", "Bob", "reporter").stderr
    assert told not in desk.run("role", "Ada", "owner").stderr
    assert told in desk.run("disable", "Ada").stderr


def test_a_name_that_is_taken(desk: Desk) -> None:
    """The refusal says what may help instead."""
    desk.link("invite", "Bob", "--role", "viewer")
    desk.joined("Ada")
    desk.joined("Eve")
    desk.run("disable", "Eve")
    for name, why in (("bob", "'Bob', who is invited: reset"), ("ADA", "'Ada'$"), ("eve", "'Eve', who is disabled")):
        with pytest.raises(Conflict, match=why):
            desk.run("invite", name, "--role", "viewer")


def test_somebody_who_leaves(desk: Desk) -> None:
    """Is signed out at once. Enabled again, they have the password that they had."""
    desk.joined("Ada")
    assert desk.on_store(lambda store: store.sessions.find(digest_of("Ada"))) is not None
    desk.run("disable", "Ada")
    assert desk.on_store(lambda store: store.sessions.find(digest_of("Ada"))) is None
    with pytest.raises(Conflict, match="enable the user first"):
        desk.run("reset", "Ada")
    assert desk.run("enable", "Ada").stdout == "Ada is enabled\n"
    assert desk.on_store(lambda store: store.credentials.password_of("Ada")) is not None


def test_somebody_who_never_joined_needs_a_new_link_after_all(desk: Desk) -> None:
    link = desk.link("invite", "Ada", "--role", "viewer")
    desk.run("disable", "Ada")
    assert "needs a new link" in desk.run("enable", "Ada").stderr
    with pytest.raises(Unauthorized):
        desk.on_store(lambda store: store.credentials.link(digest_of(link.rpartition("#")[2])))
    token = desk.link("reset", "Ada").rpartition("#")[2]
    assert desk.on_store(lambda store: store.credentials.link(digest_of(token)))[0].kind is LinkKind.JOIN


def test_a_reset(desk: Desk) -> None:
    """Voids the password and all sessions at once, and prints a link."""
    desk.joined("Ada")
    result = desk.run("reset", "ada")
    assert "The password and the passkeys of Ada are void: one session has ended" in result.stderr
    assert desk.on_store(lambda store: store.credentials.password_of("Ada")) is None
    assert desk.on_store(lambda store: store.sessions.find(digest_of("Ada"))) is None
    token = result.stdout.strip().rpartition("#")[2]
    assert desk.on_store(lambda store: store.credentials.link(digest_of(token)))[0].kind is LinkKind.RESET


def test_no_database_is_made_by_mistake(desk: Desk, tmp_path: Path) -> None:
    desk.url = desk.url.replace("live.db", "other.db")
    invitation = ("invite", "Ada", "--role", "owner")
    for arguments in (("list",), invitation, ("role", "A", "none"), ("disable", "A"), ("enable", "A"), ("reset", "A")):
        with pytest.raises(Exception, match="there is no database"):
            desk.run(*arguments)
    assert not (tmp_path / "other.db").exists()
