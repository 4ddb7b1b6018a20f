"""Data for search engines: LiveBlogPosting and BlogPosting, on the pages that they describe."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from liveserver.domain.entry import Correction
from liveserver.domain.liveblog import LiveblogStatus
from liveserver.rendering.page_models import EntryPageView, PageView
from tests.support.documents import LIVEBLOG, NOON, PAGES, SITE, URLS, Document, an_entry, id_of


class TestStructuredData:
    """schema.org's LiveBlogPosting."""

    def posting(self, **liveblog: Any) -> dict[str, Any]:
        entries = [an_entry(2, authors=("Ada",), heading="Deux"), an_entry(1, NOON - timedelta(minutes=9), pinned=True)]
        view = PageView(replace(LIVEBLOG, **liveblog), entries, pinned=entries[1:])
        data: dict[str, Any] = json.loads(Document(PAGES.page(view)).one("script", type="application/ld+json").text)
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
        assert posting["image"] == [PAGES.cards.liveblog_url(LIVEBLOG)]

    def test_backdated_entries_come_before_the_live_blog(self) -> None:
        """The coverage begins with the oldest entry that is known, be it only a key event of an older page."""
        morning, night = NOON - timedelta(hours=5), NOON - timedelta(hours=12)
        view = PageView(LIVEBLOG, [an_entry(2, morning)], key_events=[an_entry(1, night, key_event=True)])
        posting = json.loads(Document(PAGES.page(view)).one("script", type="application/ld+json").text)
        assert posting["coverageStartTime"] == posting["datePublished"] == "2026-11-22T01:07:00+01:00"
        posting = json.loads(
            Document(PAGES.page(replace(view, key_events=[]))).one("script", type="application/ld+json").text
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
        posting = json.loads(Document(PAGES.page(view)).one("script", type="application/ld+json").text)
        assert posting["coverageStartTime"] == posting["datePublished"] == "2026-11-22T11:07:00+01:00"
        assert posting["dateModified"] == "2026-11-22T14:07:00+01:00"
        empty = Document(PAGES.page(PageView(announced, []))).one("script", type="application/ld+json").text
        assert json.loads(empty)["coverageStartTime"] == "2026-11-17T13:07:00+01:00"

    def test_corrections(self) -> None:
        correction = Correction(NOON + timedelta(minutes=13), "8 et non 12.")
        html = PAGES.page(PageView(LIVEBLOG, [an_entry(corrections=(correction,), tags=("but",))]))
        (update,) = json.loads(Document(html).one("script", type="application/ld+json").text)["liveBlogUpdate"]
        assert update["correction"] == [
            {"@type": "CorrectionComment", "text": "8 et non 12.", "datePublished": "2026-11-22T13:20:00+01:00"}
        ]
        assert update["keywords"] == ["but"]

    def test_pictures(self) -> None:
        """With their sizes, words and captions, a gallery's too; an entry by itself has its card after them."""
        names = [f"{digit * 32}-1600x900.jpg" for digit in "abc"]
        body = (
            f'<figure><img src="/media/{names[0]}" alt="Le quai"><figcaption>Au <i>port</i></figcaption></figure>'
            f'<figure class="gallery"><figure><img src="/media/{names[1]}" alt=""></figure><figure>'
            f'<img src="/media/{names[2]}" alt="La &lt;mer&gt;"></figure><figcaption>Hier</figcaption></figure>'
        )
        size = {"@type": "ImageObject", "width": 1600, "height": 900}
        images = [
            {**size, "url": f"{SITE}/media/{names[0]}", "description": "Le quai", "caption": "Au port"},
            {**size, "url": f"{SITE}/media/{names[1]}", "caption": "Hier"},
            {**size, "url": f"{SITE}/media/{names[2]}", "description": "La <mer>", "caption": "Hier"},
        ]
        entry = an_entry(body=body)
        page = Document(PAGES.page(PageView(LIVEBLOG, [entry, an_entry(2)])))
        updates = json.loads(page.one("script", type="application/ld+json").text)["liveBlogUpdate"]
        assert [update.get("image") for update in updates] == [None, images]
        permalink = Document(PAGES.entry_page(EntryPageView(LIVEBLOG, entry)))
        posting = json.loads(permalink.one("script", type="application/ld+json").text)
        assert posting["image"] == [*images, PAGES.cards.entry_url(LIVEBLOG, entry)]

    def test_entry_by_itself(self) -> None:
        """A permalink's page tells of its entry, as a part of the live blog."""
        entry = an_entry(3, heading="Le but", authors=("Ada",))
        html = PAGES.entry_page(EntryPageView(LIVEBLOG, entry, older=[an_entry(2)]))
        posting = json.loads(Document(html).one("script", type="application/ld+json").text)
        assert (posting["@type"], posting["headline"], posting["articleBody"]) == ("BlogPosting", "Le but", "Texte 3")
        assert posting["url"] == posting["mainEntityOfPage"] == URLS.entry("match", entry.id)
        assert posting["image"] == [PAGES.cards.entry_url(LIVEBLOG, entry)]
        assert posting["author"] == [{"@type": "Person", "name": "Ada"}]
        assert posting["isPartOf"]["url"] == f"{SITE}/live/match"
