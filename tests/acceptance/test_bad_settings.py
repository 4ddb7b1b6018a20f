"""A setting that can't work is told in one line on standard error, with a status that isn't 0, and no traceback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.serving import Command, Finished, LiveServer, run, run_all, started
from tests.support.services import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _assert_one_line(finished: Finished, *words: str) -> None:
    assert finished.status not in {0, None}
    assert finished.stdout == ""
    assert finished.stderr.startswith("liveserver: ")
    assert finished.stderr.endswith("\n")
    assert finished.stderr.count("\n") == 1, finished.stderr
    for word in words:
        assert word in finished.stderr


CASES = [
    ("serve", {"database_url": "postgresql://marie:gardez-le@127.0.0.1:{port}/live"}, ("marie:***@", "127.0.0.1")),
    ("migrate", {"database_url": "postgresql://marie@127.0.0.1:{port}/live"}, ("can't open", "127.0.0.1")),
    ("serve", {"database_url": "mysql://localhost/live"}, ("mysql", "postgresql")),
    ("serve", {"database_url": "live.db"}, ("database URL", "sqlite:///live.db")),
    ("serve", {"database_url": "sqlite:////nowhere/at/all/live.db"}, ("/nowhere/at/all/live.db",)),
    ("serve", {"database_url": "sqlite:////proc/live.db"}, ("/proc/live.db",)),
    ("serve", {"database_url": "sqlite:///."}, ("it is a folder",)),
    ("serve", {"media_dir": "/etc/hostname"}, ("LIVESERVER_MEDIA_DIR", "/etc/hostname is no folder")),
    ("keys list", {"database_url": "sqlite:////nowhere/at/all/live.db"}, ("/nowhere/at/all/live.db",)),
    ("serve", {"workers": "2"}, ("2 workers", "--redis")),
    ("serve", {"public_url": "live.example.org"}, ("LIVESERVER_PUBLIC_URL", "https://live.example.org")),
    ("serve", {"redis_url": "localhost:6379"}, ("LIVESERVER_REDIS_URL", "redis://")),
    ("serve", {"forwarded_allow_ips": "nginx"}, ("LIVESERVER_FORWARDED_ALLOW_IPS", "a container", "the network")),
    ("serve", {"port": "many", "heartbeat": "0"}, ("LIVESERVER_PORT", "LIVESERVER_HEARTBEAT")),
    ("serve", {"host": "192.0.2.1", "port": "{port}"}, ("can't listen on 192.0.2.1",)),
    ("demo --redis localhost:6379", {}, ("--redis: ",)),
    ("serve --port abc", {}, ("--port: must be a whole number",)),
    ("demo --dir /proc/demo", {}, ("/proc/demo",)),
    ("keys create --name x --scope everything", {}, ("everything", "publish and manage")),
    ("keys create --name= --scope publish", {}, ("blank",)),
    ("keys list --database sqlite:///typo.db", {}, ("there is no database at /", "/typo.db", "--database")),
    ("takedown essai Bonjour --key lv_a_b", {}, ("Bonjour is neither an entry's id nor its permalink", "/live/essai/")),
    ("publish essai pli", {}, ("LIVESERVER_KEY", "keys create")),
    ("publish essai pli --key lv_a_b --url localhost:8000", {}, ("localhost:8000", "URL")),
    ("publish essai pli --key lv_a_b --url ftp://localhost", {}, ("ftp://localhost", "URL")),
    ("publish essai pli --key lv_a_b --url http://", {}, ("http://", "URL")),
    ("tail essai --url http://[::1", {}, ("http://[::1", "URL")),
]


async def test_bad_settings(tmp_path: Path) -> None:
    """The line names what is wrong, and shows no password."""
    commands, expected = [], []
    for number, (command, settings, words) in enumerate(CASES):
        port = str(free_port())
        given = {"port": port} | {name: value.format(port=port) for name, value in settings.items()}
        directory = tmp_path / str(number)
        directory.mkdir()
        commands.append(Command(tuple(command.format(port=port).split()), directory, given))
        expected.append([word.format(port=port) for word in words])
    failures = []
    for given_command, finished, names in zip(commands, await run_all(commands), expected, strict=True):
        try:
            _assert_one_line(finished, *names)
            assert "gardez-le" not in finished.stderr
        except AssertionError as failure:
            failures.append(f"{given_command.arguments}: {failure}")
    assert failures == []


async def test_nobody_answers(tmp_path: Path) -> None:
    """Said at once, as it tries again for some seconds; and in the end, what to do about it."""
    url = f"http://127.0.0.1:{free_port()}"
    commands = [
        ("publish", "essai", "pli", "--key", "lv_a_b"),
        ("tail", "essai"),
        ("reach", "essai", "--key", "lv_a_b"),
    ]
    for finished in await run_all([Command((*words, "--url", url), tmp_path, {}) for words in commands]):
        assert (finished.status, finished.stdout) == (1, "")
        first, last = finished.stderr.splitlines()
        assert first == f"liveserver: nobody answers at {url}; trying again for some seconds"
        assert last.startswith(f"liveserver: can't reach {url}: ")
        assert last.endswith(": start it (`liveserver serve`), or give another address with --url (LIVESERVER_URL)")


async def test_bad_line_of_dotenv(tmp_path: Path) -> None:
    """A bad value is named by its variable wherever it comes from."""
    (tmp_path / ".env").write_text("LIVESERVER_POLL=often\n")
    _assert_one_line(await run("serve", cwd=tmp_path), "LIVESERVER_POLL")


async def test_taken_port(tmp_path: Path) -> None:
    """The address is named."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        finished = await run("serve", cwd=tmp_path, port=port)
    _assert_one_line(finished, f"127.0.0.1:{port}", "Address already in use", "--port (LIVESERVER_PORT)")


async def test_second_server_on_one_file(tmp_path: Path) -> None:
    """Without Redis its readers would not hear of the first one's changes; the first goes on, and leaves no trace."""
    first = LiveServer(tmp_path / "first")
    async with started(first):
        second = await run("serve", cwd=tmp_path, **{**first.settings, "port": str(free_port())})
        # Most people meet it who have forgotten the first one: Redis comes last.
        _assert_one_line(
            second, "a server runs on sqlite:///", "/first/live.db already: stop it", "another folder", "--database"
        )
        assert second.stderr.index("--database") < second.stderr.index("--redis")
        redis = {"port": str(free_port()), "redis_url": "redis://127.0.0.1:1"}
        second = await run("serve", cwd=tmp_path, **{**first.settings, **redis})
        _assert_one_line(second, "a server without Redis runs on sqlite:///", "/first/live.db already", "--redis")
        assert first.running
        assert await first.end() == 0
    async with started(first):
        assert first.running
