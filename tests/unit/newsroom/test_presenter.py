"""A change becomes a frame, once: its message, and what the hub must know of it."""

from __future__ import annotations

import pytest

from liveserver.domain.change import Change, EntryChanged, EntryDeleted, LiveblogChanged
from liveserver.newsroom.presenter import Presenter
from liveserver.protocol.frames import ChangeDetails, ChangeFrame, pack, unpack
from liveserver.realtime.pending_confirmations import PendingConfirmations
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.urls import Urls
from tests.support.store_samples import a_liveblog, an_entry

LIVEBLOG = a_liveblog("match")


@pytest.mark.parametrize(
    ("change", "details"),
    [
        (EntryChanged(3, an_entry(id="a", seq=3, tags=("sea", "sky"))), ChangeDetails(("sea", "sky"))),
        (EntryChanged(3, an_entry(id="a", seq=3, tags=())), ChangeDetails(())),
        (EntryDeleted(3, "a"), ChangeDetails()),
        (EntryDeleted(3, "asked"), ChangeDetails(None, 5_000)),
        (LiveblogChanged(3, LIVEBLOG), ChangeDetails()),
    ],
)
def test_a_frame_says_what_its_message_says(change: Change, details: ChangeDetails) -> None:
    """On every node the same: where it is made, and where the bus brings its message alone."""
    confirmations = PendingConfirmations()
    confirmations.ask("asked", 5_000)
    frame = Presenter(EntryRenderer(Urls("http://test")), confirmations).frame(LIVEBLOG, change)
    elsewhere = unpack(pack(frame))
    assert isinstance(elsewhere, ChangeFrame)
    assert elsewhere.message == frame.message
    assert frame.details == elsewhere.details == details
