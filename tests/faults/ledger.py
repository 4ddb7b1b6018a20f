"""Answers that editors got, and entries that must therefore be in the store: of each live blog one ledger. No I/O.

An answer of 2xx makes a thing certain. No answer, and 503, leave it open: it is there once, or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar

from tests.faults.reading import Broken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Message = dict[str, Any]

_MARK = re.compile(r"mark-([a-z0-9]+)-end")


class Fate(Enum):
    """Whether something has happened."""

    NO = auto()
    MAYBE = auto()
    YES = auto()


@dataclass
class Item:
    """One entry that an editor asked for."""

    mark: str
    """A word in its body by which it is known again, whatever its id."""
    headings: set[str | None]
    """The headings that it may have; one, if nothing is open."""
    asked: Fate = Fate.NO
    deleted: Fate = Fate.NO
    id: str | None = None
    version: int = 0
    due: float | None = None
    """`time.time()` at which it is to be published by itself."""

    @property
    def editable(self) -> bool:
        """Whether an editor knows all about it."""
        return self.asked is Fate.YES and self.deleted is Fate.NO and len(self.headings) == 1 and self.due is None


def body_of(mark: str, length: int) -> str:
    """A body that carries a mark, of about so many characters."""
    return f"<p>{marked(mark)} {'La mer monte. ' * (length // 14)}</p>"


def marked(mark: str) -> str:
    """A mark as it stands in a body."""
    return f"mark-{mark}-end"


def mark_of(entry: Mapping[str, Any]) -> str:
    """The mark that a body carries."""
    found = _MARK.search(entry["body"])
    return found[1] if found else ""


def marks_in(text: str) -> set[str]:
    """All marks in a text."""
    return set(_MARK.findall(text))


@dataclass
class Ledger:
    """One live blog's."""

    slug: str
    items: dict[str, Item] = field(default_factory=dict)
    titles: set[str] = field(default_factory=set)
    """The titles that the live blog may have."""
    certain: int = 0
    """Changes that readers see and that were acknowledged."""
    open: int = 0
    """Those of which nobody knows."""
    acknowledged: dict[int, float] = field(default_factory=dict)
    """`time.monotonic()` of the acknowledgement of each seq, where the answer told it."""
    seq: int = 0
    """The highest of these."""
    acknowledged_at: float = 0.0
    """The last one's time."""
    returning: ClassVar[bool] = False
    """Whether entries are withdrawn, and may be published again."""

    def begin(self, mark: str, heading: str | None, *, due: float | None = None) -> Item:
        """An entry will be asked for."""
        item = self.items[mark] = Item(mark, {heading}, due=due)
        return item

    def created(self, item: Item, entry: Message, at: float) -> None:
        """It was acknowledged."""
        if item.id is not None and item.id != entry["id"]:
            raise Broken("doubled", f"one Idempotency-Key made {item.id} and {entry['id']}")
        if mark_of(entry) != item.mark:
            raise Broken("mixed", f"asked for {item.mark}, answered with {mark_of(entry)}")
        if item.asked is not Fate.YES:
            item.asked, item.id, item.version = Fate.YES, entry["id"], entry["version"]
            if entry["seq"] is not None:
                self._acknowledge(entry["seq"], at)
            else:
                # It becomes a change when its time has come.
                self.certain += 1

    def create_open(self, item: Item) -> None:
        """Nobody knows whether it is there, and nobody will ask again."""
        if item.asked is Fate.NO:
            item.asked = Fate.MAYBE
            self.open += 1

    def edited(self, item: Item, entry: Message, at: float) -> None:
        """An edit was acknowledged."""
        if entry["version"] <= item.version:
            raise Broken("lost", f"version {entry['version']} of {item.id} was acknowledged after {item.version}")
        item.version, item.headings = entry["version"], {entry["heading"]}
        self._acknowledge(entry["seq"], at)

    def edit_open(self, item: Item, heading: str) -> None:
        """Nobody knows of an edit."""
        item.headings.add(heading)
        self.open += 1

    def deleted(self, item: Item, at: float) -> None:
        """A deletion was acknowledged."""
        item.deleted = Fate.YES
        self.certain += 1
        self.acknowledged_at = at

    def delete_open(self, item: Item) -> None:
        """Nobody knows of a deletion."""
        item.deleted = Fate.MAYBE
        self.open += 1

    def renamed(self, liveblog: Message, at: float) -> None:
        """An edit of the live blog's title was acknowledged, whose answer doesn't tell its seq."""
        self.titles = {liveblog["title"]}
        self.certain += 1
        self.acknowledged_at = at

    def rename_open(self, title: str) -> None:
        """Nobody knows of one."""
        self.titles.add(title)
        self.open += 1

    def _acknowledge(self, seq: int, at: float) -> None:
        if seq in self.acknowledged:
            raise Broken("doubled", f"seq {seq} was given twice")
        self.acknowledged[seq] = at
        self.certain += 1
        self.seq = max(self.seq, seq)
        self.acknowledged_at = at

    def check(self, liveblog: Message, entries: Iterable[Message], seq: int) -> None:
        """Raises Broken unless the store holds what it must, and nothing that it can't."""
        found: dict[str, Message] = {}
        for entry in entries:
            mark = mark_of(entry)
            if mark in found:
                raise Broken("doubled", f"{mark} is there as {found[mark]['id']} and as {entry['id']}")
            found[mark] = entry
            item = self.items.get(mark)
            if item is None or item.asked is Fate.NO:
                raise Broken("doubled", f"nobody has published {entry['id']} ({mark!r})")
            self._check_one(item, entry)
        for item in self.items.values():
            if item.asked is Fate.YES and item.deleted is Fate.NO and item.mark not in found:
                raise Broken("lost", f"{item.id} ({item.mark}) was acknowledged, and isn't there")
        if liveblog["title"] not in self.titles:
            raise Broken("lost", f"the live blog is called {liveblog['title']!r}, not one of {self.titles}")
        if not self.certain <= seq <= self.certain + self.open:
            kind = "lost" if seq < self.certain else "doubled"
            raise Broken(kind, f"{seq} changes, where {self.certain} are certain and {self.open} open")

    def _check_one(self, item: Item, entry: Message) -> None:
        if item.deleted is Fate.YES:
            raise Broken("undeleted", f"{entry['id']} was deleted, and is there")
        if item.id not in {None, entry["id"]}:
            raise Broken("doubled", f"{item.mark} was acknowledged as {item.id}, and is there as {entry['id']}")
        if entry["heading"] not in item.headings:
            raise Broken("lost", f"{entry['id']} is headed {entry['heading']!r}, not one of {item.headings}")
