"""The messages of the desk's stream, as JSON. docs/stream.md describes them. Hints have no text of any entry."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from liveserver.domain.ids import ID_PATTERN
from liveserver.protocol.json_encoding import JSON, dumps
from liveserver.protocol.resources import takedown_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from liveserver.domain.audience import Takedown
    from liveserver.domain.entry import Entry
    from liveserver.domain.people.principal import Principal

_ID = re.compile(ID_PATTERN, re.ASCII)


class DeskState(StrEnum):
    """The state of an editor at the desk."""

    HERE = "here"
    """The editor looks at the entry, or at the live blog as a whole, and isn't writing."""
    WRITING = "writing"


class Word(NamedTuple):
    """The message by which an editor's page says where the editor is."""

    entry: str | None
    """The id of the entry; None for the live blog as a whole. There may be no such entry: nobody looks it up."""
    state: DeskState


class Person(NamedTuple):
    """An editor at the desk, as others see them."""

    user: str
    """The user's id."""
    name: str
    entry: str | None
    state: DeskState


def read_word(message: bytes) -> Word | None:
    """Return the word in a message of an editor's page; None if it isn't one that such a page may send."""
    try:
        content: Any = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    match content:
        case {"type": "presence", "entry": None | str() as entry, "state": "here" | "writing" as state} if len(
            content
        ) == 3 and (entry is None or _ID.fullmatch(entry)):
            return Word(entry, DeskState(state))
    return None


def hello_fields(by: Principal, slug: str, board: str) -> JSON:
    """Return the fields that `hello` has on a desk stream, beside those that it has for readers.

    `by`: the user who is signed in. `board`: the tag of the live blog's board.
    """
    return {"you": {"user": by.id, "name": by.name}, "liveblog": slug, "board": board}


def board(tag: str) -> bytes:
    """Return the message with the board's tag. A page whose board has another tag fetches the board."""
    return dumps({"type": "board", "board": tag})


def work(entry: Entry, by: Principal) -> bytes:
    """Return the hint that an unpublished entry was written. The page then fetches the entry."""
    message: JSON = {"type": "work", "id": entry.id, "version": entry.version, "status": entry.status}
    return dumps({**message, "by": _by(by)})


def note(entry_id: str, note_id: str, by: Principal) -> bytes:
    """Return the hint that a note was added to an entry. The page then fetches the entry's notes."""
    return dumps({"type": "note", "id": entry_id, "note": note_id, "by": _by(by)})


def presence(people: Iterable[Person]) -> bytes:
    """Return the message with all people who are at work on the live blog."""
    return dumps({"type": "presence", "people": [person._asdict() for person in people]})


def figures(by_partner: Mapping[str, int]) -> bytes:
    """Return the message with the number of viewers now, in all and by partner ("": no partner)."""
    by = {partner: count for partner, count in sorted(by_partner.items()) if count}
    return dumps({"type": "figures", "viewers": sum(by.values()), "by": by})


def takedown(progress: Takedown) -> bytes:
    """Return the message with the progress of a takedown."""
    return dumps({"type": "takedown", **takedown_object(progress)})


def _by(by: Principal) -> JSON:
    return {"kind": by.kind, "id": by.id, "name": by.name}
