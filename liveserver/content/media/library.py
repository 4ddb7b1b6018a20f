"""The newsroom's pictures: their descriptions in the store, and their files in a storage."""

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
from liveserver.store.repositories.idempotency import Idempotency

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime
    from typing import BinaryIO

    from liveserver.content.media.quota import MediaQuota
    from liveserver.content.media.storage import MediaStorage
    from liveserver.content.media.transcoder_pool import TranscoderPool
    from liveserver.domain.errors import Gone, NotFound
    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.inputs.models import MediaInput, MediaPatch
    from liveserver.domain.people.principal import Principal
    from liveserver.store import Store

HASHED_AT_ONCE = 256 * 1024
"""How many bytes of an upload are read at once for its hash."""


class MediaLibrary:
    """The library of pictures: adds, edits and deletes pictures, and returns their files.

    The library writes a picture's files before it adds the picture to the store. So nobody gets the address of a file
    that doesn't exist yet. The library removes the files before it deletes the picture from the store. So if a picture
    is reported as deleted, its files are gone.

    If an upload fails, its files are removed again. The files stay in three cases only: the store doesn't answer
    whether it has the picture, the files can't be removed, or the upload is cancelled.
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
        """Kill the processes that transcode pictures. If a query is asking the store about missing files, cancel the
        query."""
        await self._transcoder_pool.close()
        await self._missing.close()

    async def check_room(self, owner: Hashable) -> None:
        """Check that one more picture of an owner (an API key, or a source) may be added.

        Raises MediaFull if too few bytes are free on the disk, or if all pictures together have reached their limit of
        bytes. `QuotaTerms` has these limits. Raises TooManyRequests if the owner has used up its daily quota. Raises
        MediaUnavailable if the storage doesn't answer. Raises StoreUnavailable if the store doesn't answer.
        """
        await self._quota.check(owner)

    async def add(
        self,
        file: BinaryIO,
        media_input: MediaInput,
        *,
        by: Principal,
        media_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Media:
        """Transcode a picture, write its files, and add it to the store; return the picture.

        `by`: the user, API key or source that sends the picture. It has a line in the transcoder's queue, and a quota.
        `media_id`: the id of the picture, a UUID that no other picture has or had; None to make a new id.
        `idempotency_key`: if an earlier request of the same principal with this key has added a picture, that picture
        is returned, and the new files are removed.

        Raises InvalidInput if the file isn't a picture that can be served. Raises Busy if too many pictures wait to be
        transcoded, or the server is stopping. Raises MediaUnavailable if the picture can't be transcoded now, or a file
        can't be written. Raises KeyReused if another file or other texts came
        with the idempotency key before, and Gone if the earlier request's picture was deleted. Raises Unauthorized or
        Forbidden if the principal may not add pictures any more. Raises
        StoreUnavailable. Also raises the errors of `check_room`.
        """
        await self.check_room(by.ref)
        idempotency = None
        if idempotency_key is not None:
            idempotency = Idempotency(idempotency_key, await asyncio.to_thread(_hash_of, file, media_input))
        transcoded = await self._transcoder_pool.develop(file, owner=by.ref)
        media_id = media_id or new_id()
        largest = transcoded.variants[-1]
        # The hash includes the id. So a file that is sent twice makes two pictures, whose files have different names.
        # The files of one picture can be removed without removing the files of the other picture.
        digest = hashlib.sha256(media_id.encode() + largest.content).hexdigest()[:32]
        named_files = [
            (Picture(digest, variant.width, variant.height, transcoded.suffix).name, variant.content)
            for variant in transcoded.variants
        ]
        self._quota.add(by.ref, sum(len(content) for _, content in named_files))
        await self._write(named_files)
        at = self._clock()
        media = Media(
            id=media_id,
            version=1,
            digest=digest,
            width=largest.width,
            height=largest.height,
            suffix=transcoded.suffix,
            size=len(largest.content),
            alt=media_input.alt,
            credit=media_input.credit,
            actor=by.name,
            created_at=at,
            updated_at=at,
        )
        try:
            added = await self._store.media.add(media, by, idempotency=idempotency)
        except StoreUnavailable:
            # The store may have added the picture although it didn't say so.
            raise
        except Exception:
            await self._remove([name for name, _ in named_files])
            raise
        if added.id != media.id:
            await self._remove([name for name, _ in named_files])
        return added

    async def _write(self, named_files: Sequence[tuple[str, bytes]]) -> None:
        """Write all files. If a file can't be written, remove all these files and raise MediaUnavailable."""
        writes = [self._files.write(name, content) for name, content in named_files]
        failures = [failure for failure in await asyncio.gather(*writes, return_exceptions=True) if failure is not None]
        if failures:
            await self._remove([name for name, _ in named_files])
            raise failures[0]

    async def _remove(self, names: Sequence[str]) -> None:
        """Remove files whose addresses nobody has got. If a file can't be removed, it stays, and no error is raised."""
        await asyncio.gather(*(self._files.remove(name) for name in names), return_exceptions=True)

    async def edit(self, media_id: str, patch: MediaPatch, by: Principal, *, version: EntityVersion | None) -> Media:
        """Change a picture's description and credit; return the picture as it is now.

        `version`: the version that the editor has edited; None if any version is accepted. Raises NotFound if there is
        no such picture, Gone if the picture was deleted, and VersionConflict if the picture's current version is
        another one. Raises StoreUnavailable.
        """
        at = self._clock()

        def edit(current: Media) -> Media:
            check_version(current, version, current.entity_version.history)
            edited = replace(current, **patch.sent())
            return current if edited == current else replace(edited, updated_at=at)

        return await self._store.media.edit(media_id, edit, by)

    async def delete(self, media_id: str, by: Principal, *, version: EntityVersion | None) -> None:
        """Delete a picture and its files for good.

        `version`: the version that the editor has seen; None if any version is accepted. Raises NotFound if there is no
        such picture, Gone if the picture was deleted before, and VersionConflict if the picture's current version is
        another one. If MediaUnavailable or StoreUnavailable is raised, the picture may still exist although some of its
        files are gone. In this case, call this method again.
        """
        media = await self._store.media.confirm_deletion(media_id, by)
        check_version(media, version, media.entity_version.history)
        for picture in Picture.of(media).variants:
            await self._files.remove(picture.name)
            self._file_cache.forget(picture.name)
            self._missing.forget(picture)
        await self._store.media.delete(media_id, by, version=version, at=self._clock())

    def kept(self, picture: Picture) -> bytes | None:
        """Return the content of a picture's file if the file is in the cache in memory; otherwise None. Reads
        nothing."""
        return self._file_cache.kept(picture.name)

    def check(self, picture: Picture) -> None:
        """Raise an error if the file was found to be missing in the last few seconds. Reads nothing.

        Raises Gone if the file's picture was deleted, otherwise NotFound.
        """
        self._missing.check(picture)

    async def content(self, picture: Picture) -> bytes | None:
        """Return the content of a picture's file; None if there is no such file. Raises MediaUnavailable."""
        return await self._file_cache.get(picture.name)

    async def part(self, picture: Picture, start: int, end: int) -> bytes | None:
        """Return a file's bytes from index `start` up to, but not including, `end`; None if there is no such file.

        The bytes are read from the storage, without the cache. Raises MediaUnavailable.
        """
        return await self._files.read_part(picture.name, start, end)

    async def size(self, picture: Picture) -> int | None:
        """Return the size of a file in bytes; None if there is no such file. Raises MediaUnavailable."""
        return await self._files.size(picture.name)

    async def missing(self, picture: Picture) -> NotFound | Gone:
        """Return the error that the caller is to raise for a missing file: Gone if the picture was deleted, otherwise
        NotFound. Raises StoreUnavailable."""
        return await self._missing.explain(picture)


def _hash_of(file: BinaryIO, media_input: MediaInput) -> str:
    """Return the hash of an upload's file, description and credit. The file is read, and then rewound."""
    digest = hashlib.sha256(media_input.model_dump_json().encode())
    while chunk := file.read(HASHED_AT_ONCE):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
