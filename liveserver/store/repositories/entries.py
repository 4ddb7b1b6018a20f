"""The queries that write entries. A change that readers see takes the live blog's next seq.

To avoid deadlocks, every function locks rows in the same order: idempotency key, entry, live blog.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Text, bindparam, cast, func, insert, select, update

from liveserver.domain.change import Change, EntryChanged, EntryDeleted
from liveserver.domain.entry import Action, Entry, EntryStatus, Revision, check_publishable
from liveserver.domain.errors import Conflict, Gone, KeyReused, NeverSeen, NotFound, check_history
from liveserver.domain.ids import ID_PATTERN, now
from liveserver.domain.people.review import OUTGOING, check_one_person
from liveserver.domain.people.rights import Verb
from liveserver.store import tables
from liveserver.store.cursors import SortKey, bad_cursor
from liveserver.store.mappers import entry_document, entry_from, entry_values, revision_from
from liveserver.store.repositories import change_times, liveblogs
from liveserver.store.repositories.idempotency import claim, target_of
from liveserver.store.repositories.people import acts, permissions
from liveserver.store.repositories.sequence import note_work, take_seq

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from liveserver.domain.errors import LiveserverError
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.people.principal import Principal
    from liveserver.domain.people.rights import Rights
    from liveserver.store.repositories.idempotency import Idempotency

_t = tables.entries

# These statements are made once: making one takes longer than SQLite needs to execute it.
_FIND = select(_t).where(_t.c.id == bindparam("entry_id"), _t.c.liveblog_id == bindparam("blog_id"))
_FIND_LOCKED = _FIND.with_for_update(key_share=True)
_INSERT = insert(_t)
_UPDATE = update(_t).where(_t.c.id == bindparam("entry_id"))
REVISIONS_CHARS = 1_000_000
"""The greatest size of a page of an entry's revisions, in characters of JSON. A larger revision is alone on its
page."""
VERSION_MAX = 999_999_999
"""The greatest version of an entry that a cursor may name. No entry is edited so often."""
_INSERT_REVISION = insert(tables.revisions)
_FOLLOWS = select(tables.sources.c.id).where(tables.sources.c.liveblog_id == bindparam("blog_id"))

PINNED_MAX = 10
"""The greatest number of pinned entries of a live blog. The page shows all of them at its top, whatever their age."""

_ID = re.compile(ID_PATTERN, re.ASCII)


class Written(NamedTuple):
    """The result of writing an entry."""

    liveblog: Liveblog
    """The live blog as it is after the write."""
    entry: Entry
    change: Change | None
    """The change that readers see. None if nothing was written, or if readers can't see it, as the edit of a draft."""
    replayed: bool
    """True if an earlier request with the same idempotency key has made or changed the entry."""
    proposed: bool = False
    """True if the entry's takedown was only recorded as a proposal, which another person has to confirm."""


def find(connection: Connection, liveblog_id: int, entry_id: str, *, lock: bool = False) -> Entry:
    """Return an entry that isn't deleted. With `lock`, the entry's row is locked until the transaction ends.

    Raises NotFound if there is no such entry. Raises Gone if the entry was deleted after readers could see it, and
    NeverSeen (a kind of Gone) if the entry was deleted before readers could see it.
    """
    entry = find_any(connection, liveblog_id, entry_id, lock=lock)
    if entry.status is EntryStatus.DELETED:
        # An entry has a seq only if it was published.
        raise (NeverSeen if entry.seq is None else Gone)(f"entry {entry_id} was deleted")
    return entry


