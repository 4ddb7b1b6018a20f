"""The JSON of every message and resource, field by field."""

from __future__ import annotations

import sys
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from liveserver.domain.change import Position
from liveserver.domain.entry import Correction, EntryStatus, Verification
from liveserver.protocol import json_encoding, resources
from liveserver.protocol import messages as wire_messages
from tests.support.store_samples import NOON, TYPOGRAPHY, a_liveblog, a_scheduled, an_entry, at

HERE = Position("k3f9x2ab", 42)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 9, 30, tzinfo=UTC), "2026-11-22T09:30:00.000Z"),
        (datetime(2026, 11, 22, 9, 30, 1, 7_999, tzinfo=UTC), "2026-11-22T09:30:01.007Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2025-12-31T23:30:00.000Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert json_encoding.timestamp(moment) == text


@pytest.mark.parametrize("size", [1, 300, 3_000, 300_000])
def test_a_message_takes_no_more_memory_than_its_bytes(size: int) -> None:
    """Hundreds of each live blog are kept, and thousands of answers."""
    tracemalloc.start()
    messages = [json_encoding.dumps({"body": "x" * size, "number": number}) for number in range(20)]
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken < sum(map(sys.getsizeof, messages)) + 4_000


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            wire_messages.hello(HERE, resumed=True, heartbeat=25),
            {"type": "hello", "epoch": "k3f9x2ab", "seq": 42, "resumed": True, "heartbeat": 25},
        ),
        (wire_messages.entry_message(43, {"id": "0192"}), {"type": "entry", "seq": 43, "entry": {"id": "0192"}}),
        (wire_messages.delete_message(44, "0192"), {"type": "delete", "seq": 44, "id": "0192"}),
        (wire_messages.liveblog_message(45, {"slug": "s"}), {"type": "liveblog", "seq": 45, "liveblog": {"slug": "s"}}),
        (wire_messages.heartbeat(45, 1234), {"type": "heartbeat", "seq": 45, "viewers": 1234}),
        (wire_messages.reset(HERE), {"type": "reset", "epoch": "k3f9x2ab", "seq": 42}),
        (wire_messages.reconnect(8200), {"type": "reconnect", "after_ms": 8200}),
        (wire_messages.changes_reset(HERE), {"reset": True, "epoch": "k3f9x2ab", "seq": 42}),
        (
            wire_messages.changes_object(HERE, [], more=False),
            {"epoch": "k3f9x2ab", "seq": 42, "more": False, "events": []},
        ),
        (
            wire_messages.changes_object(
                HERE, [wire_messages.delete_message(41, "a"), wire_messages.delete_message(42, "b")], more=True
            ),
            {
                "epoch": "k3f9x2ab",
                "seq": 42,
                "more": True,
                "events": [{"type": "delete", "seq": 41, "id": "a"}, {"type": "delete", "seq": 42, "id": "b"}],
            },
        ),
    ],
)
def test_messages(message: bytes, expected: dict[str, Any]) -> None:
    assert orjson.loads(message) == expected


def test_a_live_blog() -> None:
    liveblog = a_liveblog(title=TYPOGRAPHY, summary="Résumé", updated_at=at(1.5), version=3, seq=9)
    assert resources.liveblog_object(liveblog, url="https://x.example/live/match") == {
        "slug": "match",
        "title": TYPOGRAPHY,
        "summary": "Résumé",
        "language": "fr",
        "timezone": "Europe/Paris",
        "status": "live",
        "version": 3,
        "created_at": "2026-11-22T12:00:00.000Z",
        "updated_at": "2026-11-22T12:00:01.500Z",
        "embedding": {"mode": "anyone", "origins": ()},
        "url": "https://x.example/live/match",
    }


def test_a_published_entry() -> None:
    entry = an_entry(
        id="0192",
        seq=43,
        version=2,
        heading="But",
        authors=("A", "B"),
        key_event=True,
        breaking=True,
        pinned=True,
        tags=("x",),
        verification=Verification.CLAIMED,
        source="la police",
        corrections=(Correction(at(60), "le nom"),),
        updated_at=at(60),
    )
    assert orjson.loads(
        json_encoding.dumps(resources.entry_object(entry, html="<article>", url="https://x.example/e"))
    ) == {
        "id": "0192",
        "seq": 43,
        "version": 2,
        "status": "published",
        "heading": "But",
        "body": "<p>But !</p>",
        "html": "<article>",
        "authors": ["A", "B"],
        "key_event": True,
        "breaking": True,
        "pinned": True,
        "tags": ["x"],
        "verification": "claimed",
        "source": "la police",
        "corrections": [{"at": "2026-11-22T12:01:00.000Z", "note": "le nom"}],
        "published_at": "2026-11-22T12:00:00.000Z",
        "updated_at": "2026-11-22T12:01:00.000Z",
        "url": "https://x.example/e",
    }


def test_an_entry_that_is_not_published_says_when_it_will_be() -> None:
    value = resources.entry_object(a_scheduled(at(60)), html="", url="")
    assert (value["status"], value["seq"], value["published_at"]) == ("scheduled", None, None)
    assert value["publish_at"] == "2026-11-22T12:01:00.000Z"
    draft = resources.entry_object(an_entry(status=EntryStatus.DRAFT, published_at=None), html="", url="")
    assert draft["publish_at"] is None


def test_a_key_event() -> None:
    line = resources.key_event_object(an_entry(NOON, id="0192"), title="But", url="u")
    assert line == {"id": "0192", "title": "But", "published_at": "2026-11-22T12:00:00.000Z", "url": "u"}


def test_text_is_carried_to_the_byte_on_one_line() -> None:
    """SSE ends a line at CR and LF: neither may stand in a message."""
    message = wire_messages.entry_message(1, {"id": "a", "body": TYPOGRAPHY + "\r\n\r\x0b\x85\u2029"})
    assert not {0x0A, 0x0D} & set(message)
    assert orjson.loads(message)["entry"]["body"] == TYPOGRAPHY + "\r\n\r\x0b\x85\u2029"
    assert "l’été".encode() in message, "UTF-8, not escapes"
