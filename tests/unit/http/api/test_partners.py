"""`/api/v1/partners`, and reading with a partner: what each may see, and who may not."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.ids import now
from liveserver.protocol.json_encoding import timestamp
from tests.support.api.site import BASE, ENTRIES, LIVEBLOG, bad_fields, problem

if TYPE_CHECKING:
    import httpx2

    from liveserver.store.repositories.partners import Rules
    from tests.support.api.site import JSON, Site

PARTNERS = "/api/v1/partners"
HOUR = timedelta(seconds=3600)
PHARE = {"name": "Le Phare", "origins": ["https://www.exemple.fr", "https://*.exemple.fr"]}


async def take_in(site: Site, **fields: Any) -> JSON:
    """A new partner."""
    response = await site.editor.post(PARTNERS, json={**PHARE, **fields})
    assert response.status_code == 201, response.text
    partner: JSON = response.json()
    return partner


async def change(site: Site, partner: JSON, **fields: Any) -> httpx2.Response:
    """The partner, with other rules."""
    return await site.editor.patch(f"{PARTNERS}/{partner['id']}", json=fields, headers={"If-Match": "*"})


async def test_a_partner(site: Site) -> None:
    """It is taken in, read, listed, changed by versions, and removed."""
    given = {
        **PHARE,
        "liveblogs": ["marees"],
        "tags": ["côte"],
        "delay": 30,
        "expires_at": "2030-01-01T00:00:00.000Z",
        "enabled": True,
        "theme": {"accent": "#c00", "scheme": "dark"},
        "attribution": {"text": "Avec nous", "url": "https://live.exemple.org/"},
    }
    response = await site.editor.post(PARTNERS, json=given)
    partner, tag = response.json(), response.headers["etag"]
    assert response.status_code == 201
    assert re.fullmatch(r'"[0-9a-f]{11}-1"', tag)
    assert response.headers["location"] == f"{BASE}{PARTNERS}/{partner['id']}"
    assert {name: partner[name] for name in given} == given
    assert partner["id"].startswith("p_")
    read = await site.editor.get(f"{PARTNERS}/{partner['id']}")
    assert (read.json(), read.headers["etag"], read.headers["cache-control"]) == (*(partner, tag, "private, no-store"),)
    other = await take_in(site)
    first = (await site.editor.get(PARTNERS, params={"limit": 1})).json()
    rest = (await site.editor.get(PARTNERS, params={"cursor": first["next_cursor"]})).json()
    assert {p["id"] for p in [*first["items"], *rest["items"]]} == {partner["id"], other["id"]}
    path = f"{PARTNERS}/{partner['id']}"
    edited = (await site.editor.patch(path, json={"theme": {}, "tags": []}, headers={"If-Match": '"1"'})).json()
    assert (edited["version"], edited["theme"], edited["tags"], edited["delay"]) == (2, {}, [], 30)
    stale = problem(await site.editor.patch(path, json={"delay": 1}, headers={"If-Match": '"1"'}), 412)
    assert stale["current"] == edited
    problem(await site.editor.patch(path, json={"delay": 1}), 428)
    assert (await site.editor.delete(path)).status_code == 204
    problem(await site.editor.get(path), 404)
    problem(await site.editor.delete(path), 404)


async def test_only_for_keys_that_manage(site: Site) -> None:
    publisher = await site.client(await site.key("Desk", ["publish"]))
    for client, status in ((site.reader, 401), (publisher, 403)):
        problem(await client.post(PARTNERS, json=PHARE), status)
        problem(await client.get(PARTNERS), status)
        for call in (client.get, client.delete):
            problem(await call(f"{PARTNERS}/p_abcdefghijkl"), status)
        problem(await client.patch(f"{PARTNERS}/p_abcdefghijkl", json={}), status)


async def test_bad_fields(site: Site) -> None:
    given = {
        "name": " ",
        "origins": ["exemple.fr"],
        "liveblogs": ["Not a slug"],
        "delay": 3601,
        "theme": {"accent": "red; }", "font": 'x" }'},
        "attribution": {"text": "a", "url": "javascript:alert(1)"},
        "more": 1,
    }
    assert set(bad_fields(await site.editor.post(PARTNERS, json=given))) == {
        *("/name", "/origins/0", "/liveblogs/0", "/delay", "/theme/accent", "/theme/font", "/attribution/url", "/more"),
    }


@pytest.mark.slow
async def test_a_partner_is_let_in_by_its_rules(site: Site) -> None:
    """By origin, live blog, switch and expiry; each refusal says why, to programs too."""
    await site.publish()
    partner = await take_in(site, liveblogs=["marees"])
    at_theirs = {"Origin": "https://direct.exemple.fr"}

    async def reason(headers: JSON | None = None, *, path: str = LIVEBLOG, partner_id: str = "") -> str | None:
        query = {"partner": partner_id or partner["id"]}
        told = (await site.reader.get(f"{path}/embed", params=query, headers=headers)).json()
        position = {"after": "aaaa-0"}
        for answer in (
            await site.reader.get(f"{path}/snapshot", params=query, headers=headers),
            await site.reader.get(f"{path}/entries", params=query, headers=headers),
            await site.reader.get(f"{path}/changes", params={**query, **position}, headers=headers),
            await site.reader.head(f"{path}/events", params=query, headers=headers),
        ):
            assert answer.status_code == (200 if told["allowed"] else 403)
            if not told["allowed"] and answer.content:
                assert problem(answer, 403)["reason"] == told["reason"]
        found: str | None = told["reason"]
        assert told["allowed"] == (found is None)
        return found

    assert await reason() is None
    assert await reason(at_theirs) is None
    assert await reason({"Origin": BASE}) is None
    assert await reason({"Origin": "https://evil.example"}) == "origin"
    assert await reason({"Origin": "null"}) == "origin"
    await site.open_liveblog("autre")
    assert await reason(path="/api/v1/liveblogs/autre") == "liveblog"
    assert await reason(partner_id="p_abcdefghijkl") == "unknown"
    await change(site, partner, expires_at=timestamp(now()))
    assert await reason() == "expired"
    await change(site, partner, expires_at=None, enabled=False)
    assert await reason() == "disabled"
    await change(site, partner, enabled=True)
    assert await reason() is None
    problem(await site.reader.get("/api/v1/liveblogs/rien/embed", params={"partner": partner["id"]}), 404)


async def test_an_id_that_none_can_have(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused at once: nobody looks for it, as for one that may be new."""
    looks: list[None] = []
    rules = site.parts.store.partners.rules

    async def looking() -> Rules:
        looks.append(None)
        return await rules()

    monkeypatch.setattr(site.parts.store.partners, "rules", looking)
    for odd in ("", "p_", "p_0A1B2C3D4E5F", "p_0a1b2c3d4e5f%0A", "marees%3Fdelay=3", "%00"):
        refused = problem(await site.reader.get(f"{LIVEBLOG}/snapshot?partner={odd}"), 403)
        assert refused["reason"] == "unknown"
    assert looks == []
    assert problem(await site.reader.get(f"{LIVEBLOG}/snapshot?partner=p_0a1b2c3d4e5f"), 403)["reason"] == "unknown"
    assert looks == [None]


