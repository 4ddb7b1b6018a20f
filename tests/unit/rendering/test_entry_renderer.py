"""Entries as HTML, and what they are called where they have no heading."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver.content.plain_text import plain_text
from liveserver.domain.entry import Correction, Verification
from liveserver.rendering import cooperative, entry_renderer
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.page_models import PageView
from liveserver.rendering.urls import Urls
from tests.support.documents import ENTRIES, LIVEBLOG, NOON, PAGES, SITE, Document, an_entry, entry_document, id_of


class TestEntry:
    """One entry as an article."""

    def test_attributes(self) -> None:
        """The facts that a script must know of an entry stand in its attributes."""
        entry = an_entry(7, heading='Un "but" <b>', key_event=True, version=3, updated_at=NOON + timedelta(minutes=5))
        article = entry_document(entry).one("article")
        assert article.attributes == {
            "class": "entry entry-key",
            "id": f"entry-{entry.id}",
            "data-id": entry.id,
            "data-seq": "7",
            "data-version": "3",
            "data-published-at": "2026-11-22T12:07:00.000Z",
            "data-updated-at": "2026-11-22T12:12:00.000Z",
            "data-day": "2026-11-22",
            "data-day-label": "dimanche 22 novembre 2026",
            "data-title": 'Un "but" <b>',
            "data-key-event": "true",
            "data-pinned": "false",
            "aria-labelledby": f"entry-{entry.id}-time entry-{entry.id}-heading",
        }

    def test_time_is_the_permalink(self) -> None:
        """The time is the live blog's own, in its language's manner, and unambiguous in the title."""
        document = entry_document(an_entry(1))
        assert document.one("time").text == "22\u00a0nov. à 13\u00a0h\u00a007"
        assert document.one("span", class_="entry-date").text == "22\u00a0nov. à "
        assert document.one("time")["datetime"] == "2026-11-22T12:07:00.000Z"
        link = document.one("a", class_="entry-time")
        assert link["href"] == f"{SITE}/live/match/entries/{id_of(1)}"
        assert "dimanche 22 novembre 2026, 13\u00a0h\u00a007 (heure normale d’Europe centrale)" in str(link["title"])
        assert (
            entry_document(an_entry(1), language="en", timezone="Europe/London").one("time").text
            == "22\u00a0Nov, 12:07"
        )

    def test_hour_that_a_change_of_clocks_repeats(self) -> None:
        """The two half past twos of an October night differ by the name of their zone."""
        titles = [
            entry_document(an_entry(1, datetime(2026, 10, 25, hour, 30, tzinfo=UTC))).one("a")["title"]
            for hour in (0, 1)
        ]
        assert [re.findall(r"\d+.h.\d+ \(heure \w+", str(title)) for title in titles] == [
            ["2\u00a0h\u00a030 (heure d"],
            ["2\u00a0h\u00a030 (heure normale"],
        ]

    def test_body_is_kept_byte_for_byte(self) -> None:
        """The body was sanitised when it was written; the page adds nothing to it, and takes nothing away."""
        body = "<p>L’été &amp; « l’hiver »\u202f! <a href='https://example.org/?a=1&amp;b=2'>\n x</a></p>"
        assert f'<div class="entry-body">{body}</div>' in ENTRIES.article(LIVEBLOG, an_entry(body=body))

    @pytest.mark.parametrize(
        ("body", "shown"),
        [
            ("Un <em>but</em>", "<p>Un <em>but</em></p>"),
            ("<p>Un but</p>", "<p>Un but</p>"),
            ("<UL><li>Un</li></UL>", "<UL><li>Un</li></UL>"),
            ("<picture-less>", "<p><picture-less></p>"),
        ],
    )
    def test_inline_body_is_a_paragraph(self, body: str, shown: str) -> None:
        assert f'<div class="entry-body">{shown}</div>' in ENTRIES.article(LIVEBLOG, an_entry(body=body))

    def test_what_people_wrote_is_escaped(self) -> None:
        """Of what editors write, only the body is HTML."""
        evil = '<script>alert("x")</script>'
        entry = an_entry(
            heading=evil,
            authors=(evil,),
            tags=(evil,),
            verification=Verification.CLAIMED,
            source=evil,
            corrections=(Correction(NOON, evil),),
        )
        html = ENTRIES.article(LIVEBLOG, entry)
        assert "<script" not in html
        assert html.count("&lt;script&gt;") == 7

    def test_braces_are_text(self) -> None:
        """Names are put into our texts once, and aren't read for placeholders again."""
        document = entry_document(an_entry(authors=("{authors}", "{x.__class__}")))
        assert document.one("p", class_="byline").text == "Par {authors}, {x.__class__}"

    @pytest.mark.parametrize(
        ("verification", "source", "label"),
        [
            (Verification.CONFIRMED, None, "Confirmé"),
            (Verification.CONFIRMED, "AFP", "Confirmé\u00a0: AFP"),
            (Verification.CLAIMED, "chef d’état-major", "Affirmation\u00a0: chef d’état-major"),
            (Verification.CLAIMED, None, "Affirmation non confirmée"),
            (Verification.UNVERIFIED, None, "Non vérifié"),
            (Verification.DENIED, "Kiev", "Démenti\u00a0: Kiev"),
        ],
    )
    def test_verification(self, verification: Verification, source: str | None, label: str) -> None:
        document = entry_document(an_entry(verification=verification, source=source))
        assert document.one("li", class_=f"label label-{verification}").text == label

    def test_source_alone(self) -> None:
        assert entry_document(an_entry(source="AFP")).one("p", class_="source").text == "Source\u00a0: AFP"

    def test_labels(self) -> None:
        document = entry_document(an_entry(breaking=True, key_event=True))
        assert [label.text for label in document.all("li")] == ["Urgent", "L’essentiel"]
        english = entry_document(an_entry(breaking=True, key_event=True), language="en")
        assert [label.text for label in english.all("li")] == ["Breaking", "Key event"]
        assert entry_document(an_entry()).all("ul") == []

    @pytest.mark.parametrize(
        ("updated", "mark"),
        [
            (NOON, None),
            (NOON + timedelta(seconds=1), "modifié à 13\u00a0h\u00a007"),
            (NOON + timedelta(minutes=5), "modifié à 13\u00a0h\u00a012"),
            (NOON + timedelta(hours=11), "modifié le 23\u00a0nov. à 0\u00a0h\u00a007"),
        ],
    )
    def test_mark_of_an_edit(self, updated: datetime, mark: str | None) -> None:
        found = entry_document(an_entry(updated_at=updated)).all("p", class_="edited")
        assert [element.text for element in found] == ([] if mark is None else [mark])

    def test_backdated_entry_is_not_edited(self) -> None:
        later = NOON + timedelta(hours=1)
        assert entry_document(an_entry(created_at=later, updated_at=later)).all("p", class_="edited") == []

    def test_corrections(self) -> None:
        corrections = (
            Correction(NOON + timedelta(minutes=13), "8 et non 12."),
            Correction(NOON + timedelta(days=1), "Deux."),
        )
        found = entry_document(an_entry(corrections=corrections)).all("li")
        assert [element.text for element in found] == [
            "Correction, 13\u00a0h\u00a020\u00a0: 8 et non 12.",
            "Correction, 23\u00a0nov. à 13\u00a0h\u00a007\u00a0: Deux.",
        ]

    def test_never_seen_by_readers(self) -> None:
        """A draft has no seq, and says so by having no attribute for it."""
        assert "data-seq" not in entry_document(an_entry(seq=None)).one("article").attributes

    def test_language_without_texts(self) -> None:
        """English texts, which say so, though the live blog's own language is what its page says."""
        entry = an_entry(
            breaking=True,
            key_event=True,
            verification=Verification.CLAIMED,
            source="الجيش",
            authors=("ليلى",),
            corrections=(Correction(NOON, "رقم"),),
            updated_at=NOON + timedelta(minutes=5),
        )
        document = entry_document(entry, language="ar")
        ours = [*document.all("li", lang="en", dir="ltr"), *document.all("p", lang="en", dir="ltr")]
        assert [element.text for element in ours] == [
            "Breaking",
            "Key event",
            "Claimed: الجيش",
            "By ليلى",
            "edited at 13:12",
        ]
        assert [element.text for element in document.all("bdi", lang="ar")] == ["الجيش", "ليلى"]
        assert document.one("b", lang="en", dir="ltr").text == "Correction, 13:07:"
        assert document.one("a", lang="en", dir="ltr")["class"] == "entry-time"
        assert all("lang" not in element.attributes for element in document.all("div") + document.all("article"))

    @pytest.mark.parametrize("language", ["fr", "fr-CA", "en-GB"])
    def test_language_with_texts(self, language: str) -> None:
        """Needs no mark: the page's own says it."""
        entry = an_entry(breaking=True, authors=("Ada",), corrections=(Correction(NOON, "Un."),))
        view = PageView(replace(LIVEBLOG, language=language), [entry], key_events=[entry])
        document = Document(PAGES.page(view))
        assert [e.tag for e in document.elements if "lang" in e.attributes] == ["html"]
        assert document.all("bdi") == []

    def test_renders_the_same_again(self) -> None:
        entry = an_entry(heading="Un but", tags=("foot",))
        assert ENTRIES.article(LIVEBLOG, entry) == ENTRIES.article(LIVEBLOG, entry)

    def test_what_is_remembered_is_what_would_be_rendered(self) -> None:
        """Any difference makes it rendered anew; also an entry of the same id and version from another history."""
        renderer = EntryRenderer(Urls(SITE))
        entry = an_entry(body="<p>Un</p>")
        liveblogs = [
            LIVEBLOG,
            replace(LIVEBLOG, slug="autre"),
            replace(LIVEBLOG, language="en"),
            replace(LIVEBLOG, timezone="America/New_York"),
        ]
        entries = [entry, replace(entry, body="<p>Deux</p>"), replace(entry, seq=7), replace(entry, pinned=True)]
        pages = [[renderer.article(liveblog, shown) for liveblog in liveblogs for shown in entries] for _ in range(2)]
        assert len(set(pages[0])) == len(pages[0])
        assert pages[0] == pages[1]

    def test_the_memory_of_what_was_rendered_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(entry_renderer, "ARTICLES_BYTES", 50_000)
        monkeypatch.setattr(entry_renderer, "TEXTS_BYTES", 5_000)
        renderer = EntryRenderer(Urls(SITE))
        for number in range(100):
            renderer.article(LIVEBLOG, an_entry(body=f"<p>{number}</p>"))
        assert 40_000 < renderer._rendered.weight <= 50_000
        assert 4_000 < renderer._texts.weight <= 5_000


