"""A cache of limited weight, which forgets the least recently used values, and first those used only once."""

from __future__ import annotations

from collections import OrderedDict
from sys import getsizeof
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

OFTEN_SHARE = 0.75
"""The greatest share of the budget for values that were used again: the rest is for new ones."""

KEPT_BYTES = 288
"""Bytes that a value takes besides itself and its key, in a cache that weighs bytes: its places in two tables."""


def size_of(value: object) -> int:
    """Return the bytes that a text, a number or a tuple of such values takes, with everything in it."""
    size = getsizeof(value)
    return size + sum(map(size_of, value)) if isinstance(value, tuple) else size


class LruCache(Generic[K, V]):
    """A cache that keeps values while their weights together don't exceed `budget`. For one thread.

    A value that is heavier than the whole budget isn't kept at all. Values that were used since they were put are
    forgotten after all others: a thousand values that are asked for once each push out none that is used again and
    again. `once_share`: the greatest share of the budget for values that weren't used yet (but one of them is kept
    whatever its weight).
    """

    def __init__(self, budget: int, *, once_share: float = 1.0) -> None:
        self._budget = budget
        self._once_most = budget * once_share
        self._once: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._often: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._often_weight = 0
        self.weight = 0
        """The weights of all values, added up."""

    def __len__(self) -> int:
        return len(self._once) + len(self._often)

    def __contains__(self, key: K) -> bool:
        """True if the key has a value. This doesn't count as use."""
        return key in self._often or key in self._once

    def is_often(self, key: K) -> bool:
        """True if the key's value, or an earlier one of the key, was used since it was put. Doesn't count as use."""
        return key in self._often

    def get(self, key: K) -> V | None:
        """Return the value, which is now the last to be forgotten; None if there is none."""
        item = self._often.get(key)
        if item is not None:
            self._often.move_to_end(key)
            return item[0]
        item = self._once.pop(key, None)
        if item is None:
            return None
        self._keep_often(key, item)
        return item[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Keep a value in place of the key's old one, and forget others until all fit."""
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
        item = self._once.pop(key, None)
        if item is None:
            item = self._often.pop(key, None)
            if item is None:
                return
            self._often_weight -= item[1]
        self.weight -= item[1]

    def _keep_often(self, key: K, item: tuple[V, int]) -> None:
        self._often[key] = item
        self._often_weight += item[1]
        while self._often_weight > self._budget * OFTEN_SHARE:
            key, item = self._often.popitem(last=False)
            self._often_weight -= item[1]
            self._once[key] = item
