"""The names that may stand in a path, and that nothing happens for anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.convertors import CONVERTOR_TYPES, PathConvertor, StringConvertor
from starlette.routing import Mount, Route, WebSocketRoute, compile_path
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from liveserver.domain.ids import SLUG_MAX, new_id, new_partner_id
from liveserver.domain.inputs.fields import Slug
from liveserver.http.pages.fast_path import FastPath
from liveserver.http.route_params import ID, PARTNER_ID, SLUG
from liveserver.server.protocols.framing import TARGET_MAX
from tests.support.api.site import BASE, OURS, STOCK, Stack, database_away, problem
from tests.support.api.site import SLUG as MAREES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.convertors import Convertor
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from tests.support.api.site import LiveSite, Site

GOOD = {
    CONVERTOR_TYPES["slug"]: MAREES,
    CONVERTOR_TYPES["id"]: "0192c0de-0000-7000-8000-000000000000",
    CONVERTOR_TYPES["partner"]: "p_0a1b2c3d4e5f",
    CONVERTOR_TYPES["user"]: "u_0a1b2c3d4e5f",
    CONVERTOR_TYPES["session"]: "0a1b2c3d4e5f6789",
    CONVERTOR_TYPES["identity"]: "0a1b2c3d4e5f6789",
    CONVERTOR_TYPES["key"]: "0a1b2c3d4e5f",
    CONVERTOR_TYPES["picture"]: f"{'0' * 32}-480x320.jpg",
    CONVERTOR_TYPES["hash"]: "0" * 16,
    CONVERTOR_TYPES["number"]: "1",
}
ODD = [
    f"{MAREES}%3Fdelay=795",
    f"{MAREES}%3Fdelay%3D0%26tag%3Dmer",
    f"{MAREES}%3Fx",
    *(
        "A",
        "a--b",
        "-a",
        "a-",
        "a_b",
        "a.b",
        "a%20b",
        "a%00",
        "%00",
        "a%0A",
        "a%0D%0AX:%20y",
        "%C3%A9",
        "%FF",
        "%D9%A1",
    ),
    "%EF%BC%91",
    "a" * (SLUG_MAX + 1),
    "9" * 5_000,
    "0192C0DE-0000-7000-8000-000000000000",
    "0192c0de-0000-7000-8000-00000000000g-",
    "p_0A1B2C3D4E5F",
]


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Both answer a handshake that leads nowhere."""
    chosen: Stack = request.param
    return chosen


def leaves(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, dict[str, Convertor[object]], bool]]:
    """Every path that has a route: how it is put together, of what, and whether a WebSocket is there."""
    for route in routes:
        if isinstance(route, Mount):
            yield from leaves(route.routes, prefix + route.path)
        else:
            assert isinstance(route, Route | WebSocketRoute)
            yield prefix + route.path_format, dict(route.param_convertors), isinstance(route, WebSocketRoute)


def odd_paths(site: Site, *, websocket: bool) -> Iterator[str]:
    """Every path that varies, with something odd in one of its places."""
    for path, forms, is_websocket in leaves(site.app.routes):
        if is_websocket is websocket:
            good = {name: GOOD[form] for name, form in forms.items()}
            for name in forms:
                yield from (path.format_map({**good, name: odd}) for odd in ODD)


def test_every_part_that_varies_has_a_form(site: Site) -> None:
    """Starlette's own take nearly everything."""
    assert {form for _, forms, _ in leaves(site.app.routes) for form in forms.values()} == set(GOOD)
    assert not {StringConvertor, PathConvertor} & set(map(type, GOOD))


@given(st.text(st.sampled_from("ab01-?_.A\n/é١ "), max_size=8) | st.text("a", min_size=95, max_size=105) | st.text())
def test_a_slug_is_what_can_be_made(text: str) -> None:
    """A live blog with that slug can be opened if, and only if, a path leads to it."""
    try:
        TypeAdapter(Slug).validate_python(text)
        can_be_made = True
    except ValidationError:
        can_be_made = False
    for before, after in (("/live/", ""), ("/live/", "/"), ("/a/", "/ws")):
        pattern, _, _ = compile_path(f"{before}{SLUG}{after}")
        match = pattern.match(f"{before}{text}{after}")
        assert (match is not None and match["slug"] == text) is can_be_made


def test_ids_that_are_made() -> None:
    """They have a path."""
    for made, part in ((new_id, ID), (new_partner_id, PARTNER_ID)):
        pattern, _, _ = compile_path(f"/x/{part}")
        for _ in range(100):
            assert pattern.match(f"/x/{made()}")


