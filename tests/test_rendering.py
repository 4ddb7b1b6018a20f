"""Pages and entries as HTML."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver import rendering
from liveserver.errors import SettingsError
from liveserver.model import Correction, Entry, EntryStatus, Liveblog, LiveblogStatus, Verification
from liveserver.rendering import Assets, EntryPageView, Only, PageView, Renderer, plain_text
from liveserver.texts import text_direction, texts_for

SITE = "https://live.example.org"
# 13:07 in Paris, which is an hour ahead of UTC in winter.
NOON = datetime(2026, 11, 22, 12, 7, tzinfo=UTC)

RENDERER = Renderer(public_url=SITE, assets=Assets(script="assets/reader-1.js", styles=("assets/reader-2.css",)))

LIVEBLOG = Liveblog(
    slug="match",
    title="Le match : France – Brésil",
    summary="Suivez la finale <en direct>.",
    language="fr",
    timezone="Europe/Paris",
    status=LiveblogStatus.LIVE,
    version=1,
    epoch="k3f9x2ab",
    seq=42,
    changed_seq=0,
    created_at=NOON - timedelta(hours=3),
    updated_at=NOON - timedelta(hours=3),
)


def id_of(number: int) -> str:
    return f"01930000-0000-7000-8000-{number:012d}"


def an_entry(number: int = 1, at: datetime = NOON, **fields: Any) -> Entry:
    values: dict[str, Any] = {
        "id": id_of(number),
        "seq": number,
        "version": 1,
        "status": EntryStatus.PUBLISHED,
        "heading": None,
        "body": f"<p>Texte {number}</p>",
        "authors": (),
        "key_event": False,
        "breaking": False,
        "pinned": False,
        "tags": (),
        "verification": None,
        "source": None,
        "corrections": (),
        "publish_at": None,
        "published_at": at,
        "created_at": at,
        "updated_at": at,
    }
    return Entry(**values | fields)


class Element:
    """What a test wants to know of an element: its attributes, the text in it, and what it stands in."""

    def __init__(self, tag: str, attributes: dict[str, str | None], parents: list[Element]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parents = parents
        self.text = ""

    def __getitem__(self, name: str) -> str | None:
        return self.attributes[name]


class Document(HTMLParser):
    """HTML as a list of elements; fails where an element is closed that isn't the last one opened."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in <{tag}>"
        element = Element(tag, dict(attrs), list(self._open))
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag with these attributes (`class` is `class_`, a hyphen is `_`)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [e for e in self.elements if e.tag == tag and wanted.items() <= e.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    def ids(self, name: str = "entries") -> list[int]:
        """The numbers of the entries in the list of this name."""
        return [
            int(str(e["data-id"])[-4:])
            for e in self.all("article")
            if any(parent.attributes.get("data-list") == name for parent in e.parents)
        ]


def entry_document(entry: Entry, **liveblog: Any) -> Document:
    return Document(RENDERER.entry_html(replace(LIVEBLOG, **liveblog), entry))


def page_document(**view: Any) -> Document:
    return Document(RENDERER.page(PageView(LIVEBLOG, **{"entries": [], **view})))


class TestEntry:
    """One entry as an article."""

    def test_attributes(self) -> None:
        """What a script must know of an entry stands in its attributes."""
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
        assert f'<div class="entry-body">{body}</div>' in RENDERER.entry_html(LIVEBLOG, an_entry(body=body))

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
        assert f'<div class="entry-body">{shown}</div>' in RENDERER.entry_html(LIVEBLOG, an_entry(body=body))

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
        html = RENDERER.entry_html(LIVEBLOG, entry)
        assert "<script" not in html
        assert html.count("&lt;script&gt;") == 6

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
        document = Document(RENDERER.page(view))
        assert [e.tag for e in document.elements if "lang" in e.attributes] == ["html"]
        assert document.all("bdi") == []

    def test_renders_the_same_again(self) -> None:
        entry = an_entry(heading="Un but", tags=("foot",))
        assert RENDERER.entry_html(LIVEBLOG, entry) == RENDERER.entry_html(LIVEBLOG, entry)

    def test_what_is_remembered_is_what_would_be_rendered(self) -> None:
        """Whatever differs, it is rendered anew; also an entry of the same id and version from another history."""
        renderer = Renderer(public_url=SITE, assets=Assets())
        entry = an_entry(body="<p>Un</p>")
        liveblogs = [
            LIVEBLOG,
            replace(LIVEBLOG, slug="autre"),
            replace(LIVEBLOG, language="en"),
            replace(LIVEBLOG, timezone="America/New_York"),
        ]
        entries = [entry, replace(entry, body="<p>Deux</p>"), replace(entry, seq=7), replace(entry, pinned=True)]
        pages = [
            [renderer.entry_html(liveblog, shown) for liveblog in liveblogs for shown in entries] for _ in range(2)
        ]
        assert len(set(pages[0])) == len(pages[0])
        assert pages[0] == pages[1]

    def test_the_memory_of_what_was_rendered_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rendering, "ARTICLES_BYTES", 50_000)
        monkeypatch.setattr(rendering, "TEXTS_BYTES", 5_000)
        renderer = Renderer(public_url=SITE, assets=Assets())
        for number in range(100):
            renderer.entry_html(LIVEBLOG, an_entry(body=f"<p>{number}</p>"))
        assert 40_000 < renderer._articles_made.weight <= 50_000
        assert 4_000 < renderer._texts_made.weight <= 5_000


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
        assert RENDERER.entry_title(an_entry(heading=heading, body=body)) == title

    @given(st.text())
    def test_length(self, text: str) -> None:
        """Never empty, never much longer than 80 characters, on one line."""
        title = RENDERER.entry_title(an_entry(body=text))
        assert 1 <= len(title) <= rendering.TITLE_LENGTH + 1
        assert "\n" not in title

    def test_summary(self) -> None:
        """No claim without its label, and no word cut in two."""
        entry = an_entry(verification=Verification.DENIED, source="Kiev", body="<p>Le <b>pont</b>.</p>")
        assert RENDERER.entry_summary(LIVEBLOG, entry) == "Démenti\u00a0: Kiev – Le pont."
        long = an_entry(body=f"<p>{'mot ' * 99}</p>")
        assert RENDERER.entry_summary(LIVEBLOG, long) == ("mot " * 50).strip() + "…"

    def test_plain_text(self) -> None:
        assert plain_text("<blockquote><p>Oui.</p><cite>Lui</cite></blockquote>non") == "Oui. Lui non"


