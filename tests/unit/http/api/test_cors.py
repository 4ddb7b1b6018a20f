"""Reading is allowed from any origin; that is what a partner's page needs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.support.api.site import BASE, ENTRIES, LIVEBLOG, SLUG, problem

if TYPE_CHECKING:
    from tests.support.api.site import JSON, Site

OURS, THEIRS, OTHERS = BASE, "https://theirs.example", "https://others.example"
ALLOWED = "access-control-allow-origin"
REFUSED = {
    "live blog": LIVEBLOG,
    "entries": ENTRIES,
    "entry": f"{ENTRIES}/{{id}}",
    "snapshot": f"{LIVEBLOG}/snapshot",
    "changes": f"{LIVEBLOG}/changes?after=aaaa-0",
    "shell": f"/embed/{SLUG}/shell.json",
    "fragment": f"/embed/{SLUG}/fragment",
    "oembed": f"/oembed?url={BASE}/live/{SLUG}",
}
"""Paths that are answered with 403 where a script may not read them."""
WITHHELD = {
    **{kind: f"/live/{SLUG}/feed.{kind}" for kind in ("rss", "atom", "json")},
    "card": f"/live/{SLUG}/card.png",
    "entry's card": f"/live/{SLUG}/entries/{{id}}/card.png",
}
"""Paths that are answered to all, without the permission that a script of another site needs."""


def named(origin: str | None) -> JSON:
    """The header by which a browser names the page that asks."""
    return {} if origin is None else {"Origin": origin}


async def restrict(site: Site, mode: str, *origins: str) -> None:
    """Let the live blog be for some sites only."""
    limits = {"embedding": {"mode": mode, "origins": list(origins)}}
    assert (await site.editor.patch(LIVEBLOG, json=limits, headers={"If-Match": "*"})).status_code == 200


@pytest.mark.parametrize("origin", ["https://partner.example", "http://localhost:3000", "null"])
async def test_any_origin_reads(site: Site, origin: str) -> None:
    """Also a sandboxed frame, whose origin is `null`; no cookie is ever asked for."""
    entry = await site.publish()
    for path in ("/api/v1/liveblogs", LIVEBLOG, ENTRIES, f"{ENTRIES}/{entry['id']}", f"{LIVEBLOG}/snapshot"):
        response = await site.reader.get(path, headers={"Origin": origin})
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
        exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
        assert exposed == {"ETag", "Link", "Retry-After"}


async def test_errors_can_be_read_too(site: Site) -> None:
    """Otherwise a widget couldn't tell a live blog that is gone from a network that is down."""
    entry = await site.publish()
    await site.delete(entry)
    for path, status in {
        "/api/v1/liveblogs/rien/snapshot": 404,
        f"{ENTRIES}/{entry['id']}": 410,
        f"{LIVEBLOG}/changes": 422,
        "/api/v1/liveblogs/rien/events": 404,
    }.items():
        response = await site.reader.get(path, headers={"Origin": "https://partner.example"})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == "*"


async def test_not_modified_too(site: Site) -> None:
    """The browser needs it on a 304 as well."""
    origin = {"Origin": "null"}
    tag = (await site.reader.get(LIVEBLOG, headers=origin)).headers["etag"]
    response = await site.reader.get(LIVEBLOG, headers={**origin, "If-None-Match": tag})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (304, "*")


