"""API keys: who may write."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from liveserver.access import api_keys
from liveserver.access.actors import Actor
from liveserver.access.api_keys import ApiKeys, new_key
from liveserver.domain.errors import NotFound, Unauthorized
from liveserver.domain.ids import now
from liveserver.http.api.openapi.catalogue import OPERATIONS
from liveserver.http.route_params import ID, PARTNER_ID
from liveserver.http.route_params import SLUG as SLUG_FORM
from liveserver.newsroom import publisher
from liveserver.store import tables
from tests.support.api.site import ENTRIES, SLUG, problem
from tests.support.images import quarters, saved
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from liveserver.settings import Settings
    from liveserver.store import ApiKey
    from tests.support.api.site import Site

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
    # The memory of a key is as particular.
    good = await site.reader.post(ENTRIES, json={"body": "x"}, headers={"Authorization": f"Bearer {key}"})
    assert good.status_code == 201
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


async def test_made_up_keys_are_looked_for_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are shown, by whomever: two reads, of which the second waits; one that was good has its own."""
    looks: list[list[str]] = []
    single: list[str] = []
    stored = site.parts.store.keys
    find_many, find = stored.find_many, stored.find

    async def looking(key_ids: Sequence[str]) -> dict[str, ApiKey]:
        looks.append(list(key_ids))
        return await find_many(key_ids)

    async def looking_for_one(key_id: str) -> ApiKey | None:
        single.append(key_id)
        return await find(key_id)

    monkeypatch.setattr(stored, "find_many", looking)
    monkeypatch.setattr(stored, "find", looking_for_one)
    monkeypatch.setattr(api_keys, "PAUSE", 3600.0)
    keys = ApiKeys(site.parts.store)
    new, known = await site.key("Nouvelle", ["publish"]), await site.key("Connue", ["publish"])
    assert (await keys.authenticate(f"Bearer {known}")) is not None
    made_up = [f"lv_{number:012}_{SECRET}" for number in range(1_200)]
    asked = [asyncio.ensure_future(keys.authenticate(f"Bearer {shown}")) for shown in [*made_up, new, *made_up]]
    # The next look is an hour off, and a key that was good before doesn't wait for it.
    assert (await keys.authenticate(f"Bearer {known}")) is not None
    assert (len(looks), len(single), any(task.done() for task in asked)) == (1, 1, False)
    keys._query.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    keys._next_query = 0.0
    answers = await asyncio.gather(
        *(keys.authenticate(f"Bearer {shown}") for shown in [*made_up, new, *made_up]), return_exceptions=True
    )
    assert [actor.principal.name for actor in answers if isinstance(actor, Actor)] == ["Nouvelle"]
    assert sum(isinstance(error, Unauthorized) for error in answers) == 2 * len(made_up)
    assert [len(look) for look in looks] == [1, len(made_up) + 1]


