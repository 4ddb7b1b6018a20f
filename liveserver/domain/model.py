"""The nouns: live blogs, entries, changes and positions. Pure values; no I/O."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SLUG_PATTERN = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
SLUG_MAX = 100

SCOPES = ("publish", "manage")
"""What an API key may be allowed to. `publish`: entries. `manage`: live blogs."""

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters (C0 but tab, line feed and return, DEL, C1), which no editor means and no terminal should get."""

ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""Of entries and pictures: a UUID, as `new_id` writes it."""

PARTNER_ID_PATTERN = r"^p_[a-z0-9]{12}$"
TAG_MAX = 60
"""Characters of a tag."""
DELAY_MAX = 3_600
"""Seconds by which a partner's readers may be late."""

LINK_DAYS_MAX = 31
"""Days for which a link to the page of a live blog's reach may be good."""

EPOCH_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
EPOCH_LENGTH = 8


class LiveblogStatus(StrEnum):
    """Where a coverage stands."""

    UPCOMING = "upcoming"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class EntryStatus(StrEnum):
    """Where an entry stands. Only `published` is visible to readers."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    DELETED = "deleted"


class Verification(StrEnum):
    """How sure the newsroom is of what an entry reports."""

    CONFIRMED = "confirmed"
    CLAIMED = "claimed"
    UNVERIFIED = "unverified"
    DENIED = "denied"

    @property
    def is_claim(self) -> bool:
        """Whether the newsroom doesn't answer for it: such words never go without their label."""
        return self is not Verification.CONFIRMED


class EmbedPolicy(NamedTuple):
    """Whose pages may show a live blog without being a partner's."""

    mode: Literal["anyone", "origins", "nobody"] = "anyone"
    origins: tuple[str, ...] = ()
    """With `origins`: whose (`domain/origins.py`)."""


ANYONE = EmbedPolicy()


@dataclass(frozen=True, slots=True)
class Liveblog:
    """One live coverage."""

    slug: str
    title: str
    summary: str
    language: str
    """BCP 47 tag, for example `fr` or `en-GB`."""
    timezone: str
    """IANA name, for example `Europe/Paris`."""
    status: LiveblogStatus
    version: int
    """1, 2, 3 …: the number of this state of the live blog's own fields."""
    epoch: str
    """Names this history: another epoch voids every earlier seq."""
    seq: int
    """The last change of the live blog or of any of its entries."""
    changed_seq: int
    """The last change of the live blog's own fields (0: never changed since it was created)."""
    created_at: datetime
    updated_at: datetime
    embedding: EmbedPolicy = ANYONE

    @property
    def edition(self) -> Edition:
        """The version of its own fields, in its history."""
        return Edition(self.version, self.epoch)


CORRECTIONS_MAX = 50
"""Of one entry: it is carried with all of them, to everybody, at each change."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A public note on what was wrong in an entry."""

    at: datetime
    note: str


class Via(NamedTuple):
    """Whose an entry is that was taken over from another live blog."""

    name: str
    url: str
    """Where it stands there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a live blog."""

    id: str
    """UUIDv7 (RFC 9562), lower-case with hyphens."""
    seq: int | None
    """The change that last touched what readers see of it; None while they never saw it."""
    version: int
    status: EntryStatus
    heading: str | None
    body: str
    """Sanitised HTML; empty once deleted."""
    authors: tuple[str, ...]
    key_event: bool
    breaking: bool
    pinned: bool
    tags: tuple[str, ...]
    verification: Verification | None
    source: str | None
    corrections: tuple[Correction, ...]
    publish_at: datetime | None
    """When a scheduled entry is due."""
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    via: Via | None = None
    """None for the newsroom's own."""

    @property
    def is_claim(self) -> bool:
        """Whether what it reports is a claim; not where nothing is said of that."""
        return self.verification is not None and self.verification.is_claim


@dataclass(frozen=True, slots=True)
class Revision:
    """One state that an entry had, and who made it."""

    version: int
    at: datetime
    actor: str
    """The name of the API key."""
    action: Literal["created", "edited", "published", "deleted"]
    entry: Entry
    """The entry as it was from then on (empty body for `deleted`)."""


