"""The commands that talk to a server, or to its database while it runs."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
import pytest_asyncio

from liveserver import __version__
from liveserver.client import Client
from tests.acceptance.serving import Child, LiveServer, run, run_all, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "essai", "title": "L’essai", "language": "fr", "timezone": "Europe/Paris"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """A server with one live blog. It and its commands are started as users start them."""
    server = LiveServer(tmp_path_factory.mktemp("server"))
    async with started(server):
        async with Client(server.url, await server.key()) as client:
            await client.create_liveblog(LIVEBLOG)
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def key(server: LiveServer) -> str:
    """A key that may publish."""
    return await server.key("publish")


async def test_version(tmp_path: Path) -> None:
    assert await run("--version", cwd=tmp_path) == (0, f"liveserver {__version__}\n", "")


async def test_serve_logs_one_line_with_its_address(server: LiveServer) -> None:
    """The first line says where it is, and nothing else is said of a start that went well."""
    lines = [orjson.loads(line) for line in server.stderr.splitlines()]
    assert [line["event"] for line in lines].count("server.started") == 1
    assert lines[0]["event"] == "server.started"
    assert lines[0]["url"] == server.url
    assert lines[0]["listening"] == server.url.removeprefix("http://")
    assert server.stdout == ""


async def test_serve_says_where_it_listens_and_that_it_has_stopped(tmp_path: Path) -> None:
    """Also where readers come by another address; the last line is that of a clean end."""
    (tmp_path / ".env").write_text('LIVESERVER_RATE_LIMIT=3\nbroken line "\n')
    server = LiveServer(tmp_path, public_url="https://live.example.org", drain="0")
    async with started(server):
        assert await server.end() == 0
        lines = [orjson.loads(line) for line in server.stderr.splitlines()]
    unreadable, unknown, begun, *_, last = lines
    assert (unreadable["event"], unreadable["lines"]) == ("settings.unreadable", [f"{tmp_path}/.env:2"])
    assert (unknown["event"], unknown["meant"]) == (
        "settings.unknown",
        {"LIVESERVER_RATE_LIMIT": "LIVESERVER_LIMIT_PAGES"},
    )
    assert (begun["event"], begun["url"]) == ("server.started", "https://live.example.org")
    assert begun["listening"] == f"127.0.0.1:{server.port}"
    assert begun["database"] == f"sqlite:///{tmp_path}/live.db"
    assert (last["event"], last["forced"], last["pid"]) == ("server.stopped", False, begun["pid"])
    assert last["seconds"] >= 0


async def test_config_hides_passwords(tmp_path: Path) -> None:
    """Every setting, from the flag, the environment and `.env` in this order, without passwords."""
    (tmp_path / ".env").write_text("LIVESERVER_HEARTBEAT=7\nLIVESERVER_POLL=3\nLIVESERVER_PORT=1\n")
    shown = await run(
        *("config", "--port", "8123"),
        cwd=tmp_path,
        port="2",
        poll="4",
        database_url="postgresql://marie:gardez-le@db.example.org/live",
        redis_url="redis://:chut@redis.example.org:6379/0",
    )
    assert shown.status == 0
    assert shown.stderr == ""
    values = dict(line.split("=", 1) for line in shown.stdout.splitlines())
    assert (values["LIVESERVER_PORT"], values["LIVESERVER_POLL"], values["LIVESERVER_HEARTBEAT"]) == (
        *("8123", "4.0"),
        "7",
    )
    assert values["LIVESERVER_DATABASE_URL"] == "postgresql://marie:***@db.example.org/live"
    assert values["LIVESERVER_REDIS_URL"] == "redis://:***@redis.example.org:6379/0"
    assert "gardez-le" not in shown.stdout
    assert "chut" not in shown.stdout


async def test_config_tells_of_what_is_no_setting(tmp_path: Path) -> None:
    """In the environment and in `.env`, with what may be meant."""
    (tmp_path / ".env").write_text("LIVESERVER_RATE_LIMIT=7\nLIVESERVER_URL=http://a.example\n")
    shown = await run("config", cwd=tmp_path, prot="1", moon="1")
    assert shown.status == 0
    assert shown.stderr.splitlines() == [
        "liveserver: LIVESERVER_MOON is no setting",
        "liveserver: LIVESERVER_PROT is no setting: perhaps LIVESERVER_PORT is meant",
        "liveserver: LIVESERVER_RATE_LIMIT is no setting: perhaps LIVESERVER_LIMIT_PAGES is meant",
    ]


async def test_migrate(tmp_path: Path) -> None:
    """A new file gets the schema; the second time there is nothing to do."""
    url = f"sqlite:///{tmp_path}/live.db"
    first = await run("migrate", cwd=tmp_path, database_url=url)
    again = await run("migrate", cwd=tmp_path, database_url=url)
    assert re.fullmatch(r"The schema went from nothing to (\w+)\.\n", first.stdout)
    assert re.fullmatch(r"The schema is at (\w+)\.\n", again.stdout)
    assert (first.status, first.stderr, again.status, again.stderr) == (0, "", 0, "")


async def test_migrate_postgresql(tmp_path: Path, empty_postgres_url: str) -> None:
    """The same on PostgreSQL."""
    first = await run("migrate", "--database", empty_postgres_url, cwd=tmp_path)
    assert first.stdout.startswith("The schema went from nothing to ")
    assert (first.status, first.stderr) == (0, "")


async def test_keys_while_the_server_runs(server: LiveServer) -> None:
    """A key works from the moment it is printed, for what it may, and not a moment longer than it is revoked."""
    quiet = await server.run("keys", "create", "--name", "x", "--scope", "publish")
    made = await server.run("keys", "create", "--name", "la rédaction", "--scope", "publish", log_level="info")
    assert (quiet.status, made.status) == (0, 0)
    logged, said, hint = made.stderr.splitlines()
    assert quiet.stderr.splitlines() == [said, hint]
    database = server.settings["database_url"]
    assert said == f"Made a key for the server on {database}; it is on standard output, shown this once."
    assert "LIVESERVER_KEY" in hint
    key = made.stdout.strip()
    key_id = key.split("_")[1]
    line = orjson.loads(logged)
    assert (line["event"], line["key"], line["scopes"]) == ("key.created", key_id, ["publish"])
    assert line["by"] == {"command": "keys create"}
    assert key.split("_", 2)[2] not in made.stderr
    assert re.fullmatch(r"lv_[a-z0-9]+_[A-Za-z0-9_-]+", key)

    async with httpx2.AsyncClient(base_url=server.api, headers={"Authorization": f"Bearer {key}"}) as http:
        entries = "/liveblogs/essai/entries"
        assert (await http.post(entries, json={"body": "Un"})).status_code == 201
        assert (await http.post("/liveblogs", json=LIVEBLOG)).status_code == 403

        listed = await server.run("keys", "list")
        line = next(line for line in listed.stdout.splitlines() if key_id in line)
        assert re.search(r"la rédaction +publish +all +\S+ +valid$", line)
        assert key.split("_", 2)[2] not in listed.stdout

        by_name = await server.run("keys", "revoke", "la rédaction")
        assert by_name == (1, "", f"liveserver: la rédaction is a key's name: give its id, {key_id}\n")
        unknown = await server.run("keys", "revoke", "unknown")
        assert unknown.status == 1
        assert unknown.stderr.startswith("liveserver: no key has the id unknown: `liveserver keys list`")
        whole = await server.run("keys", "revoke", f"lv_{key_id}_secret")
        assert whole == (1, "", f"liveserver: that is a whole key: give its id only, which is {key_id}\n")
        revoked = await server.run("keys", "revoke", key_id, log_level="info")
        assert (revoked.status, revoked.stdout) == (0, f"Revoked {key_id}.\n")
        line = orjson.loads(revoked.stderr)
        assert (line["event"], line["key"], line["by"]) == ("key.revoked", key_id, {"command": "keys revoke"})
        refused = await http.post(entries, json={"body": "Deux"})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
    listed = await server.run("keys", "list")
    assert re.search(rf"{key_id} .*revoked \d{{4}}-", listed.stdout)


async def test_a_key_that_is_limited_to_a_live_blog(server: LiveServer) -> None:
    """It is listed with it; one for a live blog that isn't there is not made."""
    create = ("keys", "create", "--name", "Sport", "--scope", "publish")
    made = await server.run(*create, "--liveblog", "essai")
    listed = await server.run("keys", "list")
    assert re.search(r"Sport +publish +essai +\S+ +valid$", listed.stdout, re.MULTILINE)
    refused = await server.run(*create, "--liveblog", "essai", "--liveblog", "rien")
    assert refused == (1, "", "liveserver: there is no live blog 'rien'\n")
    async with httpx2.AsyncClient(
        base_url=server.api, headers={"Authorization": f"Bearer {made.stdout.strip()}"}
    ) as http:
        assert (await http.post("/liveblogs/essai/entries", json={"body": "Un"})).status_code == 201
        assert (await http.get("/liveblogs/autre/entries?status=draft")).status_code == 403


