"""The newsroom's pictures: what is known of them in the store, their files beside it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from liveserver.content.media.file_cache import FileCache
from liveserver.content.media.missing_files import MissingFiles
from liveserver.content.media.picture import Picture
from liveserver.domain.errors import StoreUnavailable, check_version
from liveserver.domain.ids import new_id, now
from liveserver.domain.media import Media

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime
    from typing import BinaryIO

    from liveserver.content.media.quota import MediaQuota
    from liveserver.content.media.storage import MediaStorage
    from liveserver.content.media.transcoder_pool import TranscoderPool
    from liveserver.domain.errors import Gone, NotFound
    from liveserver.domain.ids import Edition
    from liveserver.domain.inputs.bodies import MediaInput, MediaPatch
    from liveserver.store import Store


class MediaLibrary:
    """Takes pictures in, and gives out their files.

    A picture's files are there before it is known, and gone before it is: at no moment does anybody get the address of
    a file that isn't kept, and what is said to be deleted is. An upload that fails leaves no files; unless the store
    doesn't say whether it has the picture: then they stay, as they are never removed on a guess.
    """

    def __init__(
        self,
        store: Store,
        files: MediaStorage,
        transcoder_pool: TranscoderPool,
        quota: MediaQuota,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._files = files
        self._transcoder_pool = transcoder_pool
        self._quota = quota
        self._file_cache = FileCache(files.read)
        self._missing = MissingFiles(store.media.deleted)
        self._clock = clock

    async def close(self) -> None:
        """End what is being developed."""
        await self._transcoder_pool.close()
        await self._missing.close()

    async def check_room(self, owner: Hashable) -> None:
        """See that there is room for one more picture of the owner's. Raises MediaFull, TooManyRequests."""
        await self._quota.check(owner)

    async def add(
        self,
        file: BinaryIO,
        given: MediaInput,
        *,
        actor: str,
        owner: Hashable,
        key_id: str | None = None,
        media_id: str | None = None,
    ) -> Media:
        """A new picture.

        `owner`: the key or the source that sends it, with which it shares turns and room. `key_id`: an API key, which
        has to be good at the moment of the writing. `media_id`: its id, a UUID that no other picture has or had, if it
        isn't to be a new one. Raises InvalidInput if the file can't be served, Busy, MediaUnavailable, TooManyRequests,
        Unauthorized.
        """
        await self.check_room(owner)
        developed = await self._transcoder_pool.develop(file, owner=owner)
        media_id = media_id or new_id()
        largest = developed.variants[-1]
        # The id is in it: the same file sent twice makes two pictures, each with files that can go with it.
        digest = hashlib.sha256(media_id.encode() + largest.content).hexdigest()[:32]
        named = [
            (Picture(digest, variant.width, variant.height, developed.suffix).name, variant.content)
            for variant in developed.variants
        ]
        self._quota.add(owner, sum(len(content) for _, content in named))
        await self._write(named)
        at = self._clock()
        media = Media(
            id=media_id,
            version=1,
            digest=digest,
            width=largest.width,
            height=largest.height,
            suffix=developed.suffix,
            size=len(largest.content),
            alt=given.alt,
            credit=given.credit,
            actor=actor,
            created_at=at,
            updated_at=at,
        )
        try:
            return await self._store.media.add(media, key_id=key_id)
        except StoreUnavailable:
            # It may be there all the same.
            raise
        except Exception:
            await self._remove([name for name, _ in named])
            raise

    async def _write(self, named: Sequence[tuple[str, bytes]]) -> None:
        """Keep all files, or none of them. Raises MediaUnavailable."""
        writes = [self._files.write(name, content) for name, content in named]
        failures = [each for each in await asyncio.gather(*writes, return_exceptions=True) if each is not None]
        if failures:
            await self._remove([name for name, _ in named])
            raise failures[0]

    async def _remove(self, names: Sequence[str]) -> None:
        """Take away, as far as possible, what nobody got the address of."""
        await asyncio.gather(*(self._files.remove(name) for name in names), return_exceptions=True)

    async def edit(self, media_id: str, patch: MediaPatch, *, version: Edition | None) -> Media:
        """Change a picture's words. `version`: the one that was edited (None: whichever is current)."""
        at = self._clock()

        def edit(current: Media) -> Media:
            check_version(current, version, current.edition.history)
            edited = replace(current, **patch.sent())
            return current if edited == current else replace(edited, updated_at=at)

        return await self._store.media.edit(media_id, edit)

    async def delete(self, media_id: str, *, version: Edition | None) -> None:
        """Take a picture away, for good. After MediaUnavailable or StoreUnavailable, call it again."""
        media = await self._store.media.find(media_id)
        check_version(media, version, media.edition.history)
        for picture in Picture.of(media).variants:
            await self._files.remove(picture.name)
            self._file_cache.forget(picture.name)
            self._missing.forget(picture)
        await self._store.media.delete(media_id, version=version, at=self._clock())

    def kept(self, picture: Picture) -> bytes | None:
        """A picture's file, if it is in memory."""
        return self._file_cache.kept(picture.name)

    def check(self, picture: Picture) -> None:
        """Raises NotFound or Gone if the file wasn't there some seconds ago. Nothing is read."""
        self._missing.check(picture)

    async def content(self, picture: Picture) -> bytes | None:
        """A picture's file; None if there is none."""
        return await self._file_cache.get(picture.name)

    async def part(self, picture: Picture, start: int, end: int) -> bytes | None:
        """Some of the file's bytes, which aren't kept; None if there is no file."""
        return await self._files.read_part(picture.name, start, end)

    async def size(self, picture: Picture) -> int | None:
        """The file's bytes; None if there is none."""
        return await self._files.size(picture.name)

    async def missing(self, picture: Picture) -> NotFound | Gone:
        """The error to raise for a file that isn't there. Raises StoreUnavailable."""
        return await self._missing.explain(picture)