async def test_a_key_that_was_good_is_looked_for_as_others_are(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it was found to be revoked: a client that goes on showing it costs no more than one that makes keys up."""
    api_keys = site.parts.api_keys
    header = f"Bearer {await site.key('Ancienne', ['publish'])}"
    assert await api_keys.authenticate(header) is not None
    await site.parts.store.keys.revoke(header.split("_")[1], now(), NEWSROOM)
    with pytest.raises(Unauthorized, match="revoked"):
        await api_keys.authenticate(header)

    async def refuse(*_: object) -> None:
        pytest.fail("it was asked for by itself")

    monkeypatch.setattr(site.parts.store.keys, "find", refuse)
    assert api_keys.recall(header) is None
    with pytest.raises(Unauthorized, match="revoked"):
        await api_keys.authenticate(header)


async def test_an_expired_key(site: Site) -> None:
    """It works up to its time."""
    good = await site.client(await site.key("Bientôt", ["publish"], now() + timedelta(hours=1)))
    late = await site.client(await site.key("Trop tard", ["publish"], now() - timedelta(milliseconds=1)))
    assert (await good.post(ENTRIES, json={"body": "x"})).status_code == 201
    assert "expired" in problem(await late.post(ENTRIES, json={"body": "x"}), 401)["detail"]


async def test_a_key_is_confirmed_before_dear_work(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was revoked a second ago, which is remembered, has nothing made safe that takes long."""
    key = await site.key("Ancien", ["publish"])
    client = await site.client(key)
    long = {"body": "<p>Un long texte.</p>" * 1_000}
    assert (await client.post(ENTRIES, json=long)).status_code == 201
    await site.parts.store.keys.revoke(key.split("_")[1], now(), NEWSROOM)
    made_safe: list[str] = []
    monkeypatch.setattr(publisher, "safe", lambda body, markup: made_safe.append(body))
    for body in (long, {"body": "[a](b) " * 500, "format": "markdown"}):
        assert "revoked" in problem(await client.post(ENTRIES, json=body), 401)["detail"]
    assert made_safe == []


WRITES = {
    "an entry": ("POST", ENTRIES, {"body": "<p>Après</p>"}),
    "an edit": ("PATCH", f"{ENTRIES}/{{entry}}", {"body": "<p>Après</p>"}),
    "a live blog": ("POST", "/api/v1/liveblogs", {"slug": "b", "title": "B", "language": "fr", "timezone": "UTC"}),
    "its edit": ("PATCH", f"/api/v1/liveblogs/{SLUG}", {"title": "Après"}),
    "a partner": ("POST", "/api/v1/partners", {"name": "Après"}),
    "a link": ("POST", f"/api/v1/liveblogs/{SLUG}/reach/links", {"days": 7}),
    "a source": ("POST", f"/api/v1/liveblogs/{SLUG}/source", {"url": "https://live.example.org/live/a"}),
    "a picture": ("POST", "/api/v1/media?alt=Rouge", None),
}


@pytest.mark.parametrize("what", WRITES)
async def test_a_key_is_void_for_what_comes_in_meanwhile(site: Site, what: str) -> None:
    """A body may take long to come; its sender has no key any more."""
    key = await site.key("Pigiste", ["publish", "manage"])
    client = await site.client(key)
    entry = await site.publish("<p>Avant</p>")
    method, path, content = WRITES[what]
    kind, body = (
        ("image/png", saved(quarters())) if content is None else ("application/json", json.dumps(content).encode())
    )

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:5]
        await site.parts.store.keys.revoke(key.split("_")[1], now(), NEWSROOM)
        yield body[5:]

    before = await site.position()
    headers = {"Content-Type": kind, "If-Match": "*"}
    response = await client.request(method, path.format(entry=entry["id"]), content=slowly(), headers=headers)
    assert "revoked" in problem(response, 401)["detail"]
    assert await site.position() == before


async def test_a_revoked_key_is_refused_at_once(site: Site) -> None:
    """With the very next request, also for what it could read before."""
    key = await site.key("Ancien", ["publish"])
    client = await site.client(key)
    draft = (await client.post(ENTRIES, json={"body": "x", "status": "draft"})).json()
    assert (await client.get(f"{ENTRIES}/{draft['id']}")).status_code == 200
    await site.parts.store.keys.revoke(key.split("_")[1], now(), NEWSROOM)
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


async def test_what_a_limited_key_may_do(site: Site) -> None:
    """Everything to its live blogs that its scopes say; of the others, no more than any reader."""
    await site.open_liveblog("match")
    drafts = {slug: await site.publish(slug=slug, status="draft") for slug in (SLUG, "match")}
    entries = {slug: await site.publish(slug=slug) for slug in (SLUG, "match")}
    limited = await site.client(await site.key("Sport", ["publish", "manage"], liveblogs=["match"]))

    def calls(slug: str) -> dict[str, Any]:
        own, entry = f"/api/v1/liveblogs/{slug}", f"/api/v1/liveblogs/{slug}/entries/{entries[slug]['id']}"
        overwrite = {"If-Match": "*"}
        return {
            "publish": lambda: limited.post(f"{own}/entries", json={"body": "x"}),
            "drafts": lambda: limited.get(f"{own}/entries?status=draft"),
            "edit": lambda: limited.patch(entry, json={"heading": "x"}, headers=overwrite),
            "revisions": lambda: limited.get(f"{entry}/revisions"),
            "takedown": lambda: limited.delete(entry, params={"confirm": "true"}),
            "its progress": lambda: limited.get(f"{own}/takedowns/{entries[slug]['id']}"),
            "settings": lambda: limited.patch(own, json={"title": "x"}, headers=overwrite),
            "reach": lambda: limited.get(f"{own}/reach"),
            "link": lambda: limited.post(f"{own}/reach/links", json={}),
            "follow": lambda: limited.post(f"{own}/source", json={"url": "https://live.example.org/live/x"}),
            "source": lambda: limited.get(f"{own}/source"),
            "stop": lambda: limited.delete(f"{own}/source"),
        }

    for call in calls("match").values():
        assert (await call()).is_success
    for name, call in calls(SLUG).items():
        assert problem(await call(), 403)["detail"] == "the key “Sport” is limited to match", name
    assert (await limited.get(f"/api/v1/liveblogs/match/entries/{drafts['match']['id']}")).status_code == 200
    problem(await limited.get(f"{ENTRIES}/{drafts[SLUG]['id']}"), 404)
    for slug, statuses in (("match", {"draft", "published"}), (SLUG, {"published"})):
        items = (await limited.get(f"/api/v1/liveblogs/{slug}/entries")).json()["items"]
        assert {item["status"] for item in items} == statuses
    assert (await site.editor.get(f"{ENTRIES}/{entries[SLUG]['id']}")).status_code == 200


