"""Pages as HTML. `test_entry_renderer.py` has the entries on them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from liveserver.content.translations import texts_for
from liveserver.domain.entry import Verification
from liveserver.domain.liveblog import LiveblogStatus
from liveserver.rendering.assets import Assets
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.page_models import EntryPageView, Only, PageView
from liveserver.rendering.page_renderer import PageRenderer
from liveserver.rendering.urls import Urls
from tests.support.documents import (
    LIVEBLOG,
    NOON,
    PAGES,
    SITE,
    URLS,
    Document,
    an_entry,
    entry_document,
    id_of,
    page_document,
)


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
        pages = PageRenderer(EntryRenderer(Urls("https://example.org/direct")), Assets())
        document = Document(pages.page(PageView(LIVEBLOG, [])))
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
        assert [line["href"] for line in lines] == [f"#entry-{here.id}", URLS.entry("match", elsewhere.id)]
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
        document = Document(PAGES.page(replace(view, pinned=[replace(pinned, body="<p>نص</p>")])))
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
            updated = document.one("time", class_="updated")
            assert "hidden" in updated.attributes
            # Empty and without one, it would be no time.
            assert updated["datetime"]
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
        document = Document(PAGES.page(view))
        assert document.one("html")["data-page"] == "older"
        assert document.one("meta", name="robots")["content"] == "noindex, follow"
        assert document.all("link", rel="canonical") == []
        assert document.all("section", class_="key-events") == []
        assert any(e["href"] == f"{SITE}/live/match" for e in document.all("a"))

    def test_oldest_first(self) -> None:
        """Earlier entries are above, later ones below; pinned entries stand in their place."""
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
        document = Document(PAGES.page(PageView(replace(LIVEBLOG, status=status), [])))
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
            (PAGES.page(PageView(LIVEBLOG, [entry])), PAGES.cards.liveblog_url(LIVEBLOG), LIVEBLOG.title),
            (
                PAGES.page(PageView(LIVEBLOG, [entry], first=False)),
                PAGES.cards.liveblog_url(LIVEBLOG),
                LIVEBLOG.title,
            ),
            (
                PAGES.entry_page(EntryPageView(LIVEBLOG, entry)),
                PAGES.cards.entry_url(LIVEBLOG, entry),
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
            PAGES.page(PageView(LIVEBLOG, entries, pinned=entries[1:], key_events=entries[1:], older_cursor="x")),
            PAGES.page(PageView(LIVEBLOG, entries, first=False)),
            PAGES.entry_page(EntryPageView(LIVEBLOG, entries[0], older=entries[1:])),
            PAGES.error_page(410, liveblog=LIVEBLOG),
            PAGES.index_page([LIVEBLOG]),
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
        """A text of an editor can't close the script element that it stands in."""
        evil = "</script><script>alert(1)</script>"
        view = PageView(replace(LIVEBLOG, title=evil, summary=evil), [an_entry(heading=evil)])
        document = Document(PAGES.page(view))
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
        document = Document(PAGES.entry_page(view))
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
        assert Document(PAGES.entry_page(replace(view, order="oldest"))).ids() == [1, 2, 3, 4]
        assert document.one("html")["data-page"] == "entry"
        assert document.one("title").text == f"Le but – {LIVEBLOG.title}"
        assert document.one("link", rel="canonical")["href"] == URLS.entry("match", entry.id)
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
        document = Document(PAGES.error_page(status, language=language))
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
        document = Document(PAGES.error_page(410, language="en", liveblog=LIVEBLOG))
        assert document.one("h1").text == "Publication supprimée"
        assert document.one("a")["href"] == f"{SITE}/live/match"

    def test_page_of_our_texts_alone(self) -> None:
        """Where it is nobody's language but ours, the page is in ours; what is the live blog's says so."""
        arabic = replace(LIVEBLOG, language="ar", title="مباشر")
        document = Document(PAGES.error_page(410, liveblog=arabic))
        assert (document.one("html")["lang"], document.one("html")["dir"]) == ("en", "ltr")
        assert document.one("a", lang="ar", dir="rtl").text == "مباشر"
        document = Document(PAGES.index_page([arabic]))
        assert (document.one("html")["lang"], document.one("html")["dir"]) == ("en", "ltr")
        assert document.one("li")["dir"] == "rtl"
        assert document.one("span", lang="en", dir="ltr").text == "Live"

    def test_index(self) -> None:
        english = replace(LIVEBLOG, slug="cup", title="The cup", language="en", status=LiveblogStatus.ENDED)
        document = Document(PAGES.index_page([LIVEBLOG, english]))
        assert document.one("html")["lang"] == "fr"
        assert [(e.text, e["href"]) for e in document.all("a")] == [
            (LIVEBLOG.title, f"{SITE}/live/match"),
            ("The cup", f"{SITE}/live/cup"),
        ]
        assert Document(PAGES.index_page([])).one("p", class_="empty").text

    def test_index_tells_what_it_is_where_it_is_shared(self) -> None:
        document = Document(PAGES.index_page([LIVEBLOG]))
        told = "L’actualité en direct sur live.example.org, minute par minute."
        assert document.one("meta", name="description")["content"] == told
        shared = {str(e["property"]): e["content"] for e in document.all("meta") if "property" in e.attributes}
        assert shared == {
            "og:type": "website",
            "og:title": "Directs",
            "og:description": told,
            "og:url": f"{SITE}/",
            "og:site_name": "live.example.org",
        }
