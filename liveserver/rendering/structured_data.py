"""Structured data for search engines: a live blog as a LiveBlogPosting of schema.org, an entry as a BlogPosting.

Google's requirements: https://developers.google.com/search/docs/appearance/structured-data/article
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from liveserver.domain.liveblog import LiveblogStatus
from liveserver.rendering.share_card import ShareCards

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from liveserver.content.media.picture import Illustration
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.rendering.entry_renderer import EntryRenderer


def liveblog_posting(
    liveblog: Liveblog,
    entries: list[Entry],
    renderer: EntryRenderer,
    *,
    key_events: Sequence[Entry] = (),
    began_at: datetime | None = None,
    changed_at: datetime | None = None,
) -> dict[str, Any]:
    """Return the LiveBlogPosting of a live blog with these published entries.

    `began_at`: the time at which the oldest entry of the whole live blog was published. `changed_at`: the time of the
    last change in the whole live blog. Either is None if unknown; in that case, the given entries and the live
    blog's own fields are used. All times in the result are in the live blog's time zone.

    The coverage starts when the oldest entry was published; without entries, when the live blog was created. If the
    live blog has ended, the coverage ends when the newest entry was published; later corrections don't change the end.

    https://schema.org/LiveBlogPosting
    """
    zone = ZoneInfo(liveblog.timezone)
    url = renderer.urls.liveblog(liveblog.slug)
    published = [entry.published_at for entry in (*entries, *key_events) if entry.published_at is not None]
    known = published if began_at is None else [began_at, *published]
    started = min(known, default=liveblog.created_at)
    changed = [liveblog.updated_at, *(entry.updated_at for entry in entries)]
    posting: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "LiveBlogPosting",
        "@id": url,
        "url": url,
        "mainEntityOfPage": url,
        "headline": liveblog.title,
        "inLanguage": liveblog.language,
        "image": [ShareCards(renderer).liveblog_url(liveblog)],
        "datePublished": _date(started, zone),
        "dateModified": _date(max(changed if changed_at is None else [changed_at, *changed]), zone),
        "coverageStartTime": _date(started, zone),
        "author": _publisher(renderer),
        "publisher": _publisher(renderer),
    }
    if liveblog.summary:
        posting["description"] = liveblog.summary
    if liveblog.status is LiveblogStatus.ENDED:
        posting["coverageEndTime"] = _date(max(published, default=liveblog.updated_at), zone)
    newest_first = sorted(
        (entry for entry in entries if entry.published_at is not None),
        key=lambda entry: (entry.published_at, entry.id),
        reverse=True,
    )
    posting["liveBlogUpdate"] = [_update(liveblog, entry, renderer, zone) for entry in newest_first]
    return posting


def entry_posting(liveblog: Liveblog, entry: Entry, renderer: EntryRenderer) -> dict[str, Any]:
    """Return the BlogPosting of one published entry, for the entry's own page. The BlogPosting names the live blog.

    https://schema.org/BlogPosting
    """
    url = renderer.urls.liveblog(liveblog.slug)
    update = _update(liveblog, entry, renderer, ZoneInfo(liveblog.timezone))
    return {
        "@context": "https://schema.org",
        **update,
        "mainEntityOfPage": renderer.urls.entry(liveblog.slug, entry.id),
        "inLanguage": liveblog.language,
        "image": [*update.get("image", ()), ShareCards(renderer).entry_url(liveblog, entry)],
        "publisher": _publisher(renderer),
        "isPartOf": {"@type": "LiveBlogPosting", "@id": url, "url": url, "headline": liveblog.title},
    }


def _update(liveblog: Liveblog, entry: Entry, renderer: EntryRenderer, zone: ZoneInfo) -> dict[str, Any]:
    assert entry.published_at is not None
    url = renderer.urls.entry(liveblog.slug, entry.id)
    update: dict[str, Any] = {
        "@type": "BlogPosting",
        "@id": url,
        "url": url,
        "headline": renderer.title(liveblog, entry),
        "articleBody": renderer.labelled_text(liveblog, entry),
        "datePublished": _date(entry.published_at, zone),
        "dateModified": _date(entry.updated_at, zone),
        "author": [{"@type": "Person", "name": name} for name in entry.authors] or _author(entry, renderer),
    }
    if illustrations := renderer.illustrations(entry):
        update["image"] = [_image(illustration) for illustration in illustrations]
    if label := renderer.claim_label(liveblog, entry):
        # This is no ClaimReview. A ClaimReview would say that somebody examined the claim by a method and rated it; but
        # the label `denied` may only repeat what the source says. The claim has no author either: the entry's source
        # may be the one that makes the claim, or the one that contests the claim.
        update["about"] = {"@type": "Claim", "text": renderer.bare_title(entry), "description": label}
    if entry.via is not None:
        update["isBasedOn"] = entry.via.url
    if entry.tags:
        update["keywords"] = list(entry.tags)
    if entry.corrections:
        update["correction"] = [
            {"@type": "CorrectionComment", "text": c.note, "datePublished": _date(c.at, zone)}
            for c in entry.corrections
        ]
    return update


def _image(illustration: Illustration) -> dict[str, Any]:
    image: dict[str, Any] = {
        "@type": "ImageObject",
        "url": illustration.url,
        "width": illustration.picture.width,
        "height": illustration.picture.height,
    }
    if illustration.alt:
        image["description"] = illustration.alt
    if illustration.caption:
        image["caption"] = illustration.caption
    return image


def _author(entry: Entry, renderer: EntryRenderer) -> dict[str, Any]:
    """Return the author of an entry without a byline, as an Organization of schema.org.

    If the entry was copied from a live blog of another server, the author is the newsroom that the entry comes from.
    Otherwise the author is this site.
    """
    return {"@type": "Organization", "name": entry.via.name} if entry.via else _publisher(renderer)


def _publisher(renderer: EntryRenderer) -> dict[str, Any]:
    return {"@type": "Organization", "name": renderer.site_name, "url": renderer.urls.home}


def _date(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="seconds")
