"""The conversion of other servers' entries into ours. Other servers' entries are checked like an editor's input."""

from __future__ import annotations

import hashlib
import re
import uuid
from html import escape, unescape
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from liveserver.content.body_pictures import BodyPicture, body_pictures, has_picture, replace_pictures
from liveserver.content.plain_text import is_empty
from liveserver.content.sanitiser import sanitise
from liveserver.domain.change import Position
from liveserver.domain.entry import Correction, Entry, EntryStatus, Verification, Via
from liveserver.domain.inputs.fields import CONTROL, Authors, Body, Flag, Heading, Link, Moment, Note, Source, Tags
from liveserver.domain.inputs.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liveserver.client import Message
    from liveserver.content.media.picture import Picture

PICTURES_MAX = 20
"""The greatest number of an entry's pictures that are imported. More pictures are dropped."""

NAME_MAX = 100

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def id_of(value: object) -> str:
    """Return `value` unchanged. Raises ValueError if it isn't an entry's id."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("is no entry's id")
    return value


def position_of(epoch: object, seq: object) -> Position:
    """Return the position in the source that has this epoch and seq. Raises ValueError if the values aren't valid."""
    position = Position.parse(f"{epoch}-{seq}")
    if position is None:
        raise ValueError("is no position")
    return position


def line_of(value: object) -> str:
    """Return `value` as a name on one line, cut to NAME_MAX characters, without control characters.

    Returns an empty text if `value` isn't a text, or if nothing is left of it.
    """
    return " ".join(CONTROL.sub("", value).split())[:NAME_MAX] if isinstance(value, str) else ""


class RemoteCorrection(BaseModel):
    """A correction in an entry of another server."""

    at: Moment
    note: Note


class RemoteEntry(BaseModel):
    """The fields that we read of another server's entry. Other fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, AfterValidator(id_of)]
    version: Annotated[int, Field(ge=1)]
    heading: Heading | None
    body: Body
    authors: Authors
    key_event: Flag
    breaking: Flag
    pinned: Flag
    tags: Tags
    verification: Verification | None
    source: Source | None
    corrections: Annotated[list[RemoteCorrection], Field(max_length=200)]
    published_at: Moment
    updated_at: Moment
    url: Link
    via: Any = None
    """The origin of an entry that the other server has copied from a third server; None for other entries."""

    @field_validator("body")
    @classmethod
    def _has_body_or_heading(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip() and info.data.get("heading") is None:
            raise ValueError("must not be blank without a heading")
        return value


def read(data: object) -> RemoteEntry:
    """Return the entry that another server has sent as a JSON object. Raises InvalidInput if a field isn't valid."""
    return parse(RemoteEntry, data)


def pictures_of(body: str) -> dict[str, str]:
    """Return the descriptions of a sanitised body's pictures, by the names of the pictures' files.

    Only the first PICTURES_MAX pictures of the body are returned.
    """
    alts = {body_picture.picture.name: unescape(body_picture.alt) for body_picture in body_pictures(body)}
    return dict(list(alts.items())[:PICTURES_MAX])


def media_id_of(slug: str, server: str, name: str) -> str:
    """Return the id of our copy of a source's picture: a UUIDv8 (RFC 9562, 5.8).

    It is computed from our live blog's slug, the server's address and the name of the picture's file. So the same
    picture always has the same id, and is imported only once.
    """
    value = int.from_bytes(hashlib.sha256(f"{slug}\n{server}\n{name}".encode()).digest()[:16])
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(uuid.UUID(int=value))


def with_pictures(body: str, pictures: Mapping[str, Picture]) -> str:
    """Return a sanitised body with our copies of its pictures. A picture of which we have no copy is left out.

    `pictures`: our copies, by the names of the files at the source. If nothing is left in the body, the descriptions of
    its pictures are returned instead, so the result is never empty.
    """

    def ours(theirs: BodyPicture) -> str:
        picture = pictures.get(theirs.picture.name)
        return theirs._replace(picture=picture).html if picture else ""

    if not has_picture(body):
        return body
    replaced = sanitise(replace_pictures(body, ours))
    if not is_empty(replaced):
        return replaced
    descriptions = " ".join(alt for alt in pictures_of(body).values() if alt) or "…"
    return f"<p>{escape(descriptions, quote=False)}</p>"


def entry_of(remote: RemoteEntry, body: str, via: Via) -> Entry:
    """Return our entry for an entry of another server. The store will set its id, seq and version.

    `body`: the remote entry's body, made safe, with our pictures.
    """
    return Entry(
        id="",
        seq=None,
        version=1,
        status=EntryStatus.PUBLISHED,
        heading=remote.heading,
        body=body,
        authors=tuple(remote.authors),
        key_event=remote.key_event,
        breaking=remote.breaking,
        pinned=remote.pinned,
        tags=tuple(remote.tags),
        verification=remote.verification,
        source=remote.source,
        corrections=tuple(Correction(correction.at, correction.note) for correction in remote.corrections),
        publish_at=None,
        published_at=remote.published_at,
        # An entry of version 1 was never edited. If `created_at` is equal to `updated_at`, we don't show the entry as
        # edited either, even if it was published with an earlier date.
        created_at=remote.updated_at if remote.version == 1 else remote.published_at,
        updated_at=remote.updated_at,
        via=via,
    )


def body_length(change: Message) -> int:
    """Return the number of characters of the body in a message; 0 if the message has no body."""
    match change:
        case {"entry": {"body": str(body)}}:
            return len(body)
    return 0