async def test_preflight(site: Site) -> None:
    """A conditional read may be sent; writing with a key from another site's page may not."""
    asked = {"Origin": "https://partner.example", "Access-Control-Request-Method": "GET"}
    response = await site.reader.options(LIVEBLOG, headers={**asked, "Access-Control-Request-Headers": "if-none-match"})
    assert response.status_code == 200
    assert "If-None-Match" in response.headers["access-control-allow-headers"]
    for refused in (
        {"Access-Control-Request-Method": "POST"},
        {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"},
    ):
        response = await site.reader.options(ENTRIES, headers={**asked, **refused})
        assert response.status_code == 400


async def test_nothing_else_is_open(site: Site) -> None:
    """Pages, metrics and the rest belong to this site."""
    for path in ("/", "/live/marees", "/healthz", "/metrics", "/docs", "/openapi.json"):
        response = await site.reader.get(path, headers={"Origin": "https://partner.example"})
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("path", [*REFUSED.values(), *WITHHELD.values()], ids=[*REFUSED, *WITHHELD])
async def test_what_is_for_some_sites(site: Site, path: str) -> None:
    """Scripts of others don't read it, nor does what programs were answered open it to them; all others read on."""
    path = path.format(id=(await site.publish())["id"])
    # A second time it comes from memory, where what is for one must not be taken for what is for another.
    for _ in range(2):
        assert (await site.reader.get(path, headers=named(OTHERS), follow_redirects=True)).headers[ALLOWED] == "*"
    await restrict(site, "origins", THEIRS)
    for _ in range(2):
        for client in (site.reader, site.editor):
            program = await client.get(path, follow_redirects=True)
            assert (program.status_code, program.headers.get(ALLOWED)) == (200, None)
            theirs = await client.get(path, headers=named(THEIRS), follow_redirects=True)
            assert (theirs.status_code, theirs.headers[ALLOWED], theirs.content) == (200, "*", program.content)
            assert (await client.get(path, headers=named(OURS), follow_redirects=True)).status_code == 200
            others = await client.get(path, headers=named(OTHERS), follow_redirects=True)
            for answer in (program, theirs):
                assert "Origin" in answer.headers["vary"]
            if path in WITHHELD.values() or "card" in path:
                assert (others.status_code, others.headers.get(ALLOWED)) == (200, None)
                assert "Origin" in others.headers["vary"]
            else:
                assert problem(others, 403)["reason"] == "embedding"


async def test_a_list_leaves_out_what_is_for_others(site: Site) -> None:
    """Title and summary are for those that may show it, as everything is that stands below them."""
    await site.open_liveblog("ouvert")
    await restrict(site, "nobody")

    async def listed(origin: str | None) -> set[str]:
        answer = await site.reader.get("/api/v1/liveblogs", headers=named(origin))
        assert "Origin" in answer.headers["vary"]
        return {liveblog["slug"] for liveblog in answer.json()["items"]}

    assert await listed(None) == await listed(OURS) == {SLUG, "ouvert"}
    assert await listed(OTHERS) == {"ouvert"}


async def test_a_partner_reads_the_shell(site: Site) -> None:
    """It gets the parts of its widget as it gets the entries: by its id, from its own pages."""
    await restrict(site, "nobody")
    made = await site.editor.post("/api/v1/partners", json={"name": "Le Phare", "origins": [THEIRS]})
    partner = {"partner": made.json()["id"]}
    path = REFUSED["shell"]
    assert (await site.reader.get(path, params=partner, headers=named(THEIRS))).headers[ALLOWED] == "*"
    assert problem(await site.reader.get(path, params=partner, headers=named(OTHERS)), 403)["reason"] == "origin"
    assert problem(await site.reader.get(path, headers=named(THEIRS)), 403)["reason"] == "embedding"
    assert ALLOWED not in (await site.reader.get(path, params=partner)).headers


async def test_what_a_list_leaves_out_has_no_name_in_it(site: Site) -> None:
    """Not in the cursor either, which leads on to what comes after it."""
    for slug in ("secret-launch", "public"):
        await site.open_liveblog(slug, embedding={"mode": "nobody" if slug.startswith("secret") else "anyone"})
    found, path = [], "/api/v1/liveblogs?limit=1"
    while path:
        response = await site.reader.get(path, headers=named(THEIRS))
        cursor = response.json()["next_cursor"]
        assert b"secret" not in base64.urlsafe_b64decode((cursor or "") + "===")
        found += [liveblog["slug"] for liveblog in response.json()["items"]]
        path = f"/api/v1/liveblogs?limit=1&cursor={cursor}" if cursor else ""
    assert found == ["public", SLUG]
