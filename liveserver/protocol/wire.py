"""Messages and resources as JSON: the one place that knows their field names.

Every function here is pure. Objects are plain dicts for `orjson`; messages are UTF-8 bytes, ready to be framed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from liveserver.domain.model import ConfirmationCounts

if TYPE_CHECKING:
    from liveserver.domain.model import Attribution, Entry, Liveblog, Media, Partner, Position, Source, Takedown

JSON = dict[str, Any]
Encoded = orjson.Fragment
"""A part of an object that is JSON already: of a list of long entries, each is encoded by itself."""

# Close codes of the stream: those of RFC 6455, 7.4.1, and our own (4000 to 4499: come back; 4500 to 4999: don't).
CLOSE_TOO_TALKATIVE = 1008
CLOSE_TOO_BIG = 1009
CLOSE_RESTART = 1012
CLOSE_TRY_AGAIN = 1013
CLOSE_TOO_SLOW = 4000
CLOSE_NO_PONG = 4001
CLOSE_NOT_ADMITTED = 4503
CLOSE_NO_SUCH_LIVEBLOG = 4504

INBOUND_MAX = 512
"""Bytes. Public streams are receive-only: a larger message from a viewer closes its connection (1009)."""

HEARD_MAX = 256
"""Bytes. A text message from a viewer that is larger isn't looked at."""


def dumps(value: Any) -> bytes:
    """`value` as UTF-8 JSON.

    A copy: orjson leaves what it returns in the buffer that it wrote to, which is up to ten times as large, and much of
    this is kept.
    """
    return bytes(memoryview(orjson.dumps(value)))


def encoded(value: Any) -> Encoded:
    """`value` as a part of what `dumps` is given later."""
    return Encoded(dumps(value))


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-22T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def liveblog_object(liveblog: Liveblog, *, url: str) -> JSON:
    """A live blog as the API and the stream show it."""
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
    """A partner as the API shows it."""
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
    """How a partner's page says whose live blog it shows."""
    return None if attribution is None else attribution._asdict()


def entry_object(entry: Entry, *, html: str, url: str) -> JSON:
    """An entry as the API and the stream show it. `publish_at` is there only while the entry isn't published.

    `via` is there only where it was taken over from another live blog.
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


def source_object(source: Source) -> JSON:
    """What a live blog follows, and how it stands."""
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
    """One line of the summary of key events."""
    assert entry.published_at is not None
    return {"id": entry.id, "title": title, "published_at": timestamp(entry.published_at), "url": url}


def media_object(media: Media, *, url: str, srcset: list[JSON], media_type: str, html: str) -> JSON:
    """A picture as the API shows it."""
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
    """How far a takedown has got."""
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


def hello(position: Position, *, resumed: bool, heartbeat: int, viewer: str = "") -> bytes:
    """The first message of a stream, and of every catching-up within it: the changes up to its seq may skip.

    `viewer` is the word by which a viewer that can't answer on its own stream (SSE) is known when it posts.
    """
    message: JSON = {
        "type": "hello",
        "epoch": position.epoch,
        "seq": position.seq,
        "resumed": resumed,
        "heartbeat": heartbeat,
    }
    if viewer:
        message["viewer"] = viewer
    return dumps(message)


def entry_message(seq: int, entry: JSON) -> bytes:
    """Insert the entry, or replace the one with its id."""
    return dumps({"type": "entry", "seq": seq, "entry": entry})


def delete_message(seq: int, entry_id: str, *, within: int | None = None) -> bytes:
    """Take the entry away, and confirm it at some moment within so many milliseconds, if any are given."""
    message: JSON = {"type": "delete", "seq": seq, "id": entry_id}
    if within is not None:
        message["confirm"] = {"within": within}
    return dumps(message)


def gone_answer(entry_id: str, *, had: bool) -> bytes:
    """What a viewer answers: the entry isn't shown here (any more)."""
    return dumps({"type": "gone", "id": entry_id, "had": had})


def withdrawal_message(entry_id: str, *, within: int | None = None) -> bytes:
    """Take the entry away at once; its `delete` follows in its turn, to readers who are late.

    They are to confirm it at some moment within so many milliseconds, if any are given.
    """
    message: JSON = {"type": "gone", "id": entry_id}
    if within is not None:
        message["confirm"] = {"within": within}
    return dumps(message)


def liveblog_message(seq: int, liveblog: JSON) -> bytes:
    """The live blog's own fields changed."""
    return dumps({"type": "liveblog", "seq": seq, "liveblog": liveblog})


def heartbeat(seq: int, viewers: int) -> bytes:
    """The stream is alive and stands at `seq`; so many viewers are connected."""
    return dumps({"type": "heartbeat", "seq": seq, "viewers": viewers})


def reset(position: Position) -> bytes:
    """The viewer's position is void: take a snapshot."""
    return dumps({"type": "reset", "epoch": position.epoch, "seq": position.seq})


def reconnect(after_ms: int) -> bytes:
    """This server is going away: come back after `after_ms` milliseconds."""
    return dumps({"type": "reconnect", "after_ms": after_ms})


def changes_object(position: Position, events: list[bytes], *, more: bool) -> bytes:
    """The answer of `changes`, from messages that are already encoded."""
    head = dumps({"epoch": position.epoch, "seq": position.seq, "more": more})
    return head[:-1] + b',"events":[' + b",".join(events) + b"]}"


def changes_reset(position: Position) -> bytes:
    """The answer of `changes` to a void position."""
    return dumps({"reset": True, "epoch": position.epoch, "seq": position.seq})