class TestPage:
    """A live blog's page."""

    def test_root_tells_the_script_everything(self) -> None:
        root = page_document().one("html")
        assert root.attributes == {
            "lang": "fr",
            "dir": "ltr",
            "data-liveblog-slug": "match",
            "data-api": "/api/v1/liveblogs/match",
            "data-position": "k3f9x2ab-42",
            "data-language": "fr",
            "data-timezone": "Europe/Paris",
            "data-page": "first",
            "data-url": f"{SITE}/live/match",
        }

    def test_site_below_a_path(self) -> None:
        renderer = Renderer(public_url="https://example.org/direct", assets=Assets())
        document = Document(renderer.page(PageView(LIVEBLOG, [])))
        assert document.one("html")["data-api"] == "/direct/api/v1/liveblogs/match"
        assert document.one("link", rel="stylesheet")["href"] == "/direct/static/reader.css"

    def test_pinned_entry_stands_in_one_place(self) -> None:
        pinned = an_entry(1, pinned=True)
        document = page_document(entries=[an_entry(2), pinned], pinned=[pinned])
        assert (document.ids("pinned"), document.ids()) == ([1], [2])
        assert page_document(entries=[an_entry(2), pinned], first=False).ids() == [2]

    def test_days_are_separated(self) -> None:
        """By the live blog's own calendar: 23:30 in London is the next day in Paris."""
        moments = [datetime(2026, 11, 22, 9, 0, tzinfo=UTC), datetime(2026, 11, 21, 23, 30, tzinfo=UTC)]
        moments += [datetime(2026, 11, 1, 12, 0, tzinfo=UTC)]
        document = page_document(entries=[an_entry(number, moment) for number, moment in enumerate(moments)])
        headings = document.all("h2", class_="day")
        assert [heading.text for heading in headings] == ["dimanche 22 novembre 2026", "dimanche 1er novembre 2026"]
        assert [heading["data-day"] for heading in headings] == ["2026-11-22", "2026-11-01"]

    def test_key_events_link_into_the_page_or_to_permalinks(self) -> None:
        here, elsewhere = an_entry(2, key_event=True, heading="Ici"), an_entry(1, key_event=True)
        document = page_document(entries=[here], key_events=[here, elsewhere])
        lines = [e for e in document.all("a") if any(p.attributes.get("class") == "key-list" for p in e.parents)]
        assert [line["href"] for line in lines] == [f"#entry-{here.id}", RENDERER.entry_url("match", elsewhere.id)]
        assert [line.text for line in lines] == ["13\u00a0h\u00a007 Ici", "13\u00a0h\u00a007 Texte 1"]

    def test_key_events_of_several_days_have_dates(self) -> None:
        events = [an_entry(2, key_event=True), an_entry(1, NOON - timedelta(days=21), key_event=True)]
        document = page_document(key_events=events)
        times = [e.text for e in document.all("time") if any(p.tag == "ol" for p in e.parents)]
        assert times == ["22\u00a0nov. à 13\u00a0h\u00a007", "1er\u00a0nov. à 13\u00a0h\u00a007"]

    def test_key_events_beyond_the_newest_are_folded(self) -> None:
        events = [an_entry(number, key_event=True) for number in range(6, 0, -1)]
        document = page_document(key_events=events)
        lines = [line for line in document.all("li") if "data-id" in line.attributes]
        folded = [any(parent.tag == "details" for parent in line.parents) for line in lines]
        assert folded == [False] * 4 + [True] * 2
        assert [line["data-id"] for line in lines] == [event.id for event in events]
        assert document.one("section", class_="key-events")["data-key-events"] == "4"
        assert "hidden" not in document.all("details")[0].attributes
        assert document.all("summary")[0].text == "Plus tôt"
        assert "hidden" in page_document(key_events=events[:4]).all("details")[0].attributes

    def test_texts_of_another_language_are_marked(self) -> None:
        """On an Arabic page, whatever is ours is English from left to right; also what the script will write."""
        arabic = replace(LIVEBLOG, language="ar", title="مباشر", summary="ملخص")
        pinned = an_entry(2, pinned=True, heading="خبر")
        key_event = an_entry(1, key_event=True, body="<p>نص</p>", authors=("ليلى",))
        view = PageView(arabic, [key_event], [pinned], [key_event], older_cursor="x")
        document = Document(RENDERER.page(replace(view, pinned=[replace(pinned, body="<p>نص</p>")])))
        assert (document.one("html")["lang"], document.one("html")["dir"]) == ("ar", "rtl")
        texts = json.loads(document.one("script", id="reader-texts").text)
        assert (texts["locale"], texts["attributes"]) == ("en", {"lang": "en", "dir": "ltr"})
        inner = {id(parent) for element in document.elements for parent in element.parents}
        marked = set()
        for element in document.elements:
            if id(element) in inner or element.tag == "script" or not re.search("[A-Za-z]", element.text):
                continue
            assert ("en", "ltr") in [
                (e.attributes.get("lang"), e.attributes.get("dir")) for e in (*element.parents, element)
            ]
            marked.add(element.text)
        assert marked >= {"Live", "Key events", "Earlier", "Pinned", "Sunday 22 November 2026", "Older entries"}

    def test_way_to_the_index(self) -> None:
        link = page_document(entries=[an_entry()]).one("a", href=f"{SITE}/")
        assert link.text == "Tous les directs"

    def test_last_update_is_told_with_its_day(self) -> None:
        """A page may be read on any day."""
        document = page_document(entries=[an_entry(updated_at=NOON + timedelta(minutes=5))])
        assert document.one("time", class_="updated").text == "Mis à jour le 22\u00a0nov. à 13\u00a0h\u00a012"

    def test_last_update_where_the_page_may_not_show_it(self) -> None:
        entries = [an_entry(updated_at=NOON)]
        for options in ({"newer_cursor": "c"}, {"only": Only(tag="foot")}):
            document = page_document(entries=entries, first=False, **options)
            assert "hidden" in document.one("time", class_="updated").attributes
        oldest_first = page_document(entries=entries, first=False, order="oldest")
        assert "hidden" not in oldest_first.one("time", class_="updated").attributes

    def test_older_entries_are_a_link(self) -> None:
        link = page_document(entries=[an_entry()], older_cursor="a+/=é").one("a", data_older="a+/=é")
        assert link["href"] == f"{SITE}/live/match?cursor=a%2B%2F%3D%C3%A9"
        assert "hidden" not in link.parents[-1].attributes
        assert "hidden" in page_document(entries=[an_entry()]).one("a", data_older="").parents[-1].attributes

    def test_older_page(self) -> None:
        """It has a way back, is no search engine's business, and shows no summary of key events."""
        view = PageView(LIVEBLOG, [an_entry(key_event=True)], key_events=[an_entry(key_event=True)], first=False)
        document = Document(RENDERER.page(view))
        assert document.one("html")["data-page"] == "older"
        assert document.one("meta", name="robots")["content"] == "noindex, follow"
        assert document.all("link", rel="canonical") == []
        assert document.all("section", class_="key-events") == []
        assert any(e["href"] == f"{SITE}/live/match" for e in document.all("a"))

    def test_oldest_first(self) -> None:
        """What lies before it in time is above, what comes after it below; pinned entries stand in their place."""
        entries = [an_entry(1), an_entry(2, NOON + timedelta(minutes=1), pinned=True)]
        document = page_document(entries=entries, newer_cursor="x", older_cursor="y", order="oldest", first=False)
        assert document.ids() == [1, 2]
        assert document.one("html")["data-order"] == "oldest"
        assert [e.attributes.get("data-older") for e in document.all("a", class_="button")][1:] == ["y", None]
        newer = document.one("a", data_newer="x")
        assert newer["href"] == f"{SITE}/live/match?order=oldest&cursor=x"
        assert newer["data-place"] == f"2026-11-22T12:08:00.000Z {id_of(2)}"
        assert document.one("a", data_order="newest")["href"] == f"{SITE}/live/match"

    def test_limited_to_some(self) -> None:
        """The page says to which, and what that means; its links keep to it."""
        only = Only(verification=Verification.DENIED)
        document = page_document(entries=[an_entry()], only=only, first=False, older_cursor="x")
        assert json.loads(str(document.one("html")["data-only"])) == {
            "tag": None,
            "key_events": False,
            "verification": "denied",
        }
        assert document.one("a", data_older="x")["href"] == f"{SITE}/live/match?verification=denied&cursor=x"
        assert document.one("a", aria_current="true").text == "Démenti"
        assert document.one("p", class_="only").text.startswith("Démenti A été annoncé")
        assert document.one("title").text == f"{LIVEBLOG.title} – Démenti"
        tagged = page_document(only=Only(tag="à côté"), first=False)
        assert tagged.one("p", class_="only").text.startswith("#à côté")
        assert (
            tagged.one("a", data_order="oldest")["href"]
            == f"{SITE}/live/match?tag=%C3%A0%20c%C3%B4t%C3%A9&order=oldest"
        )

    def test_labels_lead_to_what_they_mean(self) -> None:
        entry = an_entry(verification=Verification.DENIED, tags=("foot & co",))
        label, tag = [link for link in entry_document(entry).all("a") if "?" in str(link["href"])]
        assert label["href"] == f"{SITE}/live/match?verification=denied"
        assert str(label["title"]).startswith("A été annoncé")
        assert tag["href"] == f"{SITE}/live/match?tag=foot%20%26%20co"

    def test_pinned_entry_that_is_long(self) -> None:
        """Says so, for it to be folded."""
        assert entry_document(an_entry(body=f"<p>{'mot ' * 200}</p>")).one("article")["class"] == "entry entry-long"

    def test_zone(self) -> None:
        assert page_document().one("span", class_="zone").text == "Heures\u00a0: Paris"

    @pytest.mark.parametrize("status", list(LiveblogStatus))
    def test_empty_page_says_why(self, status: LiveblogStatus) -> None:
        document = Document(RENDERER.page(PageView(replace(LIVEBLOG, status=status), [])))
        empty = document.one("p", class_="empty")
        assert "hidden" not in empty.attributes
        assert ("terminé" in empty.text) == (status is LiveblogStatus.ENDED)
        assert document.one("span", data_status=status.value).text == texts_for("fr").text(f"status.{status.value}")
        assert "hidden" in page_document(entries=[an_entry()]).one("p", class_="empty").attributes

    def test_head(self) -> None:
        document = page_document(entries=[an_entry()])
        assert document.one("title").text == LIVEBLOG.title
        assert document.one("link", rel="canonical")["href"] == f"{SITE}/live/match"
        assert document.one("meta", property="og:title")["content"] == LIVEBLOG.title
        assert document.one("meta", property="og:description")["content"] == LIVEBLOG.summary
        assert document.one("link", rel="stylesheet")["href"] == "/static/assets/reader-2.css"
        assert document.one("script", type="module")["src"] == "/static/assets/reader-1.js"
        assert document.one("meta", name="robots")["content"] == "max-image-preview:large"

    def test_what_machines_look_for(self) -> None:
        """The feeds, and the picture: on the page, on those of older entries, on an entry's."""
        entry = an_entry(heading="Le but")
        for html, picture, alternative in (
            (RENDERER.page(PageView(LIVEBLOG, [entry])), RENDERER.liveblog_card_url(LIVEBLOG), LIVEBLOG.title),
            (
                RENDERER.page(PageView(LIVEBLOG, [entry], first=False)),
                RENDERER.liveblog_card_url(LIVEBLOG),
                LIVEBLOG.title,
            ),
            (
                RENDERER.entry_page(EntryPageView(LIVEBLOG, entry)),
                RENDERER.entry_card_url(LIVEBLOG, entry),
                "Le but",
            ),
        ):
            document = Document(html)
            links = {link["type"]: link for link in document.all("link", rel="alternate")}
            assert {str(kind): link["href"] for kind, link in links.items()} == {
                "application/rss+xml": f"{SITE}/live/match/feed.rss",
                "application/atom+xml": f"{SITE}/live/match/feed.atom",
                "application/json+oembed": f"{SITE}/oembed?url=https%3A%2F%2Flive.example.org%2Flive%2Fmatch",
                "application/feed+json": f"{SITE}/live/match/feed.json",
            }
            assert {link["title"] for link in links.values()} == {LIVEBLOG.title}
            graph = {m["property"]: m["content"] for m in document.all("meta") if "property" in m.attributes}
            assert graph["og:site_name"] == "live.example.org"
            assert (graph["og:image"], graph["og:image:alt"]) == (picture, alternative)
            assert (graph["og:image:width"], graph["og:image:height"]) == ("1200", "630")
            assert document.one("meta", name="twitter:card")["content"] == "summary_large_image"

    def test_nothing_that_the_security_policy_forbids(self) -> None:
        """No inline script that runs, no inline style, no handler; on no page."""
        entries = [an_entry(2, heading="Un but"), an_entry(1, pinned=True, key_event=True)]
        pages = [
            RENDERER.page(PageView(LIVEBLOG, entries, pinned=entries[1:], key_events=entries[1:], older_cursor="x")),
            RENDERER.page(PageView(LIVEBLOG, entries, first=False)),
            RENDERER.entry_page(EntryPageView(LIVEBLOG, entries[0], older=entries[1:])),
            RENDERER.error_page(410, liveblog=LIVEBLOG),
            RENDERER.index_page([LIVEBLOG]),
        ]
        for page in pages:
            document = Document(page)
            assert document.all("style") == []
            for element in document.elements:
                assert "style" not in element.attributes
                assert not any(name.startswith("on") for name in element.attributes)
                if element.tag == "script":
                    assert "src" in element.attributes or element["type"] in {"application/json", "application/ld+json"}

    def test_data_blocks_cannot_be_left(self) -> None:
        """What an editor writes can't close the script element that it stands in."""
        evil = "</script><script>alert(1)</script>"
        view = PageView(replace(LIVEBLOG, title=evil, summary=evil), [an_entry(heading=evil)])
        document = Document(RENDERER.page(view))
        posting = json.loads(document.one("script", type="application/ld+json").text)
        assert posting["headline"] == posting["liveBlogUpdate"][0]["headline"] == evil
        assert len(document.all("script")) == 3

    def test_texts_for_the_script(self) -> None:
        texts = json.loads(page_document().one("script", id="reader-texts").text)
        assert texts["locale"] == "fr"
        assert texts["reader"]["viewers"]["other"] == "{count} lecteurs"
        assert texts["dates"]["time"] == "{h}\u00a0h\u00a0{mm}"
        assert texts["reader"]["updated"] == "Mis à jour le {when}"
        assert texts["reader"]["updated_today"] == "Mis à jour à {time}"
        assert texts["attributes"] == {}