def find_in(connection: Connection, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
    """Return the live blog with this slug, and one of its entries, which isn't deleted. It may be unpublished.

    Raises NotFound if there is no such live blog or entry. Raises Gone if the entry was deleted after readers could see
    it, and NeverSeen (a kind of Gone) if the entry was deleted before readers could see it.
    """
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    return liveblog, find(connection, liveblog_id, entry_id)


def find_any(connection: Connection, liveblog_id: int, entry_id: str, *, lock: bool = False) -> Entry:
    """Return an entry, or the tombstone of one that was deleted. Raises NotFound if there was never such an entry.

    With `lock`, the entry's row is locked until the transaction ends.
    """
    if _ID.fullmatch(entry_id):
        values = {"entry_id": entry_id, "blog_id": liveblog_id}
        row = connection.execute(_FIND_LOCKED if lock else _FIND, values).mappings().one_or_none()
        if row is not None:
            return entry_from(row)
    raise NotFound(f"there is no entry {entry_id!r}")


def create(
    connection: Connection,
    slug: str,
    entry: Entry,
    *,
    by: Principal,
    idempotency: Idempotency | None = None,
    refusal: LiveserverError | None = None,
) -> Written:
    """Insert an entry. If a request with the same idempotency key has made an entry already, return that entry.

    `refusal`: an error that is raised instead of inserting an entry; None to insert one. Raises NotFound if there is no
    such live blog. Raises InvalidInput if an entry without content would be published or scheduled. Raises Conflict if
    an eleventh entry would be pinned, or if the entry is breaking news that one person alone may not publish. Raises
    KeyReused if a different request came with the idempotency key before. Raises Gone if an entry was made with the
    idempotency key, and has been deleted. Raises Unauthorized or Forbidden if the principal `by` may not create such an
    entry now.
    """
    permissions.confirm(connection, by, Verb.PUBLISH if entry.status in OUTGOING else Verb.WRITE, slug)
    if idempotency is not None and not claim(connection, by, idempotency, entry.id, entry.created_at):
        return replay(connection, slug, by, idempotency)
    if refusal is not None:
        liveblogs.find(connection, slug)
        raise refusal
    if entry.status in {EntryStatus.DELETED, EntryStatus.REVIEW}:
        raise Conflict(f"an entry can't begin as {entry.status}")
    if entry.status in OUTGOING:
        check_publishable(entry)
    published = entry.status is EntryStatus.PUBLISHED
    liveblog_id, liveblog = (take_seq if published else note_work)(connection, slug)
    check_one_person(liveblog, None, entry, by)
    entry = replace(entry, version=1, seq=liveblog.seq if published else None, created_by=by.ref)
    change: Change | None = None
    if published:
        _check_pinned(connection, liveblog_id, entry)
        change = EntryChanged(liveblog.seq, entry)
        change_times.record(connection, liveblog_id, liveblog.seq, entry)
    connection.execute(_INSERT, {"liveblog_id": liveblog_id, **entry_values(entry)})
    _record(connection, slug, entry, by=by, action="created" if change is None else "published")
    return Written(liveblog, entry, change, replayed=False)


def edit(
    connection: Connection,
    slug: str,
    entry_id: str,
    change: Callable[[Entry], Entry],
    *,
    by: Principal,
    epoch: str | None = None,
    idempotency: Idempotency | None = None,
) -> Written:
    """Replace the entry by the result of `change`. Call this for an edit by our own newsroom.

    If the result is equal to the present entry, nothing is written. Raises NotFound if there is no such entry. Raises
    Gone if the entry was deleted. Raises InvalidInput if the result has no content, and isn't a draft. Raises Conflict
    if a published entry would cease to be published, if an eleventh entry would be pinned, or if one person alone may
    not make this edit of breaking news. Raises Conflict, too, if the entry was taken over from a source that the live
    blog still follows: such an entry is edited only at the source. Raises VersionConflict if `epoch` isn't the live
    blog's epoch (None: any). Raises Unauthorized or Forbidden if the principal `by` may not edit this entry now.

    If a request with the same idempotency key has edited the entry already, returns the entry as it is now. Raises
    KeyReused if a different request came with the idempotency key before.
    """
    rights = permissions.confirm(connection, by, Verb.WRITE, slug)
    return _edit(connection, slug, entry_id, change, by=by, epoch=epoch, rights=rights, idempotency=idempotency)


def edit_as_source(
    connection: Connection, slug: str, entry_id: str, change: Callable[[Entry], Entry], *, by: Principal
) -> Written:
    """Replace our copy of a source's entry by the result of `change`. Call this for an edit by the source.

    If the result is equal to the present copy, nothing is written. Raises NotFound if there is no such entry of ours.
    Raises Gone if our copy was deleted. Raises Conflict if a published copy would become unpublished, or if an
    eleventh entry would be pinned.
    """
    return _edit(connection, slug, entry_id, change, by=by)


def _edit(
    connection: Connection,
    slug: str,
    entry_id: str,
    change: Callable[[Entry], Entry],
    *,
    by: Principal,
    epoch: str | None = None,
    rights: Rights | None = None,
    idempotency: Idempotency | None = None,
) -> Written:
    """Replace the entry by the result of `change`, and raise the errors of `edit` and `edit_as_source`.

    `rights`: the rights of our own newsroom's principal; None for an edit by the source.
    """
    if idempotency is not None and not claim(connection, by, idempotency, entry_id, now()):
        return replay(connection, slug, by, idempotency)
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    old = find(connection, liveblog_id, entry_id, lock=True)
    if rights is not None:
        rights.require(verb_for(old, by), slug)
    check_history(old, epoch, liveblog.epoch)
    if old.via is not None and rights is not None and follows(connection, liveblog_id):
        raise Conflict(f"the entry is {old.via.name}'s and is edited there: delete it to hide it, or stop following")
    new = replace(change(old), id=old.id, created_at=old.created_at, created_by=old.created_by)
    if replace(new, seq=old.seq, version=old.version, withdrawn_at=old.withdrawn_at) == old:
        return Written(liveblog, old, None, replayed=False)
    if rights is not None and new.status in OUTGOING:
        rights.require(Verb.PUBLISH, slug)
    if new.status in {EntryStatus.DELETED, old.status}:
        allowed = new.status is not EntryStatus.DELETED
    else:
        allowed = new.status is not EntryStatus.REVIEW and old.status is not EntryStatus.PUBLISHED
    if not allowed:
        raise Conflict(f"a {old.status} entry can't become {new.status}")

    def check(current: Liveblog) -> None:
        if rights is not None:
            check_one_person(current, old, new, by)

    published_now = old.status is not EntryStatus.PUBLISHED and new.status is EntryStatus.PUBLISHED
    action: Action = "published" if published_now else "edited"
    return write(connection, liveblog_id, old, new, by=by, slug=slug, action=action, check=check)


def write(
    connection: Connection,
    liveblog_id: int,
    old: Entry,
    new: Entry,
    *,
    by: Principal,
    slug: str,
    action: Action,
    check: Callable[[Liveblog], None] | None = None,
) -> Written:
    """Replace the entry `old`, whose row is locked, by its next version `new`. Record the revision and the act.

    If readers see `old` or `new`, the change takes the live blog's next seq. `check`: is called with the live blog,
    whose row is locked; if it raises, nothing is written. Raises InvalidInput if `new` has no content, and is neither a
    draft nor deleted. Raises Conflict if an eleventh entry would be pinned.
    """
    if new.status not in {EntryStatus.DRAFT, EntryStatus.DELETED}:
        check_publishable(new)
    shown, was_shown = (entry.status is EntryStatus.PUBLISHED for entry in (new, old))
    liveblog = (take_seq if shown or was_shown else note_work)(connection, slug).liveblog
    if check is not None:
        check(liveblog)
    withdrawn_at = None if shown else new.updated_at if was_shown else old.withdrawn_at
    new = replace(new, version=old.version + 1, seq=old.seq, withdrawn_at=withdrawn_at)
    change: Change | None = None
    if shown or was_shown:
        new = replace(new, seq=liveblog.seq)
        if shown:
            _check_pinned(connection, liveblog_id, new)
        change = EntryChanged(liveblog.seq, new) if shown else EntryDeleted(liveblog.seq, new.id)
        change_times.record(connection, liveblog_id, liveblog.seq, new)
    _update(connection, new)
    _record(connection, slug, new, by=by, action=action)
    return Written(liveblog, new, change, replayed=False)


def revisions(
    connection: Connection, slug: str, entry_id: str, *, limit: int = 100, cursor: str | None = None
) -> tuple[list[Revision], str | None]:
    """Return a page of an entry's revisions, oldest first, and the cursor of the next page (None: no next page).

    The entry may be deleted. A page has at most `limit` revisions, and at most REVISIONS_CHARS characters; a larger
    revision is alone on its page. Raises NotFound if there was never such an entry. Raises InvalidInput for a bad
    cursor.
    """
    start = 0 if cursor is None else _version_of(cursor)
    liveblog_id, _ = liveblogs.find(connection, slug)
    find_any(connection, liveblog_id, entry_id)
    t = tables.revisions
    of_entry = t.c.entry_id == entry_id
    # An entry may have hundreds of revisions, each with the longest body that is accepted. So we first ask for their
    # sizes, and read only the revisions that fit on the page.
    sizes = select(t.c.version, func.length(cast(t.c.entry, Text))).where(of_entry, t.c.version > start)
    versions: list[int] = []
    size, more = 0, False
    for version, length in connection.execute(sizes.order_by(t.c.version).limit(limit + 1)):
        size += length
        if versions and (len(versions) == limit or size > REVISIONS_CHARS):
            more = True
            break
        versions.append(version)
    last = versions[-1] if versions else start
    query = select(t).where(of_entry, t.c.version > start, t.c.version <= last).order_by(t.c.version)
    page = [revision_from(row) for row in connection.execute(query).mappings()]
    return page, SortKey(page[-1].at, str(last)).cursor() if more else None


def _version_of(cursor: str) -> int:
    name = SortKey.parse(cursor).name
    if not name.isdecimal() or len(name) > len(str(VERSION_MAX)):
        raise bad_cursor()
    return int(name)


def _check_pinned(connection: Connection, liveblog_id: int, entry: Entry) -> None:
    """Raise Conflict if the entry is pinned, and PINNED_MAX other published entries of the live blog are pinned.

    The caller has locked the live blog's row, so no other transaction pins an entry meanwhile.
    """
    if not entry.pinned:
        return
    others = select(func.count()).where(
        _t.c.liveblog_id == liveblog_id,
        _t.c.status == EntryStatus.PUBLISHED.value,
        _t.c.pinned,
        _t.c.id != entry.id,
    )
    if connection.execute(others).scalar_one() >= PINNED_MAX:
        raise Conflict(f"at most {PINNED_MAX} entries can be pinned at a time: unpin one first")


def follows(connection: Connection, liveblog_id: int) -> bool:
    """Return True if the live blog follows a source."""
    return connection.execute(_FOLLOWS, {"blog_id": liveblog_id}).first() is not None


def _update(connection: Connection, entry: Entry) -> None:
    connection.execute(_UPDATE, {"entry_id": entry.id, **entry_values(entry)})


def verb_for(entry: Entry, by: Principal) -> Verb:
    """Return the verb that the principal `by` needs to edit or delete the entry.

    `write` if the principal created the entry, and the entry is neither published nor scheduled; otherwise `publish`.
    """
    mine = entry.created_by == by.ref and entry.status not in OUTGOING
    return Verb.WRITE if mine else Verb.PUBLISH


def _record(
    connection: Connection,
    slug: str,
    entry: Entry,
    *,
    by: Principal,
    action: Action,
) -> None:
    """Insert the entry's new version as a revision, and the act into the audit log, both with the present time.

    The entry's `updated_at` won't do: readers see it, and an edit of a tag, for example, leaves it as it is. In a copy
    of a source's entry, it is the source's.
    """
    moment = now()
    revision = {
        "entry_id": entry.id,
        "version": entry.version,
        "at": moment,
        "actor": by.name,
        "principal": by.ref,
        "action": action,
        "entry": entry_document(entry),
    }
    connection.execute(_INSERT_REVISION, revision)
    acts.record(
        connection,
        by,
        f"entry.{action}",
        moment,
        liveblog=slug,
        entry_id=entry.id,
        version=entry.version,
    )


def replay(connection: Connection, slug: str, by: Principal, idempotency: Idempotency) -> Written:
    """Return the entry that an earlier request with the same idempotency key made or changed, as it is now.

    Raises KeyReused if the earlier request was a different one. Raises Gone if the entry was deleted.
    """
    entry_id = target_of(connection, by, idempotency)
    row = connection.execute(select(_t).where(_t.c.id == entry_id)).mappings().one_or_none()
    liveblog = None if row is None else liveblogs.find_by_id(connection, row["liveblog_id"])
    if row is None or liveblog is None or liveblog.slug != slug:
        raise KeyReused
    entry = entry_from(row)
    if entry.status is EntryStatus.DELETED:
        raise Gone(f"entry {entry.id} was deleted")
    return Written(liveblog, entry, None, replayed=True)