@dataclass(frozen=True, slots=True)
class Media:
    """A picture of the newsroom's, to be put into entries."""

    id: str
    """UUIDv7."""
    version: int
    digest: str
    """With width, height and suffix, the name of its largest file."""
    width: int
    height: int
    suffix: str
    size: int
    """Bytes of its largest file."""
    alt: str
    """What it shows, in words."""
    credit: str | None
    actor: str
    """The name of the API key that sent it."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    @property
    def edition(self) -> Edition:
        """Its version; the moment of its making tells that from the same one of another history."""
        return Edition(self.version, _word(self.updated_at))


FORMER = ""
"""Stands for the history in an entity tag that was made before tags named it: none has this name."""


class Edition(NamedTuple):
    """A state of something that can be edited, as its entity tag names it: the one that an edit was made from."""

    number: int
    """Its version."""
    history: str | None = None
    """The history that the version counts in. None: who named it didn't say, and means whichever is there."""


class Attribution(NamedTuple):
    """How a partner's page says whose live blog it shows."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Partner:
    """Another site that shows live blogs, under rules."""

    id: str
    """`p_` and twelve letters or digits. It stands in public pages, and is no secret."""
    name: str
    origins: tuple[str, ...]
    """Whose pages may show them (`domain/origins.py`); empty: anybody's."""
    liveblogs: tuple[str, ...]
    """The slugs of those that it may show; empty: all."""
    tags: tuple[str, ...]
    """It gets entries with one of these; empty: all entries."""
    delay: int
    """Seconds by which its readers are late."""
    expires_at: datetime | None
    enabled: bool
    theme: Mapping[str, str]
    """`accent`, `background`, `text`, `font`, `scheme`: those that are set."""
    attribution: Attribution | None
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def edition(self) -> Edition:
        """As that of a picture."""
        return Edition(self.version, _word(self.updated_at))


class ReachHour(NamedTuple):
    """What came of a live blog in one hour, on a partner's pages or on no partner's."""

    partner: str
    """The partner's id, or "" for none."""
    hour: datetime
    """Its beginning, in UTC."""
    views: int
    """Streams that were opened."""
    seconds: int
    """For which they were open, added up."""
    peak: int
    """The most that were open at once."""


@dataclass(slots=True)
class ConfirmationCounts:
    """What became of the viewers who were asked to confirm that a deleted entry is gone."""

    asked: int = 0
    had: int = 0
    """Of those who confirmed: they had it until then."""
    confirmed: int = 0
    gone: int = 0
    """They left without having answered."""

    @property
    def waiting(self) -> int:
        """Those who are connected, and haven't answered."""
        return self.asked - self.confirmed - self.gone

    def add(self, other: ConfirmationCounts) -> None:
        """Count those of another node too."""
        self.asked += other.asked
        self.had += other.had
        self.confirmed += other.confirmed
        self.gone += other.gone


@dataclass(frozen=True, slots=True)
class Takedown:
    """A deletion that viewers are asked to confirm."""

    entry_id: str
    seq: int
    """The change that deleted it."""
    at: datetime
    ended_at: datetime | None
    """When counting ended; None while it goes on."""
    by_partner: dict[str, ConfirmationCounts]
    """The partner's id, or "" for the newsroom's own pages and anonymous embeds."""


class SourceState(StrEnum):
    """How it stands between a live blog and the one that it follows."""

    WAITING = "waiting"
    """No node has taken it on yet."""
    CONNECTING = "connecting"
    """What there is at the source is being taken over."""
    LIVE = "live"
    LOST = "lost"
    """The source can't be reached; it is tried again and again."""
    REFUSED = "refused"
    """The source doesn't let us in; it is asked again every minute."""


@dataclass(frozen=True, slots=True)
class Source:
    """The live blog that another one follows."""

    id: str
    """Random: a source that is set anew is another one."""
    slug: str
    """Of the live blog here."""
    server: str
    """The other server's address, without a trailing slash."""
    remote_slug: str
    partner: str | None
    """As which partner of theirs we read."""
    name: str | None
    """What is said of whose it is; None: what the source asks for, else its host's name."""
    url: str | None
    """Where that leads; None: to each entry, where it stands there."""
    position: Position | None
    """Up to where the source's changes are in the store; None until all that it had was taken over."""
    state: SourceState
    error: str | None
    """Why, in words; the last, if it is in order by now."""
    told: int | None
    """The source's last seq that we know of, in the epoch of `position`."""
    heard_at: datetime | None
    """When it last said anything."""
    created_at: datetime

    @property
    def page(self) -> str:
        """The address of its page."""
        return f"{self.server}/live/{self.remote_slug}"

    @property
    def behind(self) -> int | None:
        """How many of the source's changes that we know of aren't here yet; None while all of it is taken over."""
        return None if self.position is None else max(0, (self.told or 0) - self.position.seq)


