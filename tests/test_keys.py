"""API keys: who may write."""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from liveserver.errors import Forbidden, Unauthorized
from liveserver.model import now
from liveserver.security.keys import Actor, new_key, require
from tests.api.site import ENTRIES, problem

if TYPE_CHECKING:
    from liveserver.settings import Settings
    from tests.api.site import Site

pytest_plugins = ["tests.api.fixtures"]

SECRET = "x" * 43


def test_a_new_key() -> None:
    """It is shown once; what is stored is a hash of its secret."""
    stored, shown = new_key("Rédaction", ["publish"])
    prefix, key_id, secret = shown.split("_", 2)
    assert (prefix, key_id, stored.name, set(stored.scopes)) == ("lv", stored.id, "Rédaction", {"publish"})
    assert stored.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert len(secret) == 43
    assert (stored.expires_at, stored.revoked_at) == (None, None)
    assert shown not in repr(stored)
    assert len({new_key("x", [])[1] for _ in range(100)}) == 100


def test_scopes() -> None:
    """One doesn't include another."""
    actor = Actor("id", "Agence", frozenset({"publish"}))
    assert require(actor, "publish") is actor
    with pytest.raises(Forbidden, match=r"Agence.*manage"):
        require(actor, "manage")
    with pytest.raises(Unauthorized):
        require(None, "publish")


async def test_a_good_key(site: Site) -> None:
    """The scheme's name may be written in any case (RFC 9110, 11.1)."""
    key = await site.key("Agence", ["publish"])
    for header in (f"Bearer {key}", f"bearer {key}", f"BEARER  {key} "):
        response = await site.reader.post(ENTRIES, json={"body": "x"}, headers={"Authorization": header})
        assert response.status_code == 201, header


async def test_malformed_keys(site: Site) -> None:
    """401, which says how it must look."""
    key = await site.key("Agence", ["publish"])
    name = key.split("_")[1]
    headers = [
        "",
        "Bearer",
        "Bearer ",
        key,
        f"Basic {key}",
        f"Bearer {key}x",
        f"Bearer {key[:-1]}",
        f"Bearer {key[3:]}",
        f"Bearer {key.upper()}",
        f"Bearer lv_{name[:-1]}é_{SECRET}",
        f"Bearer {key} {key}",
        f"Bearer lv_{name}_{'x' * 5000}",
    ]
    for header in headers:
        sent = httpx2.Headers([(b"Authorization", header.encode())])
        response = await site.reader.post(ENTRIES, json={"body": "x"}, headers=sent)
        assert "Bearer lv_" in problem(response, 401)["detail"], header
        assert response.headers["www-authenticate"] == 'Bearer realm="liveserver"'


async def test_keys_that_are_not_known(site: Site) -> None:
    """An unknown id and a wrong secret are told in the same words."""
    key = await site.key("Agence", ["publish"])
    details = set()
    for wrong in (f"lv_abcdefghijkl_{SECRET}", f"lv_{key.split('_')[1]}_{SECRET}"):
        client = await site.client(wrong)
        details.add(problem(await client.post(ENTRIES, json={"body": "x"}), 401)["detail"])
    assert details == {"the API key is unknown (was it made on another database?)"}


async def test_an_expired_key(site: Site) -> None:
    """It works up to its time."""
    good = await site.client(await site.key("Bientôt", ["publish"], now() + timedelta(hours=1)))
    late = await site.client(await site.key("Trop tard", ["publish"], now() - timedelta(milliseconds=1)))
    assert (await good.post(ENTRIES, json={"body": "x"})).status_code == 201
    assert "expired" in problem(await late.post(ENTRIES, json={"body": "x"}), 401)["detail"]


async def test_a_revoked_key_is_refused_at_once(site: Site) -> None:
    """With the very next request, also for what it could read before."""
    key = await site.key("Ancien", ["publish"])
    client = await site.client(key)
    draft = (await client.post(ENTRIES, json={"body": "x", "status": "draft"})).json()
    assert (await client.get(f"{ENTRIES}/{draft['id']}")).status_code == 200
    await site.parts.store.revoke_key(key.split("_")[1], now())
    assert "revoked" in problem(await client.post(ENTRIES, json={"body": "x"}), 401)["detail"]
    problem(await client.get(f"{ENTRIES}/{draft['id']}"), 401)
    problem(await client.get(ENTRIES), 401)


async def test_a_missing_scope_is_named(site: Site) -> None:
    """403."""
    client = await site.client(await site.key("Gestion", ["manage"]))
    detail = problem(await client.post(ENTRIES, json={"body": "x"}), 403)["detail"]
    assert "Gestion" in detail
    assert "publish" in detail


async def test_the_secret_is_kept_nowhere(
    site: Site, settings: Settings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the database's files nor in the log, at its most talkative, nor in any answer."""
    caplog.set_level(logging.DEBUG)
    key = await site.key("Secret", ["publish", "manage"])
    secret = key.split("_", 2)[2]
    client = await site.client(key)
    answers = [
        await client.post(ENTRIES, json={"body": "x"}),
        await client.post(ENTRIES, json={}),
        await client.get(f"{ENTRIES}?status=draft"),
        await client.post(ENTRIES, json={"body": "x"}, headers={"Authorization": f"Bearer {key}x"}),
        await client.get("/metrics"),
    ]
    assert [answer.status_code for answer in answers] == [201, 422, 200, 401, 200]
    assert all(secret not in answer.text + str(answer.headers) for answer in answers)
    written = capfd.readouterr()
    log = written.out + written.err + caplog.text
    assert ENTRIES in log
    assert secret not in log
    folder = Path(settings.database_url.removeprefix("sqlite:///")).parent
    files = [path for path in folder.iterdir() if path.is_file()]
    assert {"live.db", "live.db-wal"} <= {path.name for path in files}
    content = b"".join(path.read_bytes() for path in files)
    assert key.split("_")[1].encode() in content
    assert secret.encode() not in content
