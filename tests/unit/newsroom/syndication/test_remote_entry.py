"""An entry of another server as it becomes here."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from liveserver.content.media.picture import Picture
from liveserver.content.sanitiser import sanitise
from liveserver.domain.entry import EntryStatus, Via
from liveserver.domain.errors import InvalidInput
from liveserver.newsroom.syndication import remote_entry
from tests.support.store_samples import at

THEIRS = "0123456789abcdef0123456789abcdef-160x80.webp"
OURS = Picture("f" * 32, 160, 80, "webp")
VIA = Via("Le Phare", "https://there.example/live/x/entries/1")


def data(**fields: Any) -> dict[str, Any]:
    """An entry as the other server sends it."""
    return {
        "id": "01935000-0000-7000-8000-000000000001",
        "seq": 7,
        "version": 1,
        "status": "published",
        "heading": None,
        "body": "<p>Bonjour</p>",
        "html": "<article><script>alert(1)</script></article>",
        "authors": ["Léa"],
        "key_event": True,
        "breaking": False,
        "pinned": False,
        "tags": ["mer"],
        "verification": "claimed",
        "source": "Un pêcheur",
        "corrections": [{"at": "2026-11-22T12:00:03.000Z", "note": "Non."}],
        "published_at": "2026-11-22T12:00:01.000Z",
        "updated_at": "2026-11-22T12:00:03.000Z",
        "url": "https://there.example/live/x/entries/1",
        "later": "what a newer server says",
        **fields,
    }


def test_an_entry() -> None:
    """All it says, as it says it; its HTML and its ids are ours."""
    entry = remote_entry.entry_of(remote_entry.read(data(version=2)), "<p>Bonjour</p>", VIA)
    assert (entry.status, entry.id, entry.seq, entry.via) == (EntryStatus.PUBLISHED, "", None, VIA)
    assert (entry.authors, entry.tags, entry.key_event, entry.source) == (("Léa",), ("mer",), True, "Un pêcheur")
    assert (entry.published_at, entry.created_at, entry.updated_at) == (at(1), at(1), at(3))
    assert [(correction.at, correction.note) for correction in entry.corrections] == [(at(3), "Non.")]


def test_one_that_was_backdated_was_not_edited() -> None:
    assert remote_entry.entry_of(remote_entry.read(data()), "x", VIA).created_at == at(3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../x"),
        ("id", 7),
        ("version", 0),
        ("heading", "x" * 301),
        ("heading", "\x1b[31m"),
        ("body", ""),
        ("body", "x" * 100_001),
        ("authors", "Léa"),
        ("authors", ["x"] * 2 + ["y" * 101]),
        ("pinned", "yes"),
        ("tags", [str(number) for number in range(21)]),
        ("verification", "sworn"),
        ("corrections", [{"at": "2026-11-22T12:00:00Z", "note": "x"}] * 201),
        ("corrections", [{"at": 0, "note": "x"}]),
        ("published_at", None),
        ("published_at", "2026"),
        ("updated_at", 1_763_812_800),
        ("url", "javascript:alert(1)"),
        ("url", "https://"),
    ],
)
def test_what_isnt_believed(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        remote_entry.read(data(**{field: value}))
    assert caught.value.errors[0].pointer.startswith(f"/{field}")


def test_a_picture_is_ours_where_it_is_here() -> None:
    body = sanitise(f'<p>Voyez.</p><figure><img src="https://there.example/media/{THEIRS}" alt="A &amp; B"></figure>')
    assert remote_entry.pictures_of(body) == {THEIRS: "A & B"}
    assert remote_entry.with_pictures(body, {THEIRS: OURS}) == body.replace(THEIRS, OURS.name)
    assert remote_entry.with_pictures(body, {}) == "<p>Voyez.</p>"


def test_without_its_pictures_an_entry_says_what_they_show() -> None:
    body = sanitise(f'<figure><img src="/media/{THEIRS}" alt="A &lt; B"></figure>')
    assert remote_entry.with_pictures(body, {}) == "<p>A &lt; B</p>"
    assert (
        remote_entry.with_pictures(sanitise(f'<figure><img src="/media/{THEIRS}" alt=""></figure>'), {}) == "<p>…</p>"
    )


def test_so_many_pictures_at_most() -> None:
    names = [f"{number:032x}-160x80.jpg" for number in range(30)]
    body = sanitise("".join(f'<figure><img src="/media/{name}" alt="x"></figure>' for name in names))
    assert list(remote_entry.pictures_of(body)) == names[:20]


def test_the_id_of_a_picture() -> None:
    """Is the same each time, another for each live blog, server and file, and a UUID."""
    ids = {
        remote_entry.media_id_of(slug, server, name)
        for slug in ("a", "b")
        for server in ("https://x.example", "https://y.example")
        for name in (THEIRS, OURS.name)
        for _ in range(2)
    }
    assert len(ids) == 8
    assert {(uuid.UUID(each).version, uuid.UUID(each).variant) for each in ids} == {(8, uuid.RFC_4122)}
