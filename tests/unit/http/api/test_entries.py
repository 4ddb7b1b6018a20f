"""Entries over HTTP: publishing, reading, editing, deleting; drafts and what is scheduled; who changed what."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.access.body_budget import JSON_PER_KEY
from liveserver.content.sanitiser_pool import SMALL, SanitiserPool
from liveserver.domain.entry import CORRECTIONS_MAX
from liveserver.domain.ids import new_id, now
from liveserver.protocol.json_encoding import timestamp
from tests.support.api.site import BASE, ENTRIES, LIVEBLOG, SLUG, TYPOGRAPHY, bad_fields, problem, settled

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.support.api.site import Site

LATER = "2126-11-22T09:30:00.000Z"
EARLIER = "2006-11-22T09:30:00.000Z"
UNKNOWN = "0192f0c1-2345-7abc-8def-0123456789ab"


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
    assert owners == [key_id] * 2


async def test_bodies_on_their_way_are_bounded(site: Site) -> None:
    """Of one key, before anything of one more is read; whatever it says of its length."""
    shown = await site.key("Sport", ["publish"])
    sport, key_id = await site.client(shown), shown.split("_")[1]
    largest, asked = site.parts.settings.max_body_size, 0

    async def body() -> Any:
        nonlocal asked
        asked += 1
        yield b"{}"

    with site.parts.bodies.room(key_id, JSON_PER_KEY * largest - 100):
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
    """Whatever the format: neither into the body nor into what is rendered, on publishing and on editing."""
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


@pytest.mark.parametrize(
    ("given", "status", "moment"),
    [
        ({}, "published", None),
        ({"status": "published"}, "published", None),
        ({"publish_at": EARLIER}, "published", EARLIER),
        ({"status": "published", "publish_at": EARLIER}, "published", EARLIER),
        ({"publish_at": LATER}, "scheduled", LATER),
        ({"status": "scheduled", "publish_at": LATER}, "scheduled", LATER),
        ({"status": "draft"}, "draft", None),
        ({"status": None, "publish_at": None}, "published", None),
    ],
)
async def test_the_status_of_a_new_entry(site: Site, given: dict[str, Any], status: str, moment: str | None) -> None:
    """Follows from `status` and `publish_at`; readers know of published ones only."""
    entry = await site.publish(**given)
    assert entry["status"] == status
    if status == "published":
        assert entry["published_at"] == (moment or entry["updated_at"])
        assert "publish_at" not in entry
    else:
        assert (entry["published_at"], entry["publish_at"], entry["seq"]) == (None, moment, None)
    known = [item["id"] for item in (await site.reader.get(ENTRIES)).json()["items"]]
    assert known == ([entry["id"]] if status == "published" else [])
    assert (await site.position()).endswith("-1" if status == "published" else "-0")


@pytest.mark.parametrize(
    "given",
    [
        {"status": "scheduled"},
        {"status": "draft", "publish_at": LATER},
        {"status": "draft", "publish_at": EARLIER},
        {"status": "published", "publish_at": LATER},
    ],
)
async def test_a_status_and_a_time_that_do_not_go_together(site: Site, given: dict[str, Any]) -> None:
    """The time is named."""
    assert list(bad_fields(await site.editor.post(ENTRIES, json={"body": "x", **given}))) == ["/publish_at"]


DRAFT: dict[str, Any] = {"status": "draft"}
SCHEDULED: dict[str, Any] = {"publish_at": LATER}


@pytest.mark.parametrize(
    ("before", "patch", "status", "moment"),
    [
        (DRAFT, {"body": "autre"}, "draft", None),
        (DRAFT, {"status": "published"}, "published", None),
        (DRAFT, {"status": "published", "publish_at": EARLIER}, "published", EARLIER),
        (DRAFT, {"status": "scheduled", "publish_at": LATER}, "scheduled", LATER),
        (SCHEDULED, {"publish_at": "2127-01-01T00:00:00.000Z"}, "scheduled", "2127-01-01T00:00:00.000Z"),
        (SCHEDULED, {"status": "draft"}, "draft", None),
        (SCHEDULED, {"status": "draft", "publish_at": None}, "draft", None),
        (SCHEDULED, {"status": "published"}, "published", None),
        ({}, {"status": "published"}, "published", None),
    ],
)
async def test_allowed_transitions(
    site: Site, before: dict[str, Any], patch: dict[str, Any], status: str, moment: str | None
) -> None:
    """Drafts and scheduled entries move freely until they are published."""
    entry = await site.edit(await site.publish(**before), **patch)
    assert entry["status"] == status
    if status == "published":
        assert moment in {None, entry["published_at"]}
        assert (await site.reader.get(f"{ENTRIES}/{entry['id']}")).status_code == 200
    else:
        assert (entry["published_at"], entry["publish_at"]) == (None, moment)


@pytest.mark.parametrize(
    ("before", "patch", "answer"),
    [
        ({}, {"status": "draft"}, 409),
        ({}, {"status": "scheduled", "publish_at": LATER}, 409),
        ({}, {"publish_at": EARLIER}, 409),
        (DRAFT, {"publish_at": LATER}, 422),
        (DRAFT, {"status": "scheduled"}, 422),
        (DRAFT, {"status": "published", "publish_at": LATER}, 422),
        (SCHEDULED, {"publish_at": None}, 422),
        (SCHEDULED, {"status": "published", "publish_at": LATER}, 422),
        (SCHEDULED, {"status": "deleted"}, 422),
        (SCHEDULED, {"status": None}, 422),
    ],
)
async def test_forbidden_transitions(site: Site, before: dict[str, Any], patch: dict[str, Any], answer: int) -> None:
    """What readers saw can't be unseen but by deleting it; a time must go with the status. Nothing is changed."""
    entry = await site.publish(**before)
    url = f"{ENTRIES}/{entry['id']}"
    problem(await site.editor.patch(url, json={**patch, "heading": "autre"}, headers={"If-Match": "*"}), answer)
    assert (await site.editor.get(url)).json() == entry


