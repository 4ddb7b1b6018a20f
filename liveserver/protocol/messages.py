"""The stream's messages to and from viewers, as JSON. docs/stream.md describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.protocol.json_encoding import JSON, dumps

if TYPE_CHECKING:
    from liveserver.domain.change import Position

INBOUND_MAX = 512
"""Bytes that a viewer's message may have. Public streams are receive-only: a larger one closes the stream (1009)."""

HEARD_MAX = 256
"""Bytes above which a viewer's text message is ignored."""


def hello(position: Position, *, resumed: bool, heartbeat: int, viewer: str = "") -> bytes:
    """Make the first message of a stream, and of every replay within it: seqs may skip up to its seq.

    `viewer`: the id by which a viewer that can't answer on its stream (SSE) is known when it posts an answer.
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
    """Make the message to insert an entry, or replace the one with its id."""
    return dumps({"type": "entry", "seq": seq, "entry": entry})


def delete_message(seq: int, entry_id: str, *, within: int | None = None) -> bytes:
    """Make the message to remove an entry, and, unless None, to confirm that within so many milliseconds."""
    message: JSON = {"type": "delete", "seq": seq, "id": entry_id}
    if within is not None:
        message["confirm"] = {"within": within}
    return dumps(message)


def gone_answer(entry_id: str, *, had: bool) -> bytes:
    """Make a viewer's confirmation that it doesn't show an entry. `had`: True if it did before."""
    return dumps({"type": "gone", "id": entry_id, "had": had})


def withdrawal_message(entry_id: str, *, within: int | None = None) -> bytes:
    """Make the message to remove an entry at once, for viewers with a delay; its `delete` follows in its turn.

    Unless None, they are to confirm it at some moment within so many milliseconds.
    """
    message: JSON = {"type": "gone", "id": entry_id}
    if within is not None:
        message["confirm"] = {"within": within}
    return dumps(message)


def liveblog_message(seq: int, liveblog: JSON) -> bytes:
    """Make the message that the live blog's own fields have changed."""
    return dumps({"type": "liveblog", "seq": seq, "liveblog": liveblog})


def heartbeat(seq: int, viewers: int) -> bytes:
    """Make the message that the stream is alive and has reached `seq`, with the number of viewers."""
    return dumps({"type": "heartbeat", "seq": seq, "viewers": viewers})


def reset(position: Position) -> bytes:
    """Make the message that the viewer's position is void, so that it takes a snapshot."""
    return dumps({"type": "reset", "epoch": position.epoch, "seq": position.seq})


def reconnect(after_ms: int) -> bytes:
    """Make the message that this server ends, and that viewers are to come back after so many milliseconds."""
    return dumps({"type": "reconnect", "after_ms": after_ms})


def changes_object(position: Position, events: list[bytes], *, more: bool) -> bytes:
    """Make the answer of `changes` from messages that are already encoded."""
    head = dumps({"epoch": position.epoch, "seq": position.seq, "more": more})
    return head[:-1] + b',"events":[' + b",".join(events) + b"]}"


def changes_reset(position: Position) -> bytes:
    """Make the answer of `changes` to a void position."""
    return dumps({"reset": True, "epoch": position.epoch, "seq": position.seq})
