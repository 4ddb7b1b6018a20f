"""Share cards: the texts on the picture that social networks show beside a link.

`rendering/share_card_image.py` draws the picture. A card's address has a hash of everything on the card. Caches keep
pictures by their address, so after a change they fetch the new card.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from liveserver.content.plain_text import shortened
from liveserver.content.translations import texts_for
from liveserver.domain.entry import Verification
from liveserver.domain.liveblog import LiveblogStatus

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.rendering.entry_renderer import EntryRenderer

DESIGN = 1
"""The version of the drawing. It is a part of every card's hash: raise it when the drawing changes."""

TITLE_LENGTH = 160
"""The approximate greatest length, in characters, of a title that is made from an entry's text. (Such a title is made
only for an entry without a heading.)"""
TEXT_LENGTH = 400
"""The greatest number of characters of the text below a title; the rest is cut off. More text never fits on a card,
and laying out a longer text would take more time."""

Tone = Literal["accent", "quiet", "good", "doubt"]

_TONES: dict[Verification, Tone] = {
    Verification.CONFIRMED: "good",
    Verification.CLAIMED: "doubt",
    Verification.UNVERIFIED: "doubt",
    Verification.DENIED: "accent",
}

# The characters that both of our fonts have: Latin, Greek and Cyrillic letters, punctuation, a few signs.
_COVERED = re.compile(
    "[ -~\u00a0-\u0148\u014a-\u017f\u018f\u0192\u01a0\u01a1\u01af\u01b0\u01cd-\u01dc\u01e6-\u01eb\u01f8-\u021b\u0259"
    "\u02bb\u02bc\u02c6\u02c7\u02da\u02dc\u0386-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce"
    "\u0400-\u045f\u048a-\u049d\u04a0-\u04df"
    "\u1e02\u1e03\u1e0a\u1e0b\u1e1e\u1e1f\u1e40\u1e41\u1e56\u1e57\u1e60\u1e61\u1e6a\u1e6b\u1e80-\u1e85\u1e9e\u1ea0-\u1ef9"
    "\u2009-\u200b\u2010-\u2026\u202f\u2030\u2032\u2033\u2039\u203a\u2044\u2070\u2074-\u2079\u2080-\u2089"
    "\u20a3\u20aa-\u20ac\u20b4\u20b9\u20ba\u20bd\u2116\u2122\u2153\u215a-\u215e"
    "\u2190-\u2193\u2212\u221e\u2248\u2260\u2264\u2265]*"
)
# Categories of characters that a text can do without: emoji and other symbols, their modifiers, marks and joiners.
_DISPENSABLE = frozenset({"So", "Sk", "Cf", "Mn", "Me", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class Card:
    """The texts on a card. A text is empty if the card has no such text, or if our fonts lack a letter of it."""

    site: str
    label: str
    tone: Tone
    """The meaning of `label`, which determines the colour behind the label."""
    kicker: str
    """The line above the title: the live blog's title on an entry's card, and empty on a live blog's card."""
    title: str
    text: str
    """The text below the title. Only the part that fits on the card is drawn."""
    note: str
    """The text at the foot of the card: the time of publication on an entry's card, and empty on a live blog's card."""

    @property
    def hash(self) -> str:
        """The hash of all texts on the card, of `tone` and of the drawing's version, as 16 hexadecimal digits."""
        content = "\0".join(str(value) for value in (DESIGN, *astuple(self)))
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class ShareCards:
    """The cards of one site, and their addresses. When a card changes, its address changes, too."""

    entries: EntryRenderer

    def liveblog(self, liveblog: Liveblog) -> Card:
        """Return the card of a live blog."""
        status = liveblog.status
        return Card(
            site=writable(self.entries.site_name),
            label=writable(texts_for(liveblog.language).text(f"status.{status.value}")),
            tone="accent" if status is LiveblogStatus.LIVE else "quiet",
            kicker="",
            title=writable(liveblog.title),
            text=writable(liveblog.summary[:TEXT_LENGTH]),
            note="",
        )

    def entry(self, liveblog: Liveblog, entry: Entry) -> Card:
        """Return the card of a published entry.

        The label names the entry's verification. Without a verification, it says that the entry is breaking, or is
        empty.
        """
        assert entry.published_at is not None
        texts = texts_for(liveblog.language)
        label, tone = "", _TONES.get(entry.verification, "accent") if entry.verification else "accent"
        if entry.verification is not None:
            name = entry.verification.value
            label = writable(texts.verification(name, entry.source)) or writable(texts.verification(name))
        elif entry.breaking:
            label = writable(texts.text("entry.breaking"))
        text = self.entries.text(entry)
        return Card(
            site=writable(self.entries.site_name),
            label=label,
            tone=tone,
            kicker=writable(liveblog.title),
            # Not `EntryRenderer.title`, which begins with a claim's label: the card shows the label elsewhere.
            title=writable(entry.heading or shortened(text, TITLE_LENGTH)),
            text=writable(text[:TEXT_LENGTH]) if entry.heading else "",
            note=writable(texts.short_date_time(entry.published_at.astimezone(ZoneInfo(liveblog.timezone)))),
        )

    def liveblog_url(self, liveblog: Liveblog) -> str:
        """Return the address of a live blog's card."""
        return f"{self.entries.urls.liveblog(liveblog.slug)}/card-{self.liveblog(liveblog).hash}.png"

    def entry_url(self, liveblog: Liveblog, entry: Entry) -> str:
        """Return the address of a published entry's card."""
        return f"{self.entries.urls.entry(liveblog.slug, entry.id)}/card-{self.entry(liveblog, entry).hash}.png"


def writable(text: str) -> str:
    """Return the text as one line that our fonts can show.

    Returns an empty string if the fonts lack a letter, or if the line would have no letter and no digit.

    If our fonts lack an emoji, or another character that isn't needed to read the text, this character is left out. A
    letter is never left out, as the word would become another word.
    """
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(c for c in composed if _COVERED.fullmatch(c) or unicodedata.category(c) not in _DISPENSABLE)
    line = re.sub("[ \t\r\n\f\v\u0085\u2028\u2029]+", " ", kept).strip()
    if not _COVERED.fullmatch(line) or not any(c.isalnum() for c in line):
        return ""
    return line