class ImportedEntry(NamedTuple):
    """What is known of an entry of the source."""

    entry_id: str
    """Of the entry here."""
    seq: int
    """Of its last change there that was taken over."""
    complete: bool
    """Whether its pictures are here."""


class EntryChanged(NamedTuple):
    """An entry was published, or a published one was edited."""

    seq: int
    entry: Entry


class EntryDeleted(NamedTuple):
    """A published entry was deleted."""

    seq: int
    id: str


class LiveblogChanged(NamedTuple):
    """The live blog's own fields changed."""

    seq: int
    liveblog: Liveblog


Change = EntryChanged | EntryDeleted | LiveblogChanged
"""What readers can see changing. A later change of the same entry (or of the live blog) replaces the earlier."""


class Position(NamedTuple):
    """Where a reader stands in a live blog: `epoch-seq`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """The position that `text` names, or None if it names none."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


_POSITION = re.compile(r"([a-z0-9]{1,32})-(0|[1-9][0-9]{0,17})", re.ASCII)


VOID_POSITION = Position("0", 0)
"""Stands for a position that can't be read, or is too old: no history has this epoch (`0` is no letter of epochs)."""


class Withdrawal(NamedTuple):
    """An entry that readers who are late still have, and that was deleted by now."""

    id: str
    seq: int
    """The change that deleted it."""
    within: int | None = None
    """Milliseconds within which readers are to confirm that it is gone; None if they aren't asked."""


class Changes(NamedTuple):
    """What changed after a position, from the store: the latest state of each thing, ascending by seq."""

    liveblog: Liveblog
    """As of the same moment as the items; its `epoch` and `seq` are the store's."""
    items: list[Change]
    more: bool
    """True if the limit cut the list: ask again after the last item's seq."""


class Snapshot(NamedTuple):
    """What a page starts from; everything as of one moment."""

    liveblog: Liveblog
    pinned: list[Entry]
    key_events: list[Entry]
    entries: list[Entry]
    next_cursor: str | None
    began_at: datetime | None
    """When the oldest entry was published; None while there is none."""
    changed_at: datetime
    """When the last change was made, the one that `seq` counts."""


class Deletion(NamedTuple):
    """What is left to tell of a published entry that was deleted."""

    id: str
    at: datetime


class Feed(NamedTuple):
    """What a feed is made from; everything as of one moment."""

    liveblog: Liveblog
    entries: list[Entry]
    """The newest published entries, newest first."""
    deleted: list[Deletion]
    """The deleted entries that would stand among them."""
    changed_at: datetime
    """When the last change was made."""


class Listing(NamedTuple):
    """A live blog, as sitemaps list it."""

    liveblog: Liveblog
    began_at: datetime | None
    """When the oldest entry was published; None while there is none."""
    changed_at: datetime
    """When the last change was made."""


class EntryPage(NamedTuple):
    """One page of a list of entries."""

    liveblog: Liveblog
    items: list[Entry]
    next_cursor: str | None


# Letters that Unicode doesn't take apart into a plain one and its accent.
_INSEPARABLE = str.maketrans(
    {"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)


def new_epoch() -> str:
    """A random word that names a new history."""
    return "".join(secrets.choice(EPOCH_ALPHABET) for _ in range(EPOCH_LENGTH))


def new_id() -> str:
    """A UUIDv7 (RFC 9562, 5.7 with method 3 of 6.2): ids made one after the other on one machine sort in that order."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | fraction << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


new_entry_id = new_id
"""An entry's id; pictures have such ids too."""


def new_partner_id() -> str:
    """A random name for a partner."""
    return "p_" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(12))


def now() -> datetime:
    """The current time in UTC, cut to milliseconds: what the store keeps and the wire carries."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _word(moment: datetime) -> str:
    return f"{round(moment.timestamp() * 1000):x}"


def slugify(title: str) -> str:
    """A slug made from a title: `L’été, en direct` → `l-ete-en-direct`; empty if nothing of the title is left."""
    expanded = title.lower().translate(_INSEPARABLE)
    plain = "".join(c for c in unicodedata.normalize("NFKD", expanded) if not unicodedata.combining(c))
    words = re.findall(r"[a-z0-9]+", plain)
    slug = ""
    for word in words:
        candidate = f"{slug}-{word}" if slug else word
        if len(candidate) > SLUG_MAX:
            break
        slug = candidate
    return slug or (words[0][:SLUG_MAX] if words else "")
