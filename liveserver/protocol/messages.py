"""The stream's messages as JSON: what a viewer is told, and what it answers. docs/stream.md describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.protocol.encoding import JSON, dumps

if TYPE_CHECKING:
    from liveserver.domain.change import Position

INBOUND_MAX = 512
"""Bytes. Public streams are receive-only: a larger message from a viewer closes its connection (1009)."""

HEARD_MAX = 256
"""Bytes. A text message from a viewer that is larger isn't looked at."""


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
