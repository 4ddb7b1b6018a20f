"""The newsroom's pictures: what is known of them in the store, their files beside it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from liveserver.content.media.file_cache import FileCache
from liveserver.content.media.picture import Picture
from liveserver.domain.errors import Gone, NotFound, check_version
from liveserver.domain.ids import new_id, now
from liveserver.domain.media import Media

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import BinaryIO

    from liveserver.content.media.storage import MediaStorage
    from liveserver.content.media.transcoder_pool import TranscoderPool
    from liveserver.domain.ids import Edition
    from liveserver.domain.inputs.bodies import MediaInput, MediaPatch
    from liveserver.store import Store


class MediaLibrary:
    """Takes pictures in, and gives out their files.

    A picture's files are there before it is known, and gone before it is: at no moment does anybody get the address of
    a file that isn't kept, and what is said to be deleted is. An upload that breaks off may leave files that nobody
    knows of; they are never removed on a guess, as the picture may be in the store all the same.
    """

    def __init__(
        self, store: Store, files: MediaStorage, transcoder_pool: TranscoderPool, *, clock: Callable[[], datetime] = now
    ) -> None:
        self._store = store
        self._files = files
        self._transcoder_pool = transcoder_pool
        self._file_cache = FileCache(files.read)
        self._clock = clock

    async def close(self) -> None:
        """End what is being developed."""
        await self._transcoder_pool.close()

    async def add(self, file: BinaryIO, given: MediaInput, *, actor: str, media_id: str | None = None) -> Media:
        """A new picture. Raises InvalidInput if the file can't be served, Busy, MediaUnavailable.

        `media_id`: its id, a UUID that no other picture has or had, if it isn't to be a new one.
        """
        developed = await self._transcoder_pool.develop(file)
        media_id = media_id or new_id()
        largest = developed.variants[-1]
        # The id is in it: the same file sent twice makes two pictures, each with files that can go with it.
        digest = hashlib.sha256(media_id.encode() + largest.content).hexdigest()[:32]
        named = [
            (Picture(digest, variant.width, variant.height, developed.suffix).name, variant.content)
            for variant in developed.variants
        ]
        await asyncio.gather(*(self._files.write(name, content) for name, content in named))
        at = self._clock()
        return await self._store.media.add(
            Media(
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
        )

    async def edit(self, media_id: str, patch: MediaPatch, *, version: Edition | None) -> Media:
        """Change a picture's words. `version`: the one that was edited (None: whichever is current)."""
        at = self._clock()

        def edit(current: Media) -> Media:
            check_version(current, version, current.edition.history)
            edited = replace(current, **{name: getattr(patch, name) for name in patch.model_fields_set})
            return current if edited == current else replace(edited, updated_at=at)

        return await self._store.media.edit(media_id, edit)

    async def delete(self, media_id: str, *, version: Edition | None) -> None:
        """Take a picture away, for good. After MediaUnavailable or StoreUnavailable, call it again."""
        media = await self._store.media.find(media_id)
        check_version(media, version, media.edition.history)
        for picture in Picture.of(media).variants:
            await self._files.remove(picture.name)
            self._file_cache.forget(picture.name)
        await self._store.media.delete(media_id, version=version, at=self._clock())

    async def content(self, picture: Picture) -> bytes:
        """A picture's file. Raises NotFound, and Gone if it was deleted."""
        content = await self._file_cache.get(picture.name)
        if content is not None:
            return content
        if await self._store.media.was_deleted(picture.digest):
            raise Gone("the picture was deleted")
        raise NotFound(f"there is no picture {picture.name}")
