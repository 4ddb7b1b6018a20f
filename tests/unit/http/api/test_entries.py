"""New entries over HTTP: their fields, their bodies, and the keys that may write them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.access.body_budget import JSON_PER_SENDER
from liveserver.content.sanitiser_pool import SMALL, SanitiserPool
from tests.support.api.site import BASE, ENTRIES, SLUG, TYPOGRAPHY, bad_fields, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.api.site import Site


async def test_long_texts_take_the_share_of_their_key(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """New ones, and edits."""
    owners: list[object] = []

    async def run(_: object, work: Callable[[str], str], body: str, *, owner: object) -> str:
        owners.append(owner)
        return work(body)

    monkeypatch.setattr(SanitiserPool, "run", run)
    shown = await site.key("Sport", ["publish"])
    sport, key_id = await site.client(shown), shown.split("_")[1]
    response = await sport.post(ENTRIES, json={"body": "a" * (SMALL + 1)})
    one = f"{ENTRIES}/{response.json()['id']}"
    response = await sport.patch(one, json={"body": "b" * (SMALL + 1)}, headers={"If-Match": "*"})
    assert response.status_code == 200, response.text
    assert owners == [f"key:{key_id}"] * 2


async def test_bodies_on_their_way_are_bounded(site: Site) -> None:
    """Of one key, before anything of one more is read; whatever it says of its length."""
    shown = await site.key("Sport", ["publish"])
    sport, key_id = await site.client(shown), shown.split("_")[1]
    largest, asked = site.parts.settings.max_body_size, 0

    async def body() -> Any:
        nonlocal asked
        asked += 1
        yield b"{}"

    with site.parts.bodies.room(f"key:{key_id}", JSON_PER_SENDER * largest - 100):
        response = await sport.post(ENTRIES, content=body(), headers={"Content-Type": "application/json"})
        assert "as much at once as it may" in problem(response, 429)["detail"]
        assert asked == 0
        assert (await sport.post(ENTRIES, json={"body": "x"})).status_code == 201
        assert (await site.editor.post(ENTRIES, json={"body": "x" * 1_000})).status_code == 201
    response = await sport.post(ENTRIES, content=body(), headers={"Content-Type": "application/json"})
    assert set(bad_fields(response)) == {"/body"}
    assert asked == 1
    assert site.parts.bodies.held == len(site.parts.bodies) == 0


async def test_publishing(site: Site) -> None:
    """201 with the entry as it is stored; reading it gives the same."""
    given = {
        "body": "<p>La mer monte.</p>",
        "heading": "Marée",
        "authors": ["A. Le Goff", "AFP"],
        "key_event": True,
        "breaking": True,
        "pinned": True,
        "tags": ["mer", "été"],
        "verification": "claimed",
        "source": "la préfecture",
    }
    response = await site.editor.post(ENTRIES, json=given)
    assert response.status_code == 201
    entry = response.json()
    assert {name: entry[name] for name in given} == given
    assert (entry["seq"], entry["version"], entry["status"]) == (1, 1, "published")
    assert (entry["corrections"], entry["published_at"]) == ([], entry["updated_at"])
    assert "publish_at" not in entry
    assert entry["url"] == f"{BASE}/live/{SLUG}/entries/{entry['id']}"
    assert entry["html"].startswith("<article")
    assert entry["html"].count("<article") == 1
    assert response.headers["location"] == f"{BASE}{ENTRIES}/{entry['id']}"
    epoch = (await site.parts.store.liveblogs.find(SLUG)).epoch
    assert response.headers["etag"].startswith(f'"{epoch}-1-')
    assert response.headers["cache-control"] == "private, no-store"
    read = await site.reader.get(response.headers["location"])
    assert (read.json(), read.headers["etag"]) == (entry, response.headers["etag"])
    assert read.headers["cache-control"] == "public, no-cache"


async def test_the_defaults(site: Site) -> None:
    """Only the body is needed; authors and tags are named once."""
    entry = await site.publish("Bref.", authors=["A", "B", "A"], tags=["x", "x"])
    assert (entry["heading"], entry["authors"], entry["tags"]) == (None, ["A", "B"], ["x"])
    assert [entry[flag] for flag in ("key_event", "breaking", "pinned")] == [False] * 3


async def test_typography_is_kept_to_the_byte(site: Site) -> None:
    """In every field, through the database and back."""
    body = f"<p>{TYPOGRAPHY}</p>\n<p>Deux\nlignes</p>"
    fields: dict[str, Any] = {
        "heading": TYPOGRAPHY,
        "authors": [TYPOGRAPHY],
        "tags": [TYPOGRAPHY[:60]],
        "source": TYPOGRAPHY,
    }
    entry = await site.publish(body, **fields)
    corrected = await site.edit(entry, correction=TYPOGRAPHY)
    for answer in (entry, corrected, (await site.reader.get(f"{ENTRIES}/{entry['id']}")).json()):
        assert {name: answer[name] for name in fields} == fields
        assert answer["body"] == body
        assert body in answer["html"]
    assert corrected["corrections"][0]["note"] == TYPOGRAPHY


async def test_markdown(site: Site) -> None:
    """It is stored as the HTML that it means."""
    entry = await site.publish("**Gras**, ~~faux~~ et [lien](https://example.org)\n\n- un", format="markdown")
    assert entry["body"] == (
        "<p><strong>Gras</strong>, <s>faux</s> et "
        '<a href="https://example.org" rel="noopener noreferrer">lien</a></p>\n'
        "<ul>\n<li>un</li>\n</ul>"
    )


HOSTILE = [
    "<script>alert(1)</script>",
    '<img src="x" onerror="alert(1)">',
    '<a href="javascript:alert(1)">x</a>',
    '<p style="position:fixed" onclick="alert(1)" id="entries" class="news" data-news="">x</p>',
    '<iframe src="https://evil.example"></iframe>',
    '<form action="https://evil.example"><input name="q"><button>x</button></form>',
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<style>*{display:none}</style>",
    '<base href="https://evil.example">',
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    "</article></main><h1>x",
    "<!-- --!><img src=x onerror=alert(1)> -->",
]


HARMLESS = {"p", "h3", "a", "footer", "time", "ul", "li", "pre", "code", "span"}


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """The elements of some HTML with their attributes."""
    found: list[tuple[str, dict[str, str | None]]] = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Collector().feed(html)
    return found


@pytest.mark.parametrize("markup", ["html", "markdown"])
async def test_nothing_active_gets_in(site: Site, markup: str) -> None:
    """No format lets anything active into the body or into the rendered HTML, on publishing and on editing."""
    published = [await site.publish(f"avant {hostile} après", format=markup) for hostile in HOSTILE]
    edited = [await site.edit(published[0], body=f"avant {hostile} après", format=markup) for hostile in HOSTILE[:1]]
    for entry in [*published, *edited]:
        assert "avant" in entry["body"]
        assert entry["html"].count("</article>") == 1
        shown, ours, end = entry["html"].partition('<div class="entry-body">')[2].rpartition('<button class="share"')
        assert ours
        assert "<" not in end.partition("</button>")[0]
        for text in (entry["body"], shown):
            for tag, attributes in elements(text):
                assert tag in HARMLESS
                assert set(attributes) <= {"href", "rel", "class", "datetime"}
                assert not (attributes.get("href") or "").startswith("javascript")


async def test_plain_fields_are_no_html(site: Site) -> None:
    """They are kept as they are, and escaped where they are shown."""
    evil = '"><script>alert(1)</script>&amp;'
    entry = await site.publish("x", heading=evil, authors=[evil], tags=[evil], source=evil, verification="denied")
    entry = await site.edit(entry, correction=evil)
    assert (entry["heading"], entry["authors"], entry["tags"]) == (evil, [evil], [evil])
    assert "<script" not in entry["html"]


@pytest.mark.parametrize("body", ["<script>x</script>", "<p> \u00a0</p>", "<hr>", "<!-- x -->", "<iframe></iframe>"])
async def test_a_body_of_which_nothing_is_left(site: Site, body: str) -> None:
    """It is refused."""
    assert list(bad_fields(await site.editor.post(ENTRIES, json={"body": body}))) == ["/body"]
    entry = await site.publish()
    response = await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={"body": body}, headers={"If-Match": "*"})
    assert list(bad_fields(response)) == ["/body"]


async def test_every_bad_field_is_named_at_once(site: Site) -> None:
    """By its JSON pointer, down to the item of a list."""
    bad: dict[str, Any] = {
        "body": "a\x00b",
        "format": "rtf",
        "heading": "a\nb",
        "authors": ["A", "", "x" * 101],
        "key_event": 1,
        "breaking": "yes",
        "pinned": None,
        "tags": "mer",
        "verification": "maybe",
        "source": "x" * 301,
        "status": "deleted",
        "publish_at": "demain",
        "seq": 7,
    }
    names = {
        *("/body", "/format", "/heading", "/authors/1", "/authors/2", "/key_event", "/breaking", "/pinned", "/tags"),
        *("/verification", "/source", "/status", "/publish_at", "/seq"),
    }
    assert set(bad_fields(await site.editor.post(ENTRIES, json=bad))) == names
    entry = await site.publish()
    headers = {"If-Match": "*"}
    response = await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={**bad, "correction": ""}, headers=headers)
    assert set(bad_fields(response)) == names | {"/correction"}
    assert (await site.reader.get(f"{ENTRIES}/{entry['id']}")).json() == entry


@pytest.mark.parametrize("body", [None, "", " \n", "x" * 100_001, 7, ["x"]])
async def test_bad_bodies(site: Site, body: object) -> None:
    """There must be one, of at most 100,000 characters."""
    assert list(bad_fields(await site.editor.post(ENTRIES, json={"body": body}))) == ["/body"]


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-22",
        "2026-11-22T09:30:00",
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "1700000000",
        1_700_000_000,
        True,
    ],
)
async def test_bad_times(site: Site, moment: object) -> None:
    """A time is RFC 3339 with its offset, and one that a clock may show."""
    response = await site.editor.post(ENTRIES, json={"body": "x", "publish_at": moment})
    assert list(bad_fields(response)) == ["/publish_at"]


async def test_the_offset_of_a_time_counts(site: Site) -> None:
    """It is told in UTC, in milliseconds."""
    entry = await site.publish(publish_at="2006-11-22T09:30:00.123987+02:00")
    assert entry["published_at"] == "2006-11-22T07:30:00.123Z"


async def test_writing_needs_the_scope_publish(site: Site) -> None:
    """401 without a key, 403 with one that may only manage; nothing is written."""
    entry = await site.publish()
    manager = await site.client(await site.key("Gestion", ["manage"]))
    url = f"{ENTRIES}/{entry['id']}"
    for client, status in ((site.reader, 401), (manager, 403)):
        problem(await client.post(ENTRIES, json={"body": "x"}), status)
        problem(await client.patch(url, json={"body": "x"}, headers={"If-Match": "*"}), status)
        problem(await client.delete(url), status)
    assert (await site.reader.get(ENTRIES)).json()["items"] == [entry]