async def test_what_a_widget_is_told(site: Site) -> None:
    """How it is to look, also when it isn't let in; and where to read instead."""
    theme, attribution = {"accent": "#c00"}, {"text": "Avec nous", "url": "https://live.exemple.org/"}
    partner = await take_in(site, theme=theme, attribution=attribution, enabled=False)
    response = await site.reader.get(f"{LIVEBLOG}/embed", params={"partner": partner["id"]})
    assert response.json() == {
        "allowed": False,
        "reason": "disabled",
        "theme": theme,
        "attribution": attribution,
        "fallback_url": f"{BASE}/live/marees",
    }
    assert response.headers["cache-control"] == "no-store"
    whole = (await site.reader.get(f"{LIVEBLOG}/embed")).json()
    assert (whole["allowed"], whole["theme"], whole["attribution"]) == (True, {}, None)


async def test_embedding_by_anyone(site: Site) -> None:
    """The live blog's own setting: anyone, some, nobody. Programs, and its own pages, are always let in."""
    assert (await site.reader.get(LIVEBLOG)).json()["embedding"] == {"mode": "anyone", "origins": []}

    async def status(origin: str | None) -> int:
        headers = {"Origin": origin} if origin else {}
        told = (await site.reader.get(f"{LIVEBLOG}/embed", headers=headers)).json()
        answer = await site.reader.get(f"{LIVEBLOG}/snapshot", headers=headers)
        assert told["allowed"] == (answer.status_code == 200)
        assert answer.status_code == 200 or answer.json()["reason"] == told["reason"] == "embedding"
        return answer.status_code

    origins = [None, BASE, "https://a.example", "https://b.example", "null"]
    assert [await status(origin) for origin in origins] == [200] * 5
    some = {"mode": "origins", "origins": ["https://a.example"]}
    edited = await site.editor.patch(LIVEBLOG, json={"embedding": some}, headers={"If-Match": "*"})
    assert edited.json()["embedding"] == some
    await site.parts.partners.refresh()
    assert [await status(origin) for origin in origins] == [200, 200, 200, 403, 403]
    assert await site.parts.partners.frame_ancestors("marees", None) == "'self' https://a.example"
    await site.editor.patch(LIVEBLOG, json={"embedding": {"mode": "nobody"}}, headers={"If-Match": "*"})
    await site.parts.partners.refresh()
    assert [await status(origin) for origin in origins] == [200, 200, 403, 403, 403]
    assert await site.parts.partners.frame_ancestors("marees", None) == "'self'"
    for bad in ({"mode": "origins"}, {"mode": "nobody", "origins": ["https://a.example"]}, {"mode": "x"}, None):
        answer = await site.editor.patch(LIVEBLOG, json={"embedding": bad}, headers={"If-Match": "*"})
        assert all(pointer.startswith("/embedding") for pointer in bad_fields(answer))