class TestStructuredData:
    """schema.org's LiveBlogPosting."""

    def posting(self, **liveblog: Any) -> dict[str, Any]:
        entries = [an_entry(2, authors=("Ada",), heading="Deux"), an_entry(1, NOON - timedelta(minutes=9), pinned=True)]
        view = PageView(replace(LIVEBLOG, **liveblog), entries, pinned=entries[1:])
        data: dict[str, Any] = json.loads(Document(RENDERER.page(view)).one("script", type="application/ld+json").text)
        return data

    def test_live(self) -> None:
        posting = self.posting()
        assert posting["@type"] == "LiveBlogPosting"
        assert posting["coverageStartTime"] == posting["datePublished"] == "2026-11-22T12:58:00+01:00"
        assert posting["dateModified"] == "2026-11-22T13:07:00+01:00"
        assert "coverageEndTime" not in posting
        assert [update["headline"] for update in posting["liveBlogUpdate"]] == ["Deux", "Texte 1"]
        assert posting["liveBlogUpdate"][0] == {
            "@type": "BlogPosting",
            "@id": f"{SITE}/live/match/entries/{id_of(2)}",
            "url": f"{SITE}/live/match/entries/{id_of(2)}",
            "headline": "Deux",
            "articleBody": "Texte 2",
            "datePublished": "2026-11-22T13:07:00+01:00",
            "dateModified": "2026-11-22T13:07:00+01:00",
            "author": [{"@type": "Person", "name": "Ada"}],
        }
        newsroom = {"@type": "Organization", "name": "live.example.org", "url": f"{SITE}/"}
        assert posting["publisher"] == posting["author"] == posting["liveBlogUpdate"][1]["author"] == newsroom
        assert posting["image"] == [RENDERER.liveblog_card_url(LIVEBLOG)]

    def test_backdated_entries_come_before_the_live_blog(self) -> None:
        """The coverage begins with the oldest entry that is known, be it only a key event of an older page."""
        morning, night = NOON - timedelta(hours=5), NOON - timedelta(hours=12)
        view = PageView(LIVEBLOG, [an_entry(2, morning)], key_events=[an_entry(1, night, key_event=True)])
        posting = json.loads(Document(RENDERER.page(view)).one("script", type="application/ld+json").text)
        assert posting["coverageStartTime"] == posting["datePublished"] == "2026-11-22T01:07:00+01:00"
        posting = json.loads(
            Document(RENDERER.page(replace(view, key_events=[]))).one("script", type="application/ld+json").text
        )
        assert posting["coverageStartTime"] == posting["datePublished"] == "2026-11-22T08:07:00+01:00"

    def test_ended(self) -> None:
        """With the last entry; a correction of the title a week later changes nothing in that."""
        later = NOON + timedelta(days=7)
        posting = self.posting(status=LiveblogStatus.ENDED, updated_at=later)
        assert posting["coverageEndTime"] == "2026-11-22T13:07:00+01:00"
        assert posting["dateModified"] == "2026-11-29T13:07:00+01:00"

    def test_announced_long_before(self) -> None:
        """The coverage begins with the first entry, wherever that is by now; without any, when it was opened."""
        announced = replace(LIVEBLOG, created_at=NOON - timedelta(days=5))
        view = PageView(
            announced, [an_entry()], began_at=NOON - timedelta(hours=2), changed_at=NOON + timedelta(hours=1)
        )
        posting = json.loads(Document(RENDERER.page(view)).one("script", type="application/ld+json").text)
        assert posting["coverageStartTime"] == posting["datePublished"] == "2026-11-22T11:07:00+01:00"
        assert posting["dateModified"] == "2026-11-22T14:07:00+01:00"
        empty = Document(RENDERER.page(PageView(announced, []))).one("script", type="application/ld+json").text
        assert json.loads(empty)["coverageStartTime"] == "2026-11-17T13:07:00+01:00"

    def test_corrections(self) -> None:
        correction = Correction(NOON + timedelta(minutes=13), "8 et non 12.")
        html = RENDERER.page(PageView(LIVEBLOG, [an_entry(corrections=(correction,), tags=("but",))]))
        (update,) = json.loads(Document(html).one("script", type="application/ld+json").text)["liveBlogUpdate"]
        assert update["correction"] == [
            {"@type": "CorrectionComment", "text": "8 et non 12.", "datePublished": "2026-11-22T13:20:00+01:00"}
        ]
        assert update["keywords"] == ["but"]

    def test_entry_by_itself(self) -> None:
        """A permalink's page tells of its entry, as a part of the live blog."""
        entry = an_entry(3, heading="Le but", authors=("Ada",))
        html = RENDERER.entry_page(EntryPageView(LIVEBLOG, entry, older=[an_entry(2)]))
        posting = json.loads(Document(html).one("script", type="application/ld+json").text)
        assert (posting["@type"], posting["headline"], posting["articleBody"]) == ("BlogPosting", "Le but", "Texte 3")
        assert posting["url"] == posting["mainEntityOfPage"] == RENDERER.entry_url("match", entry.id)
        assert posting["image"] == [RENDERER.entry_card_url(LIVEBLOG, entry)]
        assert posting["author"] == [{"@type": "Person", "name": "Ada"}]
        assert posting["isPartOf"]["url"] == f"{SITE}/live/match"


