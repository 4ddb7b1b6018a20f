"""The stream's messages to and from viewers, as JSON. docs/stream.md describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liveserver.protocol.json_encoding import JSON, dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liveserver.domain.change import Position

INBOUND_MAX = 512
"""The greatest number of bytes of a viewer's message. If a message has more, the stream is closed with the code 1009.

Viewers send hardly anything on public streams: only answers, such as confirmations.
"""

HEARD_MAX = 256
"""The greatest number of bytes of a viewer's answer, such as a confirmation. A longer text message is ignored, and a
longer answer over HTTP is refused."""


def hello(
    position: Position,
    *,
    resumed: bool,
    heartbeat: int,
    viewer: str = "",
    desk_fields: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the message `hello`, which comes first on a stream, and before each replay within the stream.

    `position`: the live blog's present position, at which a replay ends. `resumed`: True if a replay follows; its seqs
    may have gaps. False if nothing is replayed; a viewer that isn't at `position` then loads a snapshot. `heartbeat`:
    seconds between heartbeats. `viewer`: an id for a viewer that can't answer on its stream (SSE). Such a viewer posts
    its answers with this id. `desk_fields`: the further fields for a desk stream; None for other viewers.
    """
    message: JSON = {
        "type": "hello",
        **(desk_fields or {}),
        "epoch": position.epoch,
        "seq": position.seq,
        "resumed": resumed,
        "heartbeat": heartbeat,
    }
    if viewer:
        message["viewer"] = viewer
    return dumps(message)


def entry_message(seq: int, entry: JSON) -> bytes:
    """Return the message that tells viewers to insert an entry, or to replace the entry with the same id."""
    return dumps({"type": "entry", "seq": seq, "entry": entry})


def delete_message(seq: int, entry_id: str, *, within: int | None = None) -> bytes:
    """Return the message that tells viewers to remove an entry.

    `within`: the milliseconds in which viewers are to confirm the removal; None if they aren't asked to confirm it.
    """
    message: JSON = {"type": "delete", "seq": seq, "id": entry_id}
    if within is not None:
        message["confirm"] = {"within": within}
    return dumps(message)


def gone_answer(entry_id: str, *, had: bool) -> bytes:
    """Return the message by which a viewer confirms that it doesn't show an entry.

    `had`: True if the viewer showed the entry before.
    """
    return dumps({"type": "gone", "id": entry_id, "had": had})


def gone_message(entry_id: str, *, within: int | None = None) -> bytes:
    """Return the message that tells viewers of a late topic to remove an entry at once.

    (A late topic delays changes.) The message `delete` for this entry is sent later, when the delay is over. `within`:
    the milliseconds in which viewers are to confirm the removal, each viewer at a random moment; None if they aren't
    asked to confirm it.
    """
    message: JSON = {"type": "gone", "id": entry_id}
    if within is not None:
        message["confirm"] = {"within": within}
    return dumps(message)


def liveblog_message(seq: int, liveblog: JSON) -> bytes:
    """Return the message that tells viewers to replace the live blog's own fields, as they have changed."""
    return dumps({"type": "liveblog", "seq": seq, "liveblog": liveblog})


def heartbeat(seq: int, viewers: int) -> bytes:
    """Return the message `heartbeat`, which is sent at intervals to show that the stream is alive.

    `seq`: the seq of the stream's last change. `viewers`: the number of the live blog's viewers on all nodes.
    """
    return dumps({"type": "heartbeat", "seq": seq, "viewers": viewers})


def reset(position: Position) -> bytes:
    """Return the message `reset`, which says that the viewer's position is void. The viewer then loads a snapshot.

    `position`: the position that the message names, usually the live blog's present position.
    """
    return dumps({"type": "reset", "epoch": position.epoch, "seq": position.seq})


def reconnect(after_ms: int) -> bytes:
    """Return the message `reconnect`, which says that this server is about to end.

    `after_ms`: the milliseconds after which the viewer is to connect again.
    """
    return dumps({"type": "reconnect", "after_ms": after_ms})


def changes_object(position: Position, events: list[bytes], *, more: bool) -> bytes:
    """Return the body of the API's answer to a request for changes.

    `position`: the client's position after it has applied these changes. `events`: the changes as encoded messages.
    `more`: True if the client can request more changes.
    """
    head = dumps({"epoch": position.epoch, "seq": position.seq, "more": more})
    return head[:-1] + b',"events":[' + b",".join(events) + b"]}"


def changes_reset(position: Position) -> bytes:
    """Return the body of the API's answer to a request for changes after a void position.

    `position`: the live blog's present position.
    """
    return dumps({"reset": True, "epoch": position.epoch, "seq": position.seq})
