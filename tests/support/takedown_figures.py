"""The figures of a takedown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.api.site import JSON


def figures(takedown: JSON) -> list[int]:
    """Asked, had, confirmed, gone, waiting."""
    return [takedown[name] for name in ("asked", "had", "confirmed", "gone", "waiting")]