class TestOtherPages:
    """Permalinks, errors, the index."""

    def test_entry_page(self) -> None:
        """The linked entry in its place, marked as what the browser opens the page at."""
        entry = an_entry(3, heading="Le but")
        view = EntryPageView(
            LIVEBLOG,
            entry,
            newer=[an_entry(4)],
            older=[an_entry(2), an_entry(1, NOON - timedelta(days=1))],
            older_cursor="avant",
            newer_cursor="apres",
        )
        document = Document(RENDERER.entry_page(view))
        assert document.ids() == [4, 3, 2, 1]
        linked = next(e for e in document.all("article") if "autofocus" in e.attributes)
        assert (linked["data-id"], linked["tabindex"], linked["class"]) == (entry.id, "-1", "entry focus")
        assert document.one("html")["data-focus"] == entry.id
        newer, older = document.one("a", data_newer="apres"), document.one("a", data_older="avant")
        assert newer["href"] == f"{SITE}/live/match?order=oldest&cursor=apres"
        assert older["href"] == f"{SITE}/live/match?cursor=avant"
        assert [link["data-place"] for link in (newer, older)] == [
            f"2026-11-22T12:07:00.000Z {id_of(4)}",
            f"2026-11-21T12:07:00.000Z {id_of(1)}",
        ]
        assert Document(RENDERER.entry_page(replace(view, order="oldest"))).ids() == [1, 2, 3, 4]
        assert document.one("html")["data-page"] == "entry"
        assert document.one("title").text == f"Le but – {LIVEBLOG.title}"
        assert document.one("link", rel="canonical")["href"] == RENDERER.entry_url("match", entry.id)
        assert document.one("meta", property="og:title")["content"] == "Le but"
        assert document.one("meta", name="robots")["content"] == "max-image-preview:large"
        assert any(e["href"] == f"{SITE}/live/match" for e in document.all("a"))
        assert [e.text for e in document.all("h2", class_="day")] == [
            "dimanche 22 novembre 2026",
            "samedi 21 novembre 2026",
        ]

    @pytest.mark.parametrize(
        ("status", "language", "heading"),
        [(404, "en", "Page not found"), (410, "fr", "Publication supprimée"), (503, "en", "Temporarily unavailable")],
    )
    def test_error_page(self, status: int, language: str, heading: str) -> None:
        document = Document(RENDERER.error_page(status, language=language))
        assert document.one("h1").text == heading
        assert document.one("html")["lang"] == language
        assert document.one("a")["href"] == f"{SITE}/"

    def test_time_that_comes_twice(self) -> None:
        """Only in the hour that a change of clocks repeats a time says which of the two it is."""
        moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1, 2)]
        times = [entry_document(an_entry(1, moment)).one("time").text.split("à ")[1] for moment in moments]
        assert times == ["2\u00a0h\u00a030 (UTC+2)", "2\u00a0h\u00a030 (UTC+1)", "3\u00a0h\u00a030"]
        moment = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
        assert texts_for("en").time(moment.astimezone(ZoneInfo("America/New_York"))) == "01:30 (UTC\u22125)"
        moment = datetime(2026, 4, 4, 15, 15, tzinfo=UTC)
        assert texts_for("en").time(moment.astimezone(ZoneInfo("Australia/Lord_Howe"))) == "01:45 (UTC+10:30)"

    def test_error_page_of_a_live_blog(self) -> None:
        document = Document(RENDERER.error_page(410, language="en", liveblog=LIVEBLOG))
        assert document.one("h1").text == "Publication supprimée"
        assert document.one("a")["href"] == f"{SITE}/live/match"

    def test_page_of_our_texts_alone(self) -> None:
        """Where it is nobody's language but ours, the page is in ours; what is the live blog's says so."""
        arabic = replace(LIVEBLOG, language="ar", title="مباشر")
        document = Document(RENDERER.error_page(410, liveblog=arabic))
        assert (document.one("html")["lang"], document.one("html")["dir"]) == ("en", "ltr")
        assert document.one("a", lang="ar", dir="rtl").text == "مباشر"
        document = Document(RENDERER.index_page([arabic]))
        assert (document.one("html")["lang"], document.one("html")["dir"]) == ("en", "ltr")
        assert document.one("li")["dir"] == "rtl"
        assert document.one("span", lang="en", dir="ltr").text == "Live"

    def test_index(self) -> None:
        english = replace(LIVEBLOG, slug="cup", title="The cup", language="en", status=LiveblogStatus.ENDED)
        document = Document(RENDERER.index_page([LIVEBLOG, english]))
        assert document.one("html")["lang"] == "fr"
        assert [(e.text, e["href"]) for e in document.all("a")] == [
            (LIVEBLOG.title, f"{SITE}/live/match"),
            ("The cup", f"{SITE}/live/cup"),
        ]
        assert Document(RENDERER.index_page([])).one("p", class_="empty").text