async def test_a_scheduled_entry_is_published_when_due(site: Site) -> None:
    """At the time that was given, and only once."""
    due = now() + timedelta(milliseconds=300)
    entry = await site.publish(publish_at=timestamp(due))
    assert entry["status"] == "scheduled"
    position = f"{await site.position()}"
    url = f"{ENTRIES}/{entry['id']}"

    async def published_now() -> bool:
        return (await site.reader.get(url)).status_code == 200

    await settled(published_now)
    assert datetime.now(UTC) >= due
    published = (await site.reader.get(url)).json()
    assert (published["status"], published["published_at"]) == ("published", timestamp(due))
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={"after": position})).json()
    assert changes["events"] == [{"type": "entry", "seq": 1, "entry": published}]
    revisions = (await site.editor.get(f"{url}/revisions")).json()["items"]
    assert [(item["actor"], item["action"]) for item in revisions] == [
        ("Rédaction", "created"),
        ("schedule", "published"),
    ]


@pytest.mark.parametrize("given", [DRAFT, SCHEDULED])
async def test_what_is_not_published_is_there_for_editors_only(site: Site, given: dict[str, Any]) -> None:
    """404 to anybody else, on every surface; and no cache keeps it."""
    entry = await site.publish("<p>Secret</p>", pinned=True, key_event=True, **given)
    manager = await site.client(await site.key("Gestion", ["manage"]))
    url = f"{ENTRIES}/{entry['id']}"
    for client in (site.reader, manager):
        problem(await client.get(url), 404)
        assert (await client.get(ENTRIES)).json()["items"] == []
        assert "Secret" not in (await client.get(f"{LIVEBLOG}/snapshot")).text
        assert "Secret" not in (await client.get(f"/live/{SLUG}")).text
        assert (await client.get(f"/live/{SLUG}/entries/{entry['id']}")).status_code == 404
    seen = await site.editor.get(url)
    assert seen.json() == entry
    assert seen.headers["cache-control"] == "private, no-store"
    listed = await site.editor.get(ENTRIES)
    assert listed.json()["items"] == [entry]
    assert listed.headers["cache-control"] == "private, no-store"


async def test_editing(site: Site) -> None:
    """What isn't given stays, null empties; the version and the seq grow, the place in the list stays."""
    first = await site.publish(heading="Un", authors=["A"], tags=["x"], source="S", verification="claimed", pinned=True)
    await site.publish("Deux")
    url = f"{ENTRIES}/{first['id']}"
    response = await site.editor.patch(
        url, json={"heading": None, "authors": [], "verification": None}, headers={"If-Match": '"1"'}
    )
    assert (response.status_code, "-2-" in response.headers["etag"]) == (200, True)
    assert response.headers["cache-control"] == "private, no-store"
    edited = response.json()
    changed = {name for name in edited if edited[name] != first[name]}
    assert changed == {"heading", "authors", "verification", "version", "seq", "updated_at", "html"}
    assert (edited["heading"], edited["authors"], edited["verification"]) == (None, [], None)
    assert (edited["version"], edited["seq"]) == (2, 3)
    assert (await site.reader.get(ENTRIES)).json()["items"][1] == edited


async def test_editing_nothing_is_no_change(site: Site) -> None:
    """Neither a version nor a seq is taken."""
    entry = await site.publish(heading="Un")
    for patch in ({}, {"heading": "Un", "body": entry["body"], "status": "published"}):
        assert await site.edit(entry, **patch) == entry
    assert (await site.position()).endswith("-1")


