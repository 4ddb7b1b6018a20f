"""Resources as JSON objects of the API and the stream. Only this module defines the fields of these objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.domain.audience import ConfirmationCounts
from liveserver.protocol.json_encoding import JSON, timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.audience import Takedown
    from liveserver.domain.entry import Entry, Note, Review
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.media import Media
    from liveserver.domain.partner import Attribution, Partner
    from liveserver.domain.source import Source


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def liveblog_object(liveblog: Liveblog, *, url: str) -> JSON:
    """Return a live blog as the API and the stream show it."""
    return {
        "slug": liveblog.slug,
        "title": liveblog.title,
        "summary": liveblog.summary,
        "language": liveblog.language,
        "timezone": liveblog.timezone,
        "status": liveblog.status.value,
        "version": liveblog.version,
        "created_at": timestamp(liveblog.created_at),
        "updated_at": timestamp(liveblog.updated_at),
        "embedding": {"mode": liveblog.embedding.mode, "origins": liveblog.embedding.origins},
        "url": url,
    }


def partner_object(partner: Partner) -> JSON:
    """Return a partner as the API shows it."""
    return {
        "id": partner.id,
        "name": partner.name,
        "origins": partner.origins,
        "liveblogs": partner.liveblogs,
        "tags": partner.tags,
        "delay": partner.delay,
        "expires_at": _optional(partner.expires_at),
        "enabled": partner.enabled,
        "theme": partner.theme,
        "attribution": attribution_object(partner.attribution),
        "created_at": timestamp(partner.created_at),
        "updated_at": timestamp(partner.updated_at),
        "version": partner.version,
    }


def attribution_object(attribution: Attribution | None) -> JSON | None:
    """Return a partner's attribution as the API shows it. Returns None if `attribution` is None."""
    return None if attribution is None else attribution._asdict()


def entry_object(entry: Entry, *, html: str, url: str) -> JSON:
    """Return an entry as the API and the stream show it.

    The object has `publish_at` only if the entry hasn't been published yet. It has `via` only if the entry was copied
    from another server's live blog.
    """
    value: JSON = {
        "id": entry.id,
        "seq": entry.seq,
        "version": entry.version,
        "status": entry.status.value,
        "heading": entry.heading,
        "body": entry.body,
        "html": html,
        "authors": entry.authors,
        "key_event": entry.key_event,
        "breaking": entry.breaking,
        "pinned": entry.pinned,
        "tags": entry.tags,
        "verification": entry.verification.value if entry.verification else None,
        "source": entry.source,
        "corrections": [{"at": timestamp(c.at), "note": c.note} for c in entry.corrections],
        "published_at": _optional(entry.published_at),
        "updated_at": timestamp(entry.updated_at),
        "url": url,
    }
    if entry.published_at is None:
        value["publish_at"] = _optional(entry.publish_at)
    if entry.via is not None:
        value["via"] = entry.via._asdict()
    return value


def work_object(entry: Entry, public: JSON, *, notes: int | None = None) -> JSON:
    """Return an entry as those who work on it see it.

    `public`: the entry as `entry_object` returns it. `notes`: the number of notes on the entry; None if it isn't known.
    """
    value: JSON = {
        **public,
        "created_at": timestamp(entry.created_at),
        "created_by": entry.created_by,
        "withdrawn_at": _optional(entry.withdrawn_at),
        "review": None if entry.review is None else review_object(entry.review),
    }
    if notes is not None:
        value["notes"] = notes
    return value


def review_object(review: Review) -> JSON:
    """Return the last step of an entry's review: the entry was handed in, returned, or proposed for a takedown."""
    return {
        "action": review.action,
        "by": review.by,
        "name": review.name,
        "at": timestamp(review.at),
        "version": review.version,
        "publish_at": _optional(review.publish_at),
        "reason": review.reason,
    }


def note_object(note: Note) -> JSON:
    """Return a note on an entry."""
    return {"id": note.id, "by": note.by, "name": note.name, "at": timestamp(note.at), "text": note.text}


def source_object(source: Source) -> JSON:
    """Return a source with its state, as the API shows it. (A source is a live blog on another server.)"""
    return {
        "url": source.page,
        "partner": source.partner,
        "attribution": None if source.name is None else {"text": source.name, "url": source.url},
        "state": source.state.value,
        "error": source.error,
        "position": None if source.position is None else str(source.position),
        "behind": source.behind,
        "heard_at": _optional(source.heard_at),
        "created_at": timestamp(source.created_at),
    }


def key_event_object(entry: Entry, *, title: str, url: str) -> JSON:
    """Return a key event as the API shows it in the summary of a live blog's key events."""
    assert entry.published_at is not None
    return {"id": entry.id, "title": title, "published_at": timestamp(entry.published_at), "url": url}


def media_object(media: Media, *, url: str, srcset: list[JSON], media_type: str, html: str) -> JSON:
    """Return a picture as the API shows it.

    `url`: the address of the picture's largest file. `srcset`: the address and the width of each file. `html`: the HTML
    that puts the picture into an entry's body.
    """
    return {
        "id": media.id,
        "version": media.version,
        "url": url,
        "type": media_type,
        "width": media.width,
        "height": media.height,
        "size": media.size,
        "alt": media.alt,
        "credit": media.credit,
        "srcset": srcset,
        "html": html,
        "actor": media.actor,
        "created_at": timestamp(media.created_at),
        "updated_at": timestamp(media.updated_at),
    }


def takedown_object(takedown: Takedown) -> JSON:
    """Return a takedown as the API shows it, with its counts of confirmations: of all viewers, and by partner."""
    total = ConfirmationCounts()
    for counts in takedown.by_partner.values():
        total.add(counts)
    return {
        "entry_id": takedown.entry_id,
        "seq": takedown.seq,
        "at": timestamp(takedown.at),
        "ended_at": _optional(takedown.ended_at),
        **_counts_object(total),
        "by_partner": {partner: _counts_object(counts) for partner, counts in sorted(takedown.by_partner.items())},
    }


def _counts_object(counts: ConfirmationCounts) -> JSON:
    return {
        "asked": counts.asked,
        "had": counts.had,
        "confirmed": counts.confirmed,
        "gone": counts.gone,
        "waiting": counts.waiting,
    }
