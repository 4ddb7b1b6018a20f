"""A memory of bounded weight that forgets what was asked for least recently, and first what was asked for once."""

from __future__ import annotations

from collections import OrderedDict
from sys import getsizeof
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

OFTEN_SHARE = 0.75
"""Of the budget, at most, for what was asked for again: the rest is there for what comes new."""

KEPT_BYTES = 288
"""What a value takes in a memory that weighs bytes, beside itself and its key: its places in two tables."""


def size_of(value: object) -> int:
    """The bytes that a text, a number or a tuple of such takes, with everything in it."""
    size = getsizeof(value)
    return size + sum(map(size_of, value)) if isinstance(value, tuple) else size


class LruCache(Generic[K, V]):
    """Keeps values while their weights together don't exceed `budget`. For one thread.

    A value that is heavier than the whole budget isn't kept at all. What was asked for since it was put is forgotten
    after all that wasn't: to ask for a thousand things once each pushes out nothing that is asked for again and again.
    `once_share`: of the budget, at most, for those (but one of them is kept whatever its weight).
    """

    def __init__(self, budget: int, *, once_share: float = 1.0) -> None:
        self._budget = budget
        self._once_most = budget * once_share
        self._once: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._often: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._often_weight = 0
        self.weight = 0
        """Of everything kept."""

    def __len__(self) -> int:
        return len(self._once) + len(self._often)

    def __contains__(self, key: K) -> bool:
        """Whether it is kept; to ask so doesn't count."""
        return key in self._often or key in self._once

    def is_often(self, key: K) -> bool:
        """Whether it was asked for since it was put, or since its like was; to ask so doesn't count."""
        return key in self._often

    def get(self, key: K) -> V | None:
        """The value; it is now the last to be forgotten."""
        kept = self._often.get(key)
        if kept is not None:
            self._often.move_to_end(key)
            return kept[0]
        kept = self._once.pop(key, None)
        if kept is None:
            return None
        self._keep_often(key, kept)
        return kept[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Keep a value in the place of the one that the key has, and forget others until all fit."""
        often = key in self._often
        self.drop(key)
        if weight > self._budget:
            return
        while self.weight + weight > self._budget:
            self.drop(next(iter(self._once or self._often)))
        self.weight += weight
        if often:
            self._keep_often(key, (value, weight))
            return
        self._once[key] = (value, weight)
        while self.weight - self._often_weight > self._once_most and len(self._once) > 1:
            self.drop(next(iter(self._once)))

    def drop(self, key: K) -> None:
        """Forget a value, if there is one."""
        kept = self._once.pop(key, None)
        if kept is None:
            kept = self._often.pop(key, None)
            if kept is None:
                return
            self._often_weight -= kept[1]
        self.weight -= kept[1]

    def _keep_often(self, key: K, kept: tuple[V, int]) -> None:
        self._often[key] = kept
        self._often_weight += kept[1]
        while self._often_weight > self._budget * OFTEN_SHARE:
            key, kept = self._often.popitem(last=False)
            self._often_weight -= kept[1]
            self._once[key] = kept
