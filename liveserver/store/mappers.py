"""Conversions between the objects of the domain and the store's rows and JSON documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from liveserver.domain.entry import Correction, Entry, EntryStatus, Review, Revision, Verification, Via
from liveserver.domain.liveblog import EmbedPolicy, Liveblog, LiveblogStatus, TwoPersons

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

Values = dict[str, Any]


def liveblog_from(row: RowMapping) -> Liveblog:
    """Return the live blog in a row of the table `liveblogs`."""
    return Liveblog(
        slug=row["slug"],
        title=row["title"],
        summary=row["summary"],
        language=row["language"],
        timezone=row["timezone"],
        status=LiveblogStatus(row["status"]),
        version=row["version"],
        epoch=row["epoch"],
        seq=row["seq"],
        changed_seq=row["changed_seq"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        embedding=embedding_from(row["embedding"]),
        two_persons=tuple(map(TwoPersons, row["two_persons"] or ())),
    )


def embedding_from(document: Values | None) -> EmbedPolicy:
    """Return the embed policy in a value of the column `embedding`. None in the column means that anyone may embed."""
    return EmbedPolicy(document["mode"], tuple(document["origins"])) if document else EmbedPolicy()


def liveblog_values(liveblog: Liveblog) -> Values:
    """Return the values for a live blog's row of `liveblogs`, without the columns `id`, `opened_by` and `work`."""
    return {
        "slug": liveblog.slug,
        "title": liveblog.title,
        "summary": liveblog.summary,
        "language": liveblog.language,
        "timezone": liveblog.timezone,
        "status": liveblog.status.value,
        "version": liveblog.version,
        "epoch": liveblog.epoch,
        "seq": liveblog.seq,
        "changed_seq": liveblog.changed_seq,
        "created_at": liveblog.created_at,
        "updated_at": liveblog.updated_at,
        "embedding": None if liveblog.embedding.mode == "anyone" else liveblog.embedding._asdict(),
        "two_persons": [kind.value for kind in liveblog.two_persons] or None,
    }


_OWN_FIELDS = ("title", "summary", "language", "timezone", "status", "version", "changed_seq")


def liveblog_document(liveblog: Liveblog) -> Values:
    """Return the live blog's own fields as a JSON document, for the column `before` of the table `moments`."""
    values = liveblog_values(liveblog)
    return {name: values[name] for name in _OWN_FIELDS} | {"updated_at": liveblog.updated_at.isoformat()}


def liveblog_of_document(document: Values, current: Liveblog) -> Liveblog:
    """Return the live blog as it was when `liveblog_document` made the document.

    Fields that the document lacks are taken from `current`, the live blog as it is now. So the result always has the
    present embed policy.
    """
    return replace(
        current,
        **{
            **document,
            "status": LiveblogStatus(document["status"]),
            "updated_at": datetime.fromisoformat(document["updated_at"]),
        },
    )


def entry_from(row: RowMapping | Values) -> Entry:
    """Return the entry in a row of the table `entries`."""
    return Entry(
        id=row["id"],
        seq=row["seq"],
        version=row["version"],
        status=EntryStatus(row["status"]),
        heading=row["heading"],
        body=row["body"],
        authors=tuple(row["authors"]),
        key_event=row["key_event"],
        breaking=row["breaking"],
        pinned=row["pinned"],
        tags=tuple(row["tags"]),
        verification=Verification(row["verification"]) if row["verification"] else None,
        source=row["source"],
        corrections=tuple(Correction(datetime.fromisoformat(c["at"]), c["note"]) for c in row["corrections"]),
        publish_at=row["publish_at"],
        published_at=row["published_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        via=Via(**via) if (via := row.get("via")) else None,
        created_by=row.get("created_by"),
        review=_review_from(review) if (review := row.get("review")) else None,
        withdrawn_at=row.get("withdrawn_at"),
    )


def _review_from(document: Values) -> Review:
    publish_at = document["publish_at"]
    return Review(
        **{
            **document,
            "at": datetime.fromisoformat(document["at"]),
            "publish_at": None if publish_at is None else datetime.fromisoformat(publish_at),
        }
    )


def review_document(review: Review | None) -> Values | None:
    """Return a review as a JSON document, for the column `review` of the table `entries`."""
    if review is None:
        return None
    publish_at = None if review.publish_at is None else review.publish_at.isoformat()
    return {**review._asdict(), "at": review.at.isoformat(), "publish_at": publish_at}


def entry_values(entry: Entry) -> Values:
    """Return the values for an entry's row of the table `entries`, without the live blog's id."""
    return {
        "id": entry.id,
        "seq": entry.seq,
        "version": entry.version,
        "status": entry.status.value,
        "heading": entry.heading,
        "body": entry.body,
        "authors": list(entry.authors),
        "key_event": entry.key_event,
        "breaking": entry.breaking,
        "pinned": entry.pinned,
        "tags": list(entry.tags),
        "verification": entry.verification.value if entry.verification else None,
        "source": entry.source,
        "corrections": [{"at": c.at.isoformat(), "note": c.note} for c in entry.corrections],
        "publish_at": entry.publish_at,
        "published_at": entry.published_at,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "sort_at": entry.published_at or entry.publish_at or entry.created_at,
        "via": entry.via._asdict() if entry.via else None,
        "created_by": entry.created_by,
        "review": review_document(entry.review),
        "withdrawn_at": entry.withdrawn_at,
    }


_MOMENTS = ("publish_at", "published_at", "created_at", "updated_at", "withdrawn_at")


def entry_document(entry: Entry) -> Values:
    """Return the whole entry as a JSON document, for the column `entry` of the table `revisions`."""
    document = entry_values(entry)
    del document["sort_at"]
    for name in _MOMENTS:
        moment: datetime | None = document[name]
        document[name] = None if moment is None else moment.isoformat()
    return document


def revision_from(row: RowMapping) -> Revision:
    """Return the revision in a row of the table `revisions`."""
    document: Values = row["entry"]
    # Revisions of earlier releases lack some fields.
    moments = {name: datetime.fromisoformat(text) if (text := document.get(name)) else None for name in _MOMENTS}
    return Revision(
        version=row["version"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        entry=entry_from({**document, **moments}),
    )