class TestTitle:
    """An entry in one line."""

    @pytest.mark.parametrize(
        ("heading", "body", "title"),
        [
            ("Le <but>", "<p>Texte</p>", "Le <but>"),
            (None, "<p>Un <b>but</b>&nbsp;!</p><p>Oui &amp; non</p>", "Un but\u00a0! Oui & non"),
            (None, "<ul><li>Un</li><li>Deux</li></ul>", "Un Deux"),
            (None, '<img src="x" alt="Le but de la tête">', "Le but de la tête"),
            (None, "", "…"),
            (None, f"<p>{'mot ' * 30}</p>", ("mot " * 20).strip() + "…"),
            (None, f"<p>{'a' * 200}</p>", "a" * 80 + "…"),
            (None, f"<p>{'a' * 70}, bbbbbbbbbbbb</p>", "a" * 70 + "…"),
        ],
    )
    def test_title(self, heading: str | None, body: str, title: str) -> None:
        assert ENTRIES.title(LIVEBLOG, an_entry(heading=heading, body=body)) == title

    @given(st.text())
    def test_length(self, text: str) -> None:
        """Never empty, never much longer than 80 characters, on one line."""
        title = ENTRIES.title(LIVEBLOG, an_entry(body=text))
        assert 1 <= len(title) <= entry_renderer.TITLE_LENGTH + 1
        assert "\n" not in title

    def test_summary(self) -> None:
        """No claim without its label, and no word cut in two."""
        entry = an_entry(verification=Verification.DENIED, source="Kiev", body="<p>Le <b>pont</b>.</p>")
        assert ENTRIES.summary(LIVEBLOG, entry) == "Démenti\u00a0: Kiev – Le pont."
        long = an_entry(body=f"<p>{'mot ' * 99}</p>")
        assert ENTRIES.summary(LIVEBLOG, long) == ("mot " * 50).strip() + "…"

    def test_plain_text(self) -> None:
        assert plain_text("<blockquote><p>Oui.</p><cite>Lui</cite></blockquote>non") == "Oui. Lui non"


