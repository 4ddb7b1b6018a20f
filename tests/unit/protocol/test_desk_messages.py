"""What editors say and are told on desk streams, as JSON."""

from __future__ import annotations

import orjson
import pytest

from liveserver.protocol import desk_messages
from liveserver.protocol.desk_messages import DeskState, Person, Word, read_word
from liveserver.protocol.messages import HEARD_MAX
from tests.support.principals import named
from tests.support.store_samples import a_draft

ENTRY = "0192c0de-0000-7000-8000-000000000001"


def test_a_desk_says_where_its_editor_is() -> None:
    """In fewer bytes than are heard."""
    message = orjson.dumps({"type": "presence", "entry": ENTRY, "state": "writing"})
    assert len(message) < HEARD_MAX
    assert read_word(message) == Word(ENTRY, DeskState.WRITING)
    assert read_word(b'{"type":"presence","entry":null,"state":"here"}') == Word(None, DeskState.HERE)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"presence",
        b'{"type":"gone","id":"x","had":true}',
        b'{"type":"presence","state":"here"}',
        b'{"type":"presence","entry":null,"state":"asleep"}',
        b'{"type":"presence","entry":"marees","state":"here"}',
        b'{"type":"presence","entry":7,"state":"here"}',
        b'{"type":"presence","entry":null,"state":"here","name":"Ada"}',
        b"\xff",
    ],
)
def test_anything_else_is_no_word(message: bytes) -> None:
    assert read_word(message) is None


def test_a_hint_has_no_text() -> None:
    entry = a_draft(heading="Secret", body="<p>Secret</p>")
    message = desk_messages.work(entry, named("Ada"))
    assert orjson.loads(message) == {
        "type": "work",
        "id": entry.id,
        "version": 1,
        "status": "draft",
        "by": {"kind": "server", "id": "Ada", "name": "Ada"},
    }
    note = orjson.loads(desk_messages.note(entry.id, "n1", named("Ada")))
    assert (note["type"], note["id"], note["note"]) == ("note", entry.id, "n1")


def test_figures_are_summed_and_partners_without_viewers_left_out() -> None:
    message = orjson.loads(desk_messages.figures({"p_b": 2, "": 40, "p_a": 0}))
    assert message == {"type": "figures", "viewers": 42, "by": {"": 40, "p_b": 2}}


def test_people_are_listed() -> None:
    people = [Person("u_a", "Ada", ENTRY, DeskState.WRITING)]
    assert orjson.loads(desk_messages.presence(people))["people"] == [
        {"user": "u_a", "name": "Ada", "entry": ENTRY, "state": "writing"}
    ]
