"""Files that are nobody else's to read, whatever the umask; and which of liveserver's are."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from typing import TYPE_CHECKING

import pytest

from liveserver.cli.backup_files import restore_backup, write_backup
from liveserver.cli.commands.demo import keep_or_make_key
from liveserver.content.media.directory_storage import DirectoryStorage
from liveserver.store import Store, sqlite_file
from liveserver.store.sqlite_file import locked
from liveserver.utils import private_files
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=[0o000, 0o022], ids=["umask 0", "umask 022"], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(directory: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in directory.iterdir()}


async def test_an_sqlite_file_and_what_is_beside_it(tmp_path: Path) -> None:
    """While it is used, with a WAL that has something in it."""
    url = f"sqlite:///{tmp_path}/live.db"
    with locked(url, "taken"):
        store = await Store.open(url)
        await store.liveblogs.create(a_liveblog(), NEWSROOM)
        assert modes(tmp_path) == dict.fromkeys(("live.db", "live.db-wal", "live.db-shm", "live.db.lock"), 0o600)
        await store.close()
    assert set(modes(tmp_path).values()) == {0o600}


async def test_there_is_no_moment_in_which_others_could_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When SQLite opens a new file for the first time, it is there, and is its owner's."""
    url, seen = f"sqlite:///{tmp_path}/live.db", list[dict[str, int]]()
    keep_private = sqlite_file.keep_private

    def watched(path: Path) -> None:
        keep_private(path)
        seen.append(modes(tmp_path))

    monkeypatch.setattr("liveserver.store.sqlite_file.keep_private", watched)
    await (await Store.open(url)).close()
    assert seen[0] == {"live.db": 0o600}


async def test_a_file_that_others_could_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Is tightened when it is opened, with what is beside it, which the log says once."""
    url, path = f"sqlite:///{tmp_path}/live.db", tmp_path / "live.db"
    first = await Store.open(url)
    await first.liveblogs.create(a_liveblog(), NEWSROOM)
    for name in modes(tmp_path):
        (tmp_path / name).chmod(0o644)
    caplog.set_level(logging.INFO, "liveserver")
    for _ in range(2):
        await (await Store.open(url)).close()
    assert set(modes(tmp_path).values()) == {0o600}
    said = [record.getMessage().partition(" could be read by others")[0] for record in caplog.records]
    assert said == [str(path), f"{path}-wal", f"{path}-shm"]
    await first.close()


async def test_a_file_behind_a_link(tmp_path: Path) -> None:
    """SQLite follows it, and puts the WAL beside the file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "live.db").symlink_to(tmp_path / "data" / "real.db")
    store = await Store.open(f"sqlite:///{tmp_path}/live.db")
    assert modes(tmp_path / "data") == dict.fromkeys(("real.db", "real.db-wal", "real.db-shm"), 0o600)
    await store.close()


async def test_a_file_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It works as before, and the log says what to do."""

    def refuse(path: Path) -> bool:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(private_files, "tighten", refuse)
    await (await Store.open(f"sqlite:///{tmp_path}/live.db")).close()
    assert "is not ours to change" in caplog.text


def test_a_backup_and_what_is_restored_from_it(tmp_path: Path) -> None:
    made, restored, file = (tmp_path / name for name in ("made", "restored", "backup.zip"))
    for directory in (made, restored):
        private_files.make_directories(directory)

    async def fill() -> None:
        store = await Store.open(f"sqlite:///{made}/live.db")
        await store.liveblogs.create(a_liveblog(), NEWSROOM)
        await store.close()

    asyncio.run(fill())
    write_backup(f"sqlite:///{made}/live.db", file, force=False)
    restore_backup(f"sqlite:///{restored}/live.db", file, force=False)
    assert (mode(file), mode(restored)) == (0o600, 0o700)
    assert set(modes(restored).values()) == {0o600}


async def test_the_demo_s_key(tmp_path: Path) -> None:
    """In a file that was there, and that everybody could read, too; whether the key is new or stays."""
    key = tmp_path / "key"
    key.touch(0o644)
    store = await Store.open(f"sqlite:///{tmp_path}/live.db")
    shown = await keep_or_make_key(store, key)
    assert (key.read_text(), mode(key)) == (f"{shown}\n", 0o600)
    key.chmod(0o644)
    assert await keep_or_make_key(store, key) == shown
    assert (key.read_text(), mode(key)) == (f"{shown}\n", 0o600)
    await store.close()


async def test_pictures_are_for_everybody_to_read(tmp_path: Path) -> None:
    """And for nobody else to write."""
    directory = tmp_path / "far" / "media"
    await DirectoryStorage(directory).write("a.jpg", b"x")
    assert [mode(path) for path in (directory.parent, directory, directory / "a.jpg")] == [0o755, 0o755, 0o644]


def test_directories(tmp_path: Path) -> None:
    """Those that were there keep their mode."""
    there = tmp_path / "there"
    there.mkdir(0o755)
    there.chmod(0o755)
    private_files.make_directories(there / "one" / "two")
    private_files.make_directories(there / "one" / "two")
    assert [mode(path) for path in (there, there / "one", there / "one" / "two")] == [0o755, 0o700, 0o700]
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="File exists"):
        private_files.make_directories(tmp_path / "file" / "one")