async def test_an_entry_has_so_many_corrections(site: Site) -> None:
    """One more is refused, and other edits aren't."""
    entry = await site.publish()
    for number in range(CORRECTIONS_MAX):
        entry = await site.edit(entry, correction=f"{number}")
    response = await site.editor.patch(
        f"{ENTRIES}/{entry['id']}", json={"correction": "Encore"}, headers={"If-Match": "*"}
    )
    assert (response.status_code, list(bad_fields(response))) == (422, ["/correction"])
    assert len((await site.edit(entry, heading="Titre"))["corrections"]) == CORRECTIONS_MAX


async def test_corrections_add_up(site: Site) -> None:
    """Each is kept with its time, and shown."""
    entry = await site.edit(await site.publish(), correction="Un")
    entry = await site.edit(entry, body="<p>Autre</p>", correction="Deux")
    assert [correction["note"] for correction in entry["corrections"]] == ["Un", "Deux"]
    assert entry["corrections"][1]["at"] == entry["updated_at"]
    assert "Deux" in entry["html"]


async def test_the_format_needs_a_body(site: Site) -> None:
    """It says how the body is written, and nothing else."""
    entry = await site.publish()
    headers = {"If-Match": "*"}
    response = await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={"format": "markdown"}, headers=headers)
    assert list(bad_fields(response)) == ["/format"]


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', ' "1" ', "*"])
async def test_if_match_that_holds(site: Site, tag: str) -> None:
    """A weak tag counts as the strong one, and `*` overwrites whatever is there."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    assert (await site.editor.patch(url, json={"heading": "Un"}, headers={"If-Match": tag})).status_code == 200
    if tag != "*":
        problem(await site.editor.delete(url, headers={"If-Match": tag}), 412)
    assert (await site.editor.delete(url, headers={"If-Match": tag.replace("1", "2")})).status_code == 204


@pytest.mark.parametrize("tag", ["1", '"x"', '"1", "2"', '"', "", '"-1"', '"1234567890"', 'w/"1"'])
async def test_if_match_that_can_not_be_read(site: Site, tag: str) -> None:
    """It is named, and nothing happens."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    assert list(bad_fields(await site.editor.patch(url, json={}, headers={"If-Match": tag}))) == ["If-Match"]
    assert list(bad_fields(await site.editor.delete(url, headers={"If-Match": tag}))) == ["If-Match"]
    assert (await site.reader.get(url)).json() == entry


async def test_if_match_must_be_there(site: Site) -> None:
    """428 for an edit without it; a deletion may go without."""
    entry = await site.publish()
    assert "If-Match" in problem(await site.editor.patch(f"{ENTRIES}/{entry['id']}", json={}), 428)["detail"]
    await site.delete(entry)


async def test_two_editors_at_once(site: Site) -> None:
    """One wins; the other gets 412 with what the first made of it, and can go on from there."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    headers = {"If-Match": '"1"'}
    answers = await asyncio.gather(
        *(site.editor.patch(url, json={"body": f"<p>{name}</p>"}, headers=headers) for name in ("Un", "Deux"))
    )
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, lost.status_code) == (200, 412)
    current = problem(lost, 412)["current"]
    assert current == won.json() == (await site.reader.get(url)).json()
    assert lost.headers["etag"] == won.headers["etag"]
    retried = await site.editor.patch(url, json={"heading": "Ensemble"}, headers={"If-Match": lost.headers["etag"]})
    assert retried.json()["body"] == current["body"]


async def test_deleting(site: Site) -> None:
    """204, then 410 to whatever is asked of it; the tombstone is the next change."""
    entry = await site.publish("<p>À oublier</p>", pinned=True, key_event=True, tags=["x"])
    url, position = f"{ENTRIES}/{entry['id']}", await site.position()
    response = await site.editor.delete(url, headers={"If-Match": '"1"'})
    assert (response.status_code, response.content) == (204, b"")
    for client in (site.reader, site.editor):
        problem(await client.get(url), 410)
    problem(await site.editor.delete(url), 410)
    problem(await site.editor.patch(url, json={"heading": "Retour"}, headers={"If-Match": "*"}), 410)
    problem(await site.editor.patch(url, json={"status": "published"}, headers={"If-Match": '"2"'}), 410)
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={"after": position})).json()
    assert changes["events"] == [{"type": "delete", "seq": 2, "id": entry["id"]}]


async def test_deleting_a_draft_tells_nobody(site: Site) -> None:
    """Readers never knew it."""
    entry = await site.publish(status="draft")
    await site.delete(entry)
    assert (await site.position()).endswith("-0")
    problem(await site.editor.get(f"{ENTRIES}/{entry['id']}"), 410)


@pytest.mark.parametrize(
    "path", [f"{ENTRIES}/{{id}}", *(f"/live/{SLUG}/entries/{{id}}{end}" for end in ("", "?order=oldest", "/card.png"))]
)
async def test_what_readers_never_saw_is_nothing_to_them(site: Site, path: str) -> None:
    """Neither a draft nor a deleted one is told from what there isn't; what they did see is gone."""
    seen, kept = await site.publish(), await site.publish(status="draft")
    unseen = [await site.publish(status="draft"), await site.publish(status="scheduled", publish_at=LATER)]
    for entry in (seen, *unseen):
        await site.delete(entry)
    weak = await site.client(await site.key("Gestion", ["manage"]))

    async def told(client: httpx2.AsyncClient, name: str) -> tuple[int, str]:
        answer = await client.get(path.format(id=name))
        return answer.status_code, answer.text.replace(name, "")

    for client in (site.reader, weak):
        nothing = await told(client, UNKNOWN)
        assert nothing[0] == 404
        assert [await told(client, entry["id"]) for entry in (kept, *unseen)] == [nothing] * 3
        assert (await told(client, seen["id"]))[0] == 410
    for entry in unseen:
        problem(await site.editor.get(f"{ENTRIES}/{entry['id']}"), 410)


