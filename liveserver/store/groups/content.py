"""The groups of queries about content: live blogs, entries, the changes of both, and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories import entries, entry_queries, idempotency, liveblogs, media, past
from liveserver.store.repositories.review import removals

if TYPE_CHECKING:
    from liveserver.domain.liveblog import Liveblog


class Liveblogs(QueryGroup):
    """The queries of live blogs, and of the content of pages, feeds and sitemaps."""

    create = Write(liveblogs.create)

    async def find(self, slug: str) -> Liveblog:
        """Return the live blog with this slug. Raises NotFound if there is none."""
        return (await self._database.read(liveblogs.find, slug)).liveblog

    page = Read(liveblogs.page)

    named = Read(liveblogs.named)

    edit = Write(liveblogs.edit)
    """Replace the live blog's own fields by the result of a function.

    Returns the live blog, and the change that readers see. The store locks the live blog's row, and calls the function
    once, with the live blog as it is now. The function must have no side effects, must set `updated_at` if it changes
    anything, and may raise an error. In the function's result, the store ignores `slug`, `epoch`, `created_at`,
    `version`, `seq` and `changed_seq`: it keeps or sets these six fields itself. If the function changes no further
    field, not even `updated_at`, the store writes nothing, and the returned change is None.

    Raises NotFound if there is no such live blog, and Unauthorized or Forbidden if the principal `by` may not change
    its settings now. Raises Conflict if breaking news is to need two persons, and breaking news is scheduled.
    """

    changed_since = Read(liveblogs.changed_since)
    """Return at most `limit` live blogs with a change since a moment. The live blog that changed last comes first.

    Each live blog comes with two times: the time of publication of its oldest published entry (None: no published
    entry), and the time of its last change. Changes of entries count as well as changes of the live
    blog's own fields.
    """

    numbered = Read(liveblogs.numbered)
    """Return the live blogs whose numbers are in a Python `range`, in the order of their numbers.

    Each live blog comes with two times, as for `changed_since`. A live blog's number is internal, and never
    changes. A live blog that was created later has a greater number.
    """

    board_tags = Read(liveblogs.board_tags)
    """Return the tags of live blogs' boards, by slug. A slug that no live blog has is left out.

    A board is the desk's list of all entries of a live blog, including unpublished entries. The board's tag is a text
    that changes with each write of the live blog, its entries or notes.
    """

    board_tag = Read(liveblogs.board_tag)

    highest_number = Read(liveblogs.highest_number)

    snapshot = Read(entry_queries.snapshot)
    """Return the content that a page starts with, all as of one moment.

    The content has at most `limit` of the newest published entries, all pinned entries (at most 10), and at most 100
    of the newest key events. `tags` and `moment` mean the same as for `Entries.page`.
    """

    feed = Read(entry_queries.feed)
    """Return the content of a feed: the newest published entries, and deletions of entries, at most `limit` of each.

    A deletion names an entry that was deleted or withdrawn. The deletions are from the same period as the returned
    entries. Raises NotFound if there is no such live blog.
    """


class Entries(QueryGroup):
    """The queries of a live blog's entries, as they are now and as they were at an earlier moment."""

    create = Write(entries.create)
    """Insert an entry, with version 1, and with the next seq if the entry is published. Returns the entry as written.

    `idempotency`: the idempotency key of the request. Only the first request with this key makes an entry. A repeated
    request makes no entry, and gets the first request's entry as it is now, marked `replayed`. Raises KeyReused if a
    different request came with the key before. Raises Gone if the first request's entry has been deleted since.

    `refusal`: an error that is raised instead of making an entry; None to make an entry. For a repeated request, the
    error isn't raised, as the first request has made an entry.

    `by`: the principal for whom the entry is written. Raises Unauthorized if its session or API key isn't valid at the
    moment of writing, and Forbidden if it may not create such an entry.

    Raises Conflict if the entry is published and pinned, and ten other published entries of the live blog are pinned.
    """

    find = Read(entries.find_in)

    find_published = Read(entry_queries.published)

    edit = Write(entries.edit)
    """Replace the entry by the result of a function. If the result is published, the entry takes the next seq.

    The store locks the entry's row, and calls the function once, with the entry as it is now. The function must have no
    side effects, and may raise an error. The store doesn't set `updated_at`: the function must set it if it changes the
    entry's content. In the function's result, the store ignores `id`, `created_at`, `created_by`, `version`, `seq` and
    `withdrawn_at`: it keeps or sets these six fields itself. If the function changes no further field, not even
    `updated_at`, the store writes nothing.

    Raises NotFound if there is no such entry. Raises Gone if the entry was deleted. Raises Conflict if a published
    entry would cease to be published, if an eleventh entry would be pinned, or if the entry was taken over from a
    source that the live blog still follows. `epoch`: raises VersionConflict if this isn't the live blog's epoch. `by`:
    as for `create`. `idempotency`: if a request with the same idempotency key has edited the entry already, the entry
    is returned as it is now, marked `replayed`. Raises KeyReused if a different request came with this key before.
    """

    delete = Write(removals.remove)
    """Delete the entry: its content is removed, and its row stays as a tombstone.

    `check`: is called with the entry before the deletion. If `check` raises, the entry isn't deleted. `epoch`: as for
    `edit`. `seen`: True if `check` raises for every version but the version that the principal has seen. Raises
    NotFound if there is no such entry, and Gone if the entry was deleted already. Raises Unauthorized or Forbidden if
    the principal `by` may not delete the entry now.

    If takedowns need two persons in this live blog, the first person's call doesn't delete a published entry: it only
    records a proposal, and returns it (`Written.proposed`).
    """

    page = Read(entry_queries.page)
    """Return a page of entries, ordered by the time of publication, then by id.

    An entry that isn't published is ordered by its due time; without a due time, by the time of its creation. `tags`:
    only entries with at least one of these tags. `moment`: a moment at most an hour ago, to get the published entries
    as they were then, without the entries that have been deleted or withdrawn since. Raises InvalidInput for a bad
    cursor.
    """

    around = Read(entry_queries.around)
    """Return a published entry with at most `after` newer and at most `before` older published entries, newest first.

    Raises NotFound and Gone as `find_published` does.
    """

    revisions = Read(entries.revisions)

    scheduled = Read(entry_queries.scheduled)

    forget_idempotency = Write(idempotency.forget)