async def test_frame_ancestors(site: Site) -> None:
    """Of a partner's frame: its origins, anyone if it names none."""
    partner, anywhere = await take_in(site), await take_in(site, origins=[])
    expected = "'self' https://www.exemple.fr https://*.exemple.fr"
    assert await site.parts.partners.frame_ancestors("marees", partner["id"]) == expected
    assert await site.parts.partners.frame_ancestors("marees", anywhere["id"]) == "*"
    assert await site.parts.partners.frame_ancestors("marees", None) == "*"


async def test_a_filter(site: Site) -> None:
    """Only what has one of the tags; what has lost it is deleted, for the partner."""
    partner = {"partner": (await take_in(site, tags=["mer", "ciel"]))["id"]}
    sea = await site.publish("<p>1</p>", tags=["mer"], pinned=True, key_event=True)
    await site.publish("<p>2</p>", tags=["terre"], pinned=True, key_event=True)
    sky = await site.publish("<p>3</p>", tags=["ciel", "terre"])
    answer = await site.reader.get(f"{LIVEBLOG}/snapshot", params=partner)
    assert "Origin" in answer.headers["vary"]
    snapshot = answer.json()
    assert [entry["id"] for entry in snapshot["entries"]] == [sky["id"], sea["id"]]
    assert [entry["id"] for entry in snapshot["pinned"] + snapshot["key_events"]] == [sea["id"], sea["id"]]
    assert snapshot["seq"] == 3
    first = await site.reader.get(ENTRIES, params={**partner, "limit": 1})
    assert [entry["id"] for entry in first.json()["items"]] == [sky["id"]]
    assert partner["partner"] in first.headers["link"]
    second = await site.reader.get(ENTRIES, params={**partner, "cursor": first.json()["next_cursor"]})
    assert [entry["id"] for entry in second.json()["items"]] == [sea["id"]]
    assert second.headers["cache-control"] == "public, max-age=1"
    assert "Origin" in second.headers["vary"]
    await site.edit(sea, tags=["terre"])
    after = {"after": f"{snapshot['epoch']}-3"}
    events = (await site.reader.get(f"{LIVEBLOG}/changes", params={**partner, **after})).json()["events"]
    assert events == [{"type": "delete", "seq": 4, "id": sea["id"]}]
    assert (await site.reader.get(f"{LIVEBLOG}/changes", params=after)).json()["events"][0]["type"] == "entry"
    later = (await site.reader.get(f"{LIVEBLOG}/snapshot", params=partner)).json()
    assert [entry["id"] for entry in later["entries"]] == [sky["id"]]


async def test_a_delay(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was; but without what is deleted by now, from the moment of the deletion on."""
    partner = {"partner": (await take_in(site, delay=3600))["id"]}

    async def told(limit: int = 20) -> tuple[list[str], list[JSON]]:
        # A limit of its own asks for what isn't kept yet: no time goes by for the hub here.
        asked = {**partner, "limit": limit}
        snapshot = (await site.reader.get(f"{LIVEBLOG}/snapshot", params=asked)).json()
        entries = (await site.reader.get(ENTRIES, params=asked)).json()["items"]
        assert entries == snapshot["entries"]
        after = {"after": f"{snapshot['epoch']}-{snapshot['seq']}"}
        changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={**asked, **after})).json()
        assert changes["seq"] == snapshot["seq"]
        return [entry["body"] for entry in entries], changes["events"]

    first, second = await site.publish("<p>1</p>"), await site.publish("<p>2</p>")
    assert await told() == ([], [])
    history = site.parts.history
    monkeypatch.setattr(history, "_clock", lambda: now() + HOUR)
    assert await told() == (["<p>2</p>", "<p>1</p>"], [])
    made = now() + HOUR
    monkeypatch.setattr(history, "_clock", lambda: made)
    first = await site.edit(first, body="<p>1 bis</p>")
    assert await told() == (["<p>2</p>", "<p>1</p>"], [])
    await site.delete(second)
    assert await told() == (["<p>1</p>"], [{"type": "gone", "id": second["id"]}])
    monkeypatch.setattr(history, "_clock", lambda: now() + HOUR)
    assert await told(21) == (["<p>1 bis</p>"], [])


async def test_the_widgets_shell_is_as_of_then(site: Site) -> None:
    """It names the live blog as the partner's readers may know it."""
    late, other = [await take_in(site, delay=delay) for delay in (3600, 0)]
    edited = await site.editor.patch(LIVEBLOG, json={"title": "Autre titre"}, headers={"If-Match": "*"})
    assert edited.status_code == 200
    for partner, told in ((late, False), (other, True)):
        query = f"?partner={partner['id']}"
        shell = (await site.reader.get(f"/embed/marees/shell.json{query}")).json()
        snapshot = (await site.reader.get(f"{LIVEBLOG}/snapshot{query}")).json()
        assert ("Autre titre" in shell["html"]) is told
        assert snapshot["liveblog"]["title"] in shell["html"]