async def test_entries_that_are_not_there(site: Site) -> None:
    """404 to every method: unknown ids, ids that are none, and those of another live blog."""
    await site.open_liveblog("autre")
    elsewhere = (await site.publish(slug="autre"))["id"]
    for name in (UNKNOWN, new_id().upper(), elsewhere, "x", "%00", "x" * 500):
        url = f"{ENTRIES}/{name}"
        problem(await site.reader.get(url), 404)
        problem(await site.editor.patch(url, json={}, headers={"If-Match": "*"}), 404)
        problem(await site.editor.delete(url), 404)
        problem(await site.editor.get(f"{url}/revisions"), 404)
    for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{elsewhere}"), ("GET", f"/{elsewhere}/revisions")):
        problem(await site.editor.request(method, f"/api/v1/liveblogs/rien/entries{path}", json={"body": "x"}), 404)


async def test_not_modified(site: Site) -> None:
    """304 while the version holds."""
    entry = await site.publish()
    url = f"{ENTRIES}/{entry['id']}"
    tag = (await site.reader.get(url)).headers["etag"]
    assert (await site.reader.get(url, headers={"If-None-Match": f"W/{tag}"})).status_code == 304
    assert (await site.reader.head(url, headers={"If-None-Match": tag})).status_code == 304
    await site.edit(entry, heading="Autre")
    assert (await site.reader.get(url, headers={"If-None-Match": tag})).json()["heading"] == "Autre"


async def test_revisions(site: Site) -> None:
    """Every state, by whom and when; also after the deletion, but never to readers."""
    other = await site.client(await site.key("Agence", ["publish"]))
    entry = await site.publish("<p>Un</p>", status="draft")
    url = f"{ENTRIES}/{entry['id']}"
    await site.edit(entry, body="<p>Deux</p>")
    await other.patch(url, json={"status": "published"}, headers={"If-Match": "*"})
    published = (await site.reader.get(url)).json()
    await other.delete(url)
    response = await site.editor.get(f"{url}/revisions")
    assert response.headers["cache-control"] == "private, no-store"
    items = response.json()["items"]
    assert [(item["version"], item["actor"], item["action"]) for item in items] == [
        (1, "Rédaction", "created"),
        (2, "Rédaction", "edited"),
        (3, "Agence", "published"),
        (4, "Agence", "deleted"),
    ]
    assert [item["entry"]["body"] for item in items] == ["<p>Un</p>", "<p>Deux</p>", "<p>Deux</p>", ""]
    assert items[2]["entry"] == published
    problem(await site.reader.get(f"{url}/revisions"), 401)
    manager = await site.client(await site.key("Gestion", ["manage"]))
    problem(await manager.get(f"{url}/revisions"), 403)


async def test_pages_of_revisions(site: Site) -> None:
    """As of any list: a cursor, and a link."""
    entry = await site.publish("<p>0</p>")
    for number in range(1, 4):
        entry = await site.edit(entry, body=f"<p>{number}</p>")
    url: str | None = f"{ENTRIES}/{entry['id']}/revisions?limit=3"
    pages = []
    while url is not None:
        response = await site.editor.get(url)
        pages.append([item["entry"]["body"] for item in response.json()["items"]])
        url = response.links["next"]["url"] if response.json()["next_cursor"] else None
    assert pages == [["<p>0</p>", "<p>1</p>", "<p>2</p>"], ["<p>3</p>"]]
    for query in ("limit=0", "limit=101", "cursor=x", "page=2"):
        response = await site.editor.get(f"{ENTRIES}/{entry['id']}/revisions?{query}")
        assert response.status_code == (200 if query == "page=2" else 422)


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
