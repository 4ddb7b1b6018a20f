"""Where the files of pictures are kept: a few hundred kilobytes each, written once, never changed."""

from __future__ import annotations

from typing import Protocol


class Files(Protocol):
    """Files by their names, which `Picture` makes: safe in a path and in a URL.

    Every call raises FilesUnavailable when it can't be carried out. Several processes may use the same files.
    """

    async def write(self, name: str, content: bytes) -> None:
        """Keep a file; when this returns, it outlives a power cut. Written again, it is the same as before."""

    async def read(self, name: str) -> bytes | None:
        """The file's content; None if there is none of that name."""

    async def remove(self, name: str) -> None:
        """Keep it no more. One that isn't there is none the less gone."""
