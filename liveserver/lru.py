"""A memory of bounded weight that forgets what was asked for least recently."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Keeps values while their weights together don't exceed `budget`. For one thread.

    A value that is heavier than the whole budget isn't kept at all.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.weight = 0
        """Of everything kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """The value; it is now the last to be forgotten."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Keep a value in the place of the one that the key has, and forget others until all fit."""
        self.drop(key)
        if weight > self._budget:
            return
        self._kept[key] = (value, weight)
        self.weight += weight
        while self.weight > self._budget:
            _, (_, lost) = self._kept.popitem(last=False)
            self.weight -= lost

    def drop(self, key: K) -> None:
        """Forget a value, if there is one."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.weight -= kept[1]
