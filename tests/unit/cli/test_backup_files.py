"""Backup files: written whole or not at all, by nobody else to be read, and never over another by mistake."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from liveserver.cli import backup_files
from liveserver.cli.app import app
from liveserver.cli.backup_files import PIPE, restore_backup, write_backup
from liveserver.content.sanitiser import as_kept
from liveserver.domain.errors import BadBackup, Conflict, SettingsError
from liveserver.store import Store
from liveserver.store.backup.archive import Holdings
from liveserver.store.backup.restore import Restored
from liveserver.store.sqlite_file import locked
from tests.support.principals import NEWSROOM
from tests.support.review_samples import removal
from tests.support.store_samples import a_liveblog, an_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NOTHING = Holdings(0, 0, None)


async def fill(url: str) -> None:
    store = await Store.open(url)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    await store.entries.create("match", an_entry(), by=NEWSROOM)
    await store.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one live blog and one entry."""
    url = f"sqlite:///{tmp_path}/live.db"
    asyncio.run(fill(url))
    return url


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A database that isn't there yet."""
    return f"sqlite:///{tmp_path}/target.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the backup goes; nothing else is in its directory."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "backup.zip"


def test_there_and_back(url: str, target: str, path: Path) -> None:
    """Both say what there is; the file is its owner's alone, whatever the umask."""
    before = os.umask(0)
    told = write_backup(url, path, force=False)
    os.umask(before)
    holds = "1 live blog and 1 entry, last changed 2026-11-22 12:00:00 UTC."
    assert told == f"Backed up {url} to {path}: {holds}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert restore_backup(target, path, force=False) == f"Restored {target}: {holds}"
    assert restore_backup(target, path, force=True) == f"Restored {target}: {holds} Replaced: {holds}"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "{}/media"),
        ({"media_dir": "/srv/pictures"}, "/srv/pictures"),
        ({"media_url": "s3://pictures/live"}, "s3://pictures/live"),
    ],
)
def test_both_commands_say_where_the_pictures_are(
    url: str, path: Path, tmp_path: Path, settings: dict[str, str], place: str
) -> None:
    """They aren't in the file; somebody who keeps only that has lost them."""
    variables = {f"LIVESERVER_{name.upper()}": value for name, value in {**settings, "database_url": url}.items()}
    for command in (["backup", str(path)], ["restore", "--force", str(path)]):
        result = CliRunner().invoke(app, command, env=variables)
        line = result.stdout.splitlines()[-1]
        assert line.startswith("Pictures aren’t in the file: ")
        assert line.endswith((f" {place.format(tmp_path)}.", f" {place.format(tmp_path)}, too."))
    to_pipe = CliRunner().invoke(app, ["backup", "-"], env=variables)
    assert "Pictures aren’t" in to_pipe.stderr
    assert "Pictures aren’t".encode() not in to_pipe.stdout_bytes


def test_a_file_that_exists_is_replaced_on_demand_only(url: str, path: Path) -> None:
    """By a whole one, in one step; a link leads to it."""
    path.write_text("last year's")
    link = path.with_name("link.zip")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(Conflict, match=f"{path} exists already; --force replaces it"):
            write_backup(url, name, force=False)
    assert path.read_text() == "last year's"
    write_backup(url, link, force=True)
    assert link.is_symlink()
    assert path.read_bytes().startswith(b"PK")


def test_what_is_no_file_is_never_replaced(url: str, path: Path) -> None:
    """Not even by force: a device would be gone."""
    for place in (path.parent, path.with_name("pipe")):
        if not place.exists():
            os.mkfifo(place)
        with pytest.raises(Conflict, match="is no file"):
            write_backup(url, place, force=True)


@pytest.mark.parametrize("fault", ["disk", "interrupt"])
def test_a_backup_that_fails_leaves_nothing(url: str, path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Neither half a file nor a changed one."""
    path.write_text("last year's")

    async def fail(_address: str, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device") if fault == "disk" else KeyboardInterrupt

    monkeypatch.setattr(backup_files, "backup", fail)
    with pytest.raises((SettingsError, KeyboardInterrupt)) as caught:
        write_backup(url, path, force=True)
    if fault == "disk":
        assert str(caught.value) == f"can't write {path}: No space left on device"
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text() == "last year's"


def test_a_directory_that_is_missing(url: str, path: Path) -> None:
    """Said in one line."""
    missing = path.parent / "nowhere" / "backup.zip"
    with pytest.raises(SettingsError, match=f"can't write {missing}: No such file or directory"):
        write_backup(url, missing, force=False)


def test_a_database_that_is_missing_leaves_no_backup(target: str, path: Path) -> None:
    """Rather than an empty one, which looks like one."""
    with pytest.raises(SettingsError, match="there is no database"):
        write_backup(target, path, force=False)
    assert list(path.parent.iterdir()) == []


def test_through_a_pipe(url: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard output, and standard input: neither can be read twice."""
    receiver, sender = os.pipe()
    content = bytearray()

    def receive() -> None:
        with os.fdopen(receiver, "rb") as file:
            content.extend(file.read())

    thread = threading.Thread(target=receive)
    thread.start()
    with os.fdopen(sender, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        told = write_backup(url, PIPE, force=False)
    monkeypatch.undo()
    thread.join()
    assert told.startswith(f"Backed up {url} to standard output: 1 live blog")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(content))))
    assert restore_backup(target, PIPE, force=False).startswith(f"Restored {target}: 1 live blog")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(content[:-1]))))
    with pytest.raises(BadBackup):
        restore_backup(target, PIPE, force=True)


def test_a_terminal_gets_no_backup(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be unreadable, and do odd things."""
    parent, child = os.openpty()
    with os.fdopen(parent), os.fdopen(child, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        with pytest.raises(SettingsError, match="nothing for a terminal"):
            write_backup(url, PIPE, force=False)


def test_passwords_are_not_told(path: Path, postgres_url: str) -> None:
    """Of the database's address."""
    address = postgres_url.replace("liveserver@", "liveserver:secret@")
    for told in (write_backup(address, path, force=False), restore_backup(address, path, force=False)):
        assert "secret" not in told
        assert "liveserver:***@" in told


def test_entries_that_a_restore_erases_again_are_named(url: str, path: Path) -> None:
    """By live blog and id, each on a line, so that one can tell whether all is as it was."""

    async def erase() -> str:
        store = await Store.open(url)
        [entry] = (await store.entries.page("match", limit=9)).items
        await store.reviews.erase(removal(entry, NEWSROOM))
        await store.close()
        return entry.id

    write_backup(url, path, force=False)
    entry_id = asyncio.run(erase())
    first, *others = restore_backup(url, path, force=True).splitlines()
    assert first.startswith(f"Restored {url}: 1 live blog and 0 entries, ")
    assert others == ["Erased again, as the database says that they were erased:", f"match/{entry_id}"]


def test_a_file_that_a_server_has_is_not_restored_into(url: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And as long as it is restored into, no server starts on it."""
    write_backup(url, path, force=False)
    with locked(url, "busy"), pytest.raises(SettingsError, match=r"a server runs on sqlite:///.*: stop it"):
        restore_backup(url, path, force=True)

    async def restore(address: str, _path: Path, *, replace: bool, safe: Callable[[str], str]) -> Restored:
        assert safe is as_kept
        with pytest.raises(SettingsError, match="busy"), locked(address, "busy"):
            pass
        return Restored(NOTHING, NOTHING)

    monkeypatch.setattr(backup_files, "restore", restore)
    assert restore_backup(url, path, force=True) == f"Restored {url}: 0 live blogs and 0 entries."