class TestAssets:
    """The built bundle."""

    def test_missing_bundle(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        monkeypatch.setattr(rendering, "files", lambda _package: tmp_path)
        with pytest.raises(SettingsError, match="make web"):
            Assets.built()

    def test_manifest(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        folder = tmp_path / "static" / ".vite"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"src/reader.ts": {"file": "assets/r.js", "css": ["assets/r.css"]}}')
        monkeypatch.setattr(rendering, "files", lambda _package: tmp_path)
        assert Assets.built() == Assets(script="assets/r.js", styles=("assets/r.css",))


PLURALS = {"zero", "one", "two", "few", "many", "other"}


def keys_of(table: dict[str, Any], prefix: str = "") -> set[str]:
    """Every text's name; the forms of a plural, of which each language has its own, count as one."""
    names: set[str] = set()
    for key, value in table.items():
        if isinstance(value, dict) and "other" in value:
            assert set(value) <= PLURALS
            names.add(f"{prefix}{key}")
        elif isinstance(value, dict):
            names |= keys_of(value, f"{prefix}{key}.")
        else:
            names.add(f"{prefix}{key}")
    return names


LOCALES = {file.name: tomllib.loads(file.read_text("utf-8")) for file in (files("liveserver") / "locales").iterdir()}


class TestTexts:
    """Our own texts."""

    @pytest.mark.parametrize("name", sorted(LOCALES))
    def test_every_language_has_every_text(self, name: str) -> None:
        assert keys_of(LOCALES[name]) == keys_of(LOCALES["en.toml"])

    @pytest.mark.parametrize("name", sorted(LOCALES))
    def test_time_ends_the_short_date_and_time(self, name: str) -> None:
        """What stands before it is hidden where the day is known."""
        assert LOCALES[name]["dates"]["short_date_time"].endswith("{time}")

    def test_french_typography(self) -> None:
        """No plain space stands before a punctuation mark of two parts, or inside « »."""
        wrong = re.compile(r"[ \u00a0][;!?»]|[^\u00a0]:|«[^\u202f]|\w[;!?]|'")
        for text in re.findall(r'= "(.*)"', (files("liveserver") / "locales" / "fr.toml").read_text("utf-8")):
            assert not wrong.search(json.loads(f'"{text}"')), text

    @pytest.mark.parametrize(
        ("tag", "language"), [("fr", "fr"), ("fr-CA", "fr-CA"), ("en-GB", "en-GB"), ("br", "en"), ("fr-x-made", "fr")]
    )
    def test_nearest_language(self, tag: str, language: str) -> None:
        assert texts_for(tag).language == language

    @pytest.mark.parametrize(("tag", "direction"), [("fr", "ltr"), ("ar", "rtl"), ("he-IL", "rtl"), ("xx", "ltr")])
    def test_direction(self, tag: str, direction: str) -> None:
        assert text_direction(tag) == direction
