"""The attacks by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hostile.enemy import Attack

ATTACKS: dict[str, Attack] = {}
"""By their names."""


def attack(function: Attack) -> Attack:
    """Make it one of the attacks."""
    ATTACKS[function.__name__.replace("_", "-")] = function
    return function
