"""The presenter. It makes JSON objects of the protocol from the domain's objects, and a frame from each change.

A frame is one message as bytes. All viewers get the same frame.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from liveserver.content.media.picture import Picture, figure_html
from liveserver.domain.change import Change, Changes, EntryChanged, EntryDeleted, Position
from liveserver.protocol import json_encoding, messages, resources
from liveserver.protocol.frames import ChangeDetails, ChangeFrame
from liveserver.realtime.pending_confirmations import PendingConfirmations
from liveserver.rendering.cooperative import TimeSlice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.media import Media
    from liveserver.domain.snapshot import Snapshot
    from liveserver.rendering.entry_renderer import EntryRenderer

LIVEBLOG_KEY = "liveblog"
"""The key of a frame about the live blog's own fields. The key of a frame about an entry is the entry's id.

A frame makes all earlier frames with the same key superfluous."""


class Presenter:
    """A maker of JSON objects and frames for viewers and API clients. It also makes the HTML and URLs in them."""

    def __init__(self, renderer: EntryRenderer, confirmations: PendingConfirmations | None = None) -> None:
        self._renderer = renderer
        self._confirmations = PendingConfirmations() if confirmations is None else confirmations

    def liveblog(self, liveblog: Liveblog) -> json_encoding.JSON:
        """Return a live blog as a JSON object."""
        return resources.liveblog_object(liveblog, url=self._renderer.urls.liveblog(liveblog.slug))

    def entry(self, liveblog: Liveblog, entry: Entry) -> json_encoding.JSON:
        """Return an entry as a JSON object, with its HTML.

        An entry that isn't published yet has the same HTML that it will have after its publication.
        """
        return resources.entry_object(
            entry,
            html=self._renderer.article(liveblog, _as_due(entry)),
            url=self._renderer.urls.entry(liveblog.slug, entry.id),
        )

    def work(self, liveblog: Liveblog, entry: Entry, *, notes: int | None = None) -> json_encoding.JSON:
        """Return an entry as a JSON object for the newsroom: its public fields, and the fields of `work_object`.

        `notes`: the number of notes on the entry; None if it isn't known.
        """
        return resources.work_object(entry, self.entry(liveblog, entry), notes=notes)

    async def entries(self, liveblog: Liveblog, entries: Iterable[Entry]) -> list[json_encoding.Encoded]:
        """Return entries as encoded JSON objects. During the call, other tasks run every few milliseconds."""
        time_slice, encoded = TimeSlice(), []
        for entry in entries:
            encoded.append(json_encoding.encoded(self.entry(liveblog, entry)))
            await time_slice.checkpoint()
        return encoded

    def media(self, media: Media) -> json_encoding.JSON:
        """Return a picture as a JSON object, with the HTML that puts the picture into an entry's body."""
        picture = Picture.of(media)
        base = self._renderer.urls.media
        srcset: list[json_encoding.JSON] = [
            {"url": f"{base}/{r.name}", "width": r.width, "height": r.height} for r in picture.variants
        ]
        return resources.media_object(
            media,
            url=f"{base}/{picture.name}",
            srcset=srcset,
            media_type=picture.media_type,
            html=figure_html(picture, media.alt, media.credit, base),
        )

    async def snapshot(self, snapshot: Snapshot) -> json_encoding.JSON:
        """Return a snapshot as a JSON object. During the call, other tasks run every few milliseconds."""
        liveblog, time_slice, key_events = snapshot.liveblog, TimeSlice(), []
        for entry in snapshot.key_events:
            title, url = self._renderer.title(liveblog, entry), self._renderer.urls.entry(liveblog.slug, entry.id)
            key_events.append(resources.key_event_object(entry, title=title, url=url))
            await time_slice.checkpoint()
        return {
            "epoch": liveblog.epoch,
            "seq": liveblog.seq,
            "liveblog": self.liveblog(liveblog),
            "pinned": await self.entries(liveblog, snapshot.pinned),
            "key_events": key_events,
            "entries": await self.entries(liveblog, snapshot.entries),
            "next_cursor": snapshot.next_cursor,
        }

    async def frames(self, changes: Changes) -> list[ChangeFrame]:
        """Return changes from the store as frames. During the call, other tasks run every few milliseconds."""
        time_slice, frames = TimeSlice(), []
        for change in changes.items:
            frames.append(self.frame(changes.liveblog, change))
            await time_slice.checkpoint()
        return frames

    def frame(self, liveblog: Liveblog, change: Change) -> ChangeFrame:
        """Return a change as a frame, which is the same for all viewers. `liveblog`: the live blog after the change."""
        match change:
            case EntryChanged(seq, entry):
                key, message = entry.id, messages.entry_message(seq, self.entry(liveblog, entry))
                details = ChangeDetails(tags=entry.tags)
            case EntryDeleted(seq, entry_id):
                within = self._confirmations.within(entry_id)
                key, message = entry_id, messages.delete_message(seq, entry_id, within=within)
                details = ChangeDetails(confirm_within=within)
            case _:
                key, message = LIVEBLOG_KEY, messages.liveblog_message(change.seq, self.liveblog(change.liveblog))
                details = ChangeDetails()
        return ChangeFrame(Position(liveblog.epoch, change.seq), key, message, details)


def _as_due(entry: Entry) -> Entry:
    if entry.published_at is not None:
        return entry
    return replace(entry, published_at=entry.publish_at or entry.updated_at)
