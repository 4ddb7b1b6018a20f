"""uvicorn without its pauses: its servers in tests look each 5 ms, not each 100 ms, whether they may end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_SECONDS = 0.005


class _Asyncio:
    """The module asyncio, with a `sleep` that is never long."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, LOOK_SECONDS))


@pytest.fixture(scope="session", autouse=True)
def hasty_uvicorn() -> Iterator[None]:
    """Take uvicorn's pauses away for the whole session: hundreds of servers start and end in it."""
    with patch("uvicorn.server.asyncio", _Asyncio()):
        yield