async def test_entries_are_prepared_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty of the dearest take a second: what else there is to do has its turn between two of them.

    They are there when the answer is put together, though what is remembered for all has room for none of them.
    """
    monkeypatch.setattr(entry_renderer, "ARTICLES_BYTES", 0)
    monkeypatch.setattr(entry_renderer, "TEXTS_BYTES", 0)
    monkeypatch.setattr(cooperative, "SLICE_SECONDS", 0.0)
    renderer = EntryRenderer(Urls(SITE))
    entries = [an_entry(number, body=f"Un {number}") for number in range(1, 21)]
    others_named = [an_entry(number, body=f"Deux {number}") for number in range(21, 31)]
    turns = 0
    ended = False

    async def others() -> None:
        nonlocal turns
        while not ended:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    shown = await cooperative.prepared(renderer, LIVEBLOG, entries, named=others_named)
    assert turns >= len(entries) + len(others_named)
    fed = await cooperative.prepared(renderer, LIVEBLOG, entries, feed=True)
    ended = True
    await other

    def never(*_: object) -> str:
        raise AssertionError("made again")

    monkeypatch.setattr(EntryRenderer, "_render", never)
    monkeypatch.setattr(entry_renderer, "plain_text", never)
    for entry in entries:
        assert shown.article(LIVEBLOG, entry) != fed.content(LIVEBLOG, entry)
        assert shown.text(entry) == fed.text(entry) == entry.body
    for entry in others_named:
        assert shown.title(LIVEBLOG, entry) == entry.body