@pytest.mark.slow
async def test_odd_paths_lead_nowhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """404 for people and for programs, to readers and editors, whatever the method; and nobody asked the database."""
    await site.reader.get(f"/live/{MAREES}")
    paths = list(odd_paths(site, websocket=False))
    assert len(paths) > 30 * len(ODD)
    with database_away(monkeypatch):
        for path in paths:
            people = path.startswith("/live/")
            response = await site.reader.get(path)
            assert response.status_code == 404, path
            assert response.headers["content-type"].startswith("text/html" if people else "application/problem+json")
            if not people:
                # A widget whose page has mistyped the slug is to see what it is.
                assert response.headers["access-control-allow-origin"] == "*"
        for path in paths[:: len(ODD) // 2]:
            for method in ("POST", "PATCH", "DELETE", "PUT", "HEAD"):
                assert (await site.editor.request(method, path)).status_code == 404, path
            page = await site.reader.get(path, headers={"Accept": "text/html"})
            assert page.status_code == 404
    assert list(site.parts.hub.channels()) == []


async def test_odd_handshakes_lead_nowhere(live_site: LiveSite) -> None:
    """404 too: a slug of the right form that isn't there is told by a close code, so that browsers can tell it."""
    for path in odd_paths(live_site, websocket=True):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(live_site.url(path, "ws")):
                raise AssertionError(path)
        # Our own protocol doesn't even look for what is too long.
        assert refused.value.response.status_code in ({404} if len(path) <= TARGET_MAX else {404, 414})
    with pytest.raises(InvalidStatus) as refused:
        async with connect(live_site.url("/nowhere", "ws")):
            raise AssertionError
    assert refused.value.response.status_code == 404
    assert list(live_site.parts.hub.channels()) == []


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/sitemap.xml", f"/live/{MAREES}/feed.json", "/docs"])
async def test_a_line_feed_leads_nowhere(site: Site, path: str) -> None:
    """A proxy that keeps a path to itself goes by the whole of it."""
    assert (await site.reader.get(path)).status_code == 200
    assert (await site.reader.get(f"{path}%0A")).status_code == 404


async def test_several_ranges_of_a_file_are_the_whole(site: Site) -> None:
    """Each part would be opened, read and framed by itself."""
    path = "/static/icon.svg"
    whole = await site.reader.get(path)
    one = await site.reader.get(path, headers={"Range": "bytes=0-3"})
    assert (one.status_code, one.content) == (206, whole.content[:4])
    several = await site.reader.get(path, headers={"Range": "bytes=0-0,4-4,8-8"})
    assert (several.status_code, several.content) == (200, whole.content)


async def test_an_error_page_without_another_look(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live blog that wasn't found a moment ago isn't looked for again."""
    looked: list[str] = []
    liveblog = site.parts.store.liveblogs.find

    async def looking(slug: str) -> object:
        looked.append(slug)
        return await liveblog(slug)

    monkeypatch.setattr(site.parts.store.liveblogs, "find", looking)
    assert (await site.reader.get("/live/rien")).status_code == 404
    assert looked == []
    entry = await site.reader.get(f"/live/{MAREES}/entries/{GOOD[CONVERTOR_TYPES['id']]}")
    assert f'href="{BASE}/live/{MAREES}"' in entry.text
    assert looked == [MAREES]


async def test_the_way_past_the_routes_takes_slugs_only(site: Site) -> None:
    """A name that can't be a slug goes to the routes, though a page were held under that name."""
    passed: list[str] = []

    async def routes(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["path"])

    async def receive() -> dict[str, object]:
        raise AssertionError

    async def send(message: object) -> None:
        raise AssertionError

    class Everything:
        """PageCache that hold whatever they are asked for."""

        def held(self, *_: object) -> None:
            raise AssertionError("it was asked for")

    class Parts:
        renditions = Everything()

    paths = [f"/live/{MAREES}\n", f"/live/{MAREES}?delay=3", "/live/A", "/live/", "/live/a/b", "/live/" + "a" * 101]
    for path in paths:
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "root_path": "", "headers": []}
        await FastPath(routes)({**scope, "state": {"services": Parts()}}, receive, send)
    assert passed == paths


async def test_problems_name_what_is_not_there(site: Site) -> None:
    """As they do of any path that leads nowhere."""
    for path, told in (("Marees", "Marees"), (f"{MAREES}%3Fdelay=795/snapshot", f"{MAREES}?delay=795/snapshot")):
        content = problem(await site.reader.get(f"/api/v1/liveblogs/{path}"), 404)
        assert content["detail"] == f"nothing is at /api/v1/liveblogs/{told}"
