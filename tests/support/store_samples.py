"""Values for the store's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from liveserver.domain.entry import Entry, EntryStatus
from liveserver.domain.ids import new_epoch, new_id, new_partner_id
from liveserver.domain.liveblog import Liveblog, LiveblogStatus
from liveserver.domain.media import Media
from liveserver.domain.partner import Partner
from liveserver.domain.source import Source, SourceState

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

# No-break spaces, a curly apostrophe, an emoji of several code points, a combining accent, what JSON and SQL escape.
TYPOGRAPHY = "« Vraiment\u00a0?\u202f» l’été 👩🏽\u200d🚒 e\u0301 ﬁn \\ \" ' % _ <p>&amp;</p>\n\t\u2028"


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_liveblog(slug: str = "match", **fields: Any) -> Liveblog:
    """A live blog that is not in any store yet."""
    values: dict[str, Any] = {
        "slug": slug,
        "title": "Le match",
        "summary": "",
        "language": "fr",
        "timezone": "Europe/Paris",
        "status": LiveblogStatus.LIVE,
        "version": 1,
        "epoch": new_epoch(),
        "seq": 0,
        "changed_seq": 0,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Liveblog(**values | fields)


def a_partner(moment: datetime = NOON, **fields: Any) -> Partner:
    """A partner that is not in any store yet."""
    values: dict[str, Any] = {
        "id": new_partner_id(),
        "name": "Le Phare",
        "origins": ("https://www.example.org", "https://*.example.org"),
        "liveblogs": (),
        "tags": (),
        "delay": 0,
        "expires_at": None,
        "enabled": True,
        "theme": {"accent": "#c00"},
        "attribution": None,
        "created_at": moment,
        "updated_at": moment,
        "version": 1,
    }
    return Partner(**values | fields)


def a_source(slug: str = "match", **fields: Any) -> Source:
    """A source that is not in any store yet."""
    values: dict[str, Any] = {
        "id": "source",
        "slug": slug,
        "server": "https://there.example",
        "remote_slug": "x",
        "partner": None,
        "name": None,
        "url": None,
        "position": None,
        "state": SourceState.WAITING,
        "error": None,
        "told": None,
        "heard_at": None,
        "created_at": NOON,
    }
    return Source(**values | fields)


def an_entry(moment: datetime = NOON, **fields: Any) -> Entry:
    """A published entry that is not in any store yet."""
    values: dict[str, Any] = {
        "id": new_id(),
        "seq": None,
        "version": 1,
        "status": EntryStatus.PUBLISHED,
        "heading": None,
        "body": "<p>But !</p>",
        "authors": (),
        "key_event": False,
        "breaking": False,
        "pinned": False,
        "tags": (),
        "verification": None,
        "source": None,
        "corrections": (),
        "publish_at": None,
        "published_at": moment,
        "created_at": moment,
        "updated_at": moment,
    }
    return Entry(**values | fields)


def a_draft(moment: datetime = NOON, **fields: Any) -> Entry:
    """A draft that is not in any store yet."""
    return an_entry(moment, status=EntryStatus.DRAFT, published_at=None, **fields)


def a_scheduled(due: datetime, moment: datetime = NOON, **fields: Any) -> Entry:
    """A scheduled entry that is not in any store yet."""
    return an_entry(moment, status=EntryStatus.SCHEDULED, published_at=None, publish_at=due, **fields)


def fine(entry: Entry) -> None:
    """A check that every entry passes."""


def raising(error: Exception) -> Callable[[Any], Any]:
    """An edit that is refused."""

    def edit(_value: Any) -> Any:
        raise error

    return edit


def a_picture(moment: datetime = NOON) -> Media:
    """A picture that is not in any store yet."""
    media_id = new_id()
    return Media(
        id=media_id,
        version=1,
        digest=media_id.replace("-", ""),
        width=1600,
        height=1067,
        suffix="jpg",
        size=123_456,
        alt=TYPOGRAPHY,
        credit=None,
        actor="Rédaction",
        created_at=moment,
        updated_at=moment,
    )