async def test_publish_an_argument(server: LiveServer, key: str) -> None:
    """Markdown by default; the permalink is printed, and leads to the entry."""
    published = await server.run(
        *("publish", "essai", "Le **premier** pli"),
        *("--heading", "Bonjour", "--author", "Solène", "--author", "Hugo", "--tag", "mer", "--key-event", "--pinned"),
        *("--url", server.url, "--key", key),
    )
    assert (published.status, published.stderr) == (0, "")
    permalink = published.stdout.strip()
    assert permalink.startswith(f"{server.url}/live/essai/entries/")
    entry = await _entry(server, permalink.rpartition("/")[2])
    assert entry["body"] == "<p>Le <strong>premier</strong> pli</p>"
    assert (entry["heading"], entry["authors"], entry["tags"]) == ("Bonjour", ["Solène", "Hugo"], ["mer"])
    assert (entry["key_event"], entry["pinned"], entry["breaking"]) == (True, True, False)
    async with httpx2.AsyncClient() as http:
        assert "Bonjour" in (await http.get(permalink)).text


async def test_what_a_server_refuses_is_told_with_its_address(server: LiveServer, key: str) -> None:
    """A user who runs two of them sees which one that was."""
    refused = await server.run("publish", "rien", "Bonjour", "--url", server.url, "--key", key)
    assert (refused.status, refused.stdout) == (1, "")
    assert refused.stderr.startswith("liveserver: 404 ")
    assert refused.stderr.endswith(f" ({server.url})\n")