class Changes(QueryGroup):
    """The queries of changes that readers see. A moment in the arguments of a query is at most an hour ago."""

    after = Read(entry_queries.changes)
    """Return at most `limit` changes of a live blog after a seq, ascending by seq, and the live blog as it is now.

    For an entry that changed several times, only the last change is returned; likewise for the live blog's own fields.
    """

    after_as_of = Read(entry_queries.changes_then)
    """Return the changes of a live blog after a seq, as they were at a past moment, and gone notices.

    The notices name the entries that were published at the moment, and have been deleted or withdrawn since. For
    each of these entries, the changes already have a deletion in place of the entry.
    """

    since = Read(past.pending)
    """Return the seq and the time of each change of a live blog since a moment, and gone notices.

    The notices name the entries that were published at the moment, and have been deleted or withdrawn since.
    """

    positions = Read(liveblogs.positions)

    positions_as_of = Read(past.positions)


class Media(QueryGroup):
    """The queries of pictures: their ids, sizes and texts. The pictures' files aren't in the store."""

    add = Write(media.add)
    """Insert a picture. The caller has written the picture's files before.

    Returns the picture; if an earlier request with the idempotency key has inserted one, returns that one. `by`: the
    principal that adds the picture. Raises Unauthorized if its session or API key isn't valid at the moment of writing,
    and Forbidden if it may not add pictures. Raises KeyReused if a different request came with the idempotency key
    before.
    """

    confirm_deletion = Write(media.confirm_deletion)
    """Return a picture that the principal may delete now. The caller deletes the picture's files after that.

    Raises NotFound if there is no such picture, and Gone if it was deleted. Raises Unauthorized or Forbidden if the
    principal may not delete the picture.
    """

    find = Read(media.find)

    page = Read(media.page)

    deleted = Read(media.deleted)
    """Filter digests: return the digests of deleted pictures."""

    size = Read(media.size)

    edit = Write(media.edit)
    """Replace the picture's texts by the result of a function, as `Entries.edit` does, and return the picture.

    Raises NotFound if there is no such picture, and Gone if it was deleted.
    """

    delete = Write(media.remove)
    """Remove the picture's texts, and keep its row as a tombstone. The picture's files must be deleted before.

    Raises NotFound if there is no such picture, and Gone if the picture was deleted already. Raises VersionConflict if
    `version` isn't the picture's current version (None: any version is deleted).
    """