async def test_what_a_limited_key_may_not_do_anywhere(site: Site) -> None:
    """Calls for the whole site are refused; it may read pictures and send new ones, which all live blogs share."""
    limited = await site.client(await site.key("Sport", ["publish", "manage"], liveblogs=[SLUG]))
    opened = {"slug": "autre", "title": "x", "language": "fr", "timezone": "UTC"}
    partner = (await site.editor.post("/api/v1/partners", json={"name": "Le Phare"})).json()["id"]
    sending: dict[str, Any] = {"content": saved(quarters(), "JPEG"), "headers": {"Content-Type": "image/jpeg"}}
    picture = await site.editor.post("/api/v1/media?alt=x", **sending)
    one = f"/api/v1/media/{picture.json()['id']}"
    overwrite = {"If-Match": "*"}
    for call in (
        limited.post("/api/v1/liveblogs", json=opened),
        limited.post("/api/v1/partners", json={"name": "x"}),
        limited.get("/api/v1/partners"),
        limited.get(f"/api/v1/partners/{partner}"),
        limited.patch(f"/api/v1/partners/{partner}", json={"enabled": False}, headers=overwrite),
        limited.delete(f"/api/v1/partners/{partner}"),
        limited.patch(one, json={"alt": "y"}, headers=overwrite),
        limited.delete(one),
    ):
        assert "is limited to" in problem(await call, 403)["detail"]
    assert (await limited.get("/api/v1/media")).json()["items"][0]["alt"] == "x"
    assert (await limited.get(one)).status_code == 200
    assert (await limited.post("/api/v1/media?alt=x", **sending)).status_code == 201


async def test_every_operation_that_needs_a_key_is_limited(site: Site) -> None:
    """Those that are not, are those that all live blogs share: one that is added is thought of."""
    limited = await site.client(await site.key("Ailleurs", ["publish", "manage"], liveblogs=[SLUG]))
    await site.open_liveblog("match")
    let_in = set()
    named = {SLUG_FORM: "match", ID: "01a202c5-0000-7000-8000-000000000000", PARTNER_ID: "p_0a1b2c3d4e5f"}
    for operation in OPERATIONS:
        if operation.verb is not None:
            path = operation.path
            for form, name in named.items():
                path = path.replace(form, name)
            answer = await limited.request(operation.method, f"/api/v1{path}")
            if answer.status_code != 403:
                let_in.add((operation.method, operation.path))
    assert let_in == {("POST", "/media"), ("GET", "/media"), ("GET", f"/media/{ID}")}


async def test_a_key_that_was_limited_since_it_was_last_seen(site: Site) -> None:
    """The scopes and live blogs of the key are read again where it writes."""
    key = await site.key("Sport", ["publish"])
    client = await site.client(key)
    await site.open_liveblog("match")
    assert (await client.post(ENTRIES, json={"body": "x"})).status_code == 201
    limiting = tables.api_keys.update().where(tables.api_keys.c.id == key.split("_")[1]).values(liveblogs=["match"])
    await site.parts.store._database.write(lambda connection: connection.execute(limiting).close())
    assert "is limited to match" in problem(await client.post(ENTRIES, json={"body": "x"}), 403)["detail"]
    assert (await client.post("/api/v1/liveblogs/match/entries", json={"body": "x"})).status_code == 201


async def test_a_key_for_a_live_blog_that_is_not_there(site: Site) -> None:
    """Isn't made; each one is named."""
    with pytest.raises(NotFound, match="there is no live blog 'autre', 'marée'"):
        await site.key("Sport", ["publish"], liveblogs=["autre", SLUG, "marée"])
    assert [key.name for key in await site.parts.store.keys.all()] == ["Rédaction"]


async def test_a_key_is_void_for_an_edit_that_is_being_made_safe(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text waits for its turn, and meanwhile the key is revoked."""
    shown = await site.key("Pigiste", ["publish"])
    client = await site.client(shown)
    entry = await site.publish("<p>Avant</p>")
    publisher = site.parts.publisher
    safe = publisher._safe

    async def slowly(*args: Any, **fields: Any) -> str:
        body = await safe(*args, **fields)
        await site.parts.store.keys.revoke(shown.split("_")[1], now(), NEWSROOM)
        return body

    monkeypatch.setattr(publisher, "_safe", slowly)
    address = f"{ENTRIES}/{entry['id']}"
    response = await client.patch(address, json={"body": "<p>Après</p>"}, headers={"If-Match": "*"})
    assert "revoked" in problem(response, 401)["detail"]
    assert (await site.reader.get(address)).json()["body"] == "<p>Avant</p>"
