"""The messages that every server sends."""

from __future__ import annotations

from benchmarks.message import Template
from liveserver.cli.bench.viewers.messages import Change, Mark, meaning
from liveserver.protocol import messages

MESSAGE = messages.entry_message(
    4, {"seq": 4, "body": f"<p>{Mark('00000000', 0, 0)}</p>", "html": f"<article>{Mark('00000000', 0, 0)}</article>"}
)


def test_a_message_of_another_number() -> None:
    """Number and mark are new wherever they stand, and the length is that of ours."""
    mark = Mark("0123abcd", 7, 1234.5)
    frame = Template(MESSAGE).frame(9, mark)
    assert meaning(frame.message) == [Change(9, mark)]
    assert frame.message.count(str(mark).encode()) == 2
    assert frame.message.count(b'"seq":9') == 2
    assert len(frame.message) == len(MESSAGE)