async def test_publish_from_a_pipe(server: LiveServer, key: str) -> None:
    """Standard input is the text, as HTML if asked; the same idempotency key publishes once."""
    command = ("publish", "essai", "--html", "--idempotency-key", "pli-2", "--url", server.url)
    first = await server.run(*command, stdin="<p>Par le tuyau\u00a0: «\u202foui\u202f»</p>", key=key)
    again = await server.run(*command, stdin="<p>Par le tuyau\u00a0: «\u202foui\u202f»</p>", key=key)
    assert (first.status, first.stderr) == (0, "")
    assert again == first
    entry = await _entry(server, first.stdout.strip().rpartition("/")[2])
    assert entry["body"] == "<p>Par le tuyau\u00a0: «\u202foui\u202f»</p>"


async def test_tail(server: LiveServer, key: str, tmp_path: Path) -> None:
    """Shows what was there, then what is published, edited and deleted; Ctrl+C ends it without a word."""
    async with (
        Client(server.url, key) as client,
        started(Child(tmp_path, "tail", "essai", "-n", "1", "--url", server.url)) as tail,
    ):
        await tail.printed(r"^L’essai \(live\)\n")
        entry = await client.publish("essai", {"heading": "À bâbord", "body": "<p>Une voile &amp; deux</p>"})
        await tail.printed(r"\d\d:\d\d  À bâbord\n       Une voile & deux\n")
        await client.edit("essai", entry["id"], {"body": "<p>Trois voiles</p>"})
        await tail.printed(r"À bâbord  \[edited\]\n       Trois voiles\n")
        # A claim never goes without its label, in the live blog's language.
        await client.edit("essai", entry["id"], {"verification": "denied", "source": "la vigie"})
        await tail.printed(r"\d\d:\d\d  Démenti\u00a0: la vigie – À bâbord  \[edited\]\n       Trois voiles\n")
        await client.edit("essai", entry["id"], {"verification": "claimed", "heading": None})
        await tail.printed(r"\d\d:\d\d  Affirmation\u00a0: la vigie  \[edited\]\n       Trois voiles\n")
        await client.edit("essai", entry["id"], {"verification": "confirmed", "heading": "Établi"})
        await tail.printed(r"\d\d:\d\d  Établi  \[edited\]\n       Trois voiles\n")
        await client.delete("essai", entry["id"])
        await tail.printed(f"✕ deleted: {entry['id']}")
        assert await tail.end(signal.SIGINT) == 0
        assert tail.stderr == ""


