"""A live blog as schema.org's LiveBlogPosting, for search engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from liveserver.model import LiveblogStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from liveserver.model import Entry, Liveblog


class Addresses(Protocol):
    """What names and titles an entry: the renderer."""

    def liveblog_url(self, slug: str) -> str:
        """The live blog's page."""

    def entry_url(self, slug: str, entry_id: str) -> str:
        """The entry's permalink."""

    def entry_title(self, entry: Entry) -> str:
        """The entry in one line."""

    def entry_text(self, entry: Entry) -> str:
        """The entry's body without markup."""


def liveblog_posting(
    liveblog: Liveblog, entries: list[Entry], addresses: Addresses, *, key_events: Sequence[Entry] = ()
) -> dict[str, Any]:
    """The posting and the given published entries; every date with the offset of the live blog's zone.

    The coverage begins no later than the oldest of the entries and key events, which may be backdated.

    https://schema.org/LiveBlogPosting
    """
    zone = ZoneInfo(liveblog.timezone)

    def date(moment: datetime) -> str:
        return moment.astimezone(zone).isoformat(timespec="seconds")

    url = addresses.liveblog_url(liveblog.slug)
    published = [entry.published_at for entry in (*entries, *key_events) if entry.published_at is not None]
    started = min([liveblog.created_at, *published])
    modified = max([liveblog.updated_at, *(entry.updated_at for entry in entries)])
    posting: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "LiveBlogPosting",
        "@id": url,
        "url": url,
        "mainEntityOfPage": url,
        "headline": liveblog.title,
        "inLanguage": liveblog.language,
        "datePublished": date(started),
        "dateModified": date(modified),
        "coverageStartTime": date(started),
    }
    if liveblog.summary:
        posting["description"] = liveblog.summary
    if liveblog.status is LiveblogStatus.ENDED:
        posting["coverageEndTime"] = date(modified)
    newest_first = sorted(
        (entry for entry in entries if entry.published_at is not None),
        key=lambda entry: (entry.published_at, entry.id),
        reverse=True,
    )
    posting["liveBlogUpdate"] = [_update(liveblog, entry, addresses, zone) for entry in newest_first]
    return posting


def _update(liveblog: Liveblog, entry: Entry, addresses: Addresses, zone: ZoneInfo) -> dict[str, Any]:
    assert entry.published_at is not None
    url = addresses.entry_url(liveblog.slug, entry.id)
    update: dict[str, Any] = {
        "@type": "BlogPosting",
        "@id": url,
        "url": url,
        "headline": addresses.entry_title(entry),
        "articleBody": addresses.entry_text(entry),
        "datePublished": entry.published_at.astimezone(zone).isoformat(timespec="seconds"),
        "dateModified": entry.updated_at.astimezone(zone).isoformat(timespec="seconds"),
    }
    if entry.authors:
        update["author"] = [{"@type": "Person", "name": name} for name in entry.authors]
    if entry.corrections:
        update["correction"] = [{"@type": "CorrectionComment", "text": c.note} for c in entry.corrections]
    return update