async def test_tail_as_json(server: LiveServer, key: str, tmp_path: Path) -> None:
    """One message of the stream a line."""
    tail = Child(tmp_path, "tail", "essai", "--json", "-n", "1", "--url", server.url)
    async with Client(server.url, key) as client:
        before = await client.publish("essai", {"body": "<p>Avant</p>"})
        async with started(tail):
            await tail.printed("Avant")
            entry = await client.publish("essai", {"body": "<p>Vu</p>"})
            # Of an entry that is gone before `tail` follows the stream, it would be told the deletion alone.
            await tail.printed("Vu")
            await client.delete("essai", entry["id"])
            await tail.printed('"delete"')
            first, published, deleted = [orjson.loads(line) for line in tail.stdout.splitlines()]
    assert [message["type"] for message in (first, published, deleted)] == ["entry", "entry", "delete"]
    assert first["entry"]["id"] == before["id"]
    assert published["entry"]["id"] == deleted["id"] == entry["id"]
    assert deleted["seq"] == published["seq"] + 1


REFUSALS = [
    (("publish", "essai", "Un pli", "--key", "lv_abc_def"), "401 "),
    (("publish", "nulle-part", "Un pli"), "404 "),
    (("publish", "essai", " "), "422 /body: "),
    (("tail", "nulle-part"), "404 "),
]


async def test_refusals(server: LiveServer, key: str) -> None:
    """One line says why, and the status tells scripts."""
    commands = [server.command(*arguments, "--url", server.url, key=key) for arguments, _ in REFUSALS]
    for (arguments, complaint), refused in zip(REFUSALS, await run_all(commands), strict=True):
        assert (refused.status, refused.stdout) == (1, ""), arguments
        assert re.fullmatch(f"liveserver: {complaint}.+\n", refused.stderr), arguments


async def _entry(server: LiveServer, entry_id: str) -> dict[str, Any]:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{server.api}/liveblogs/essai/entries/{entry_id}")
        assert answer.status_code == 200
        return dict(answer.json())


async def test_reach(server: LiveServer) -> None:
    """A line for each partner and day; or a link, which opens the page."""
    manager = await server.key("manage")
    asked = ("reach", "essai", "--key", manager, "--url", server.url)
    shown = await server.run(*asked, "--from", "2026-11-01", "--to", "2026-11-30")
    assert (shown.status, shown.stderr) == (0, "")
    assert re.match(r"2026-11-01 to 2026-11-30 +viewers now +peak +views +hours read\n", shown.stdout)
    made = await server.run(*asked, "--link", "--days", "1")
    assert made.stdout.startswith(f"{server.url}/reach/essai?link=")
    async with httpx2.AsyncClient() as http:
        assert "<title>Reach of L’essai</title>" in (await http.get(made.stdout.strip())).text
