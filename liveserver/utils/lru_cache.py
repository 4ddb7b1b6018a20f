"""A cache of limited weight. It first forgets values that weren't used since they were put.

After them, it forgets the values that were used least recently.
"""

from __future__ import annotations

from collections import OrderedDict
from sys import getsizeof
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

OFTEN_SHARE = 0.75
"""The greatest share of a cache's budget for values that were used since they were put. The rest is for new values."""

KEPT_BYTES = 288
"""The number of bytes that a cache's own tables take for each value, besides the value and its key.

A caller whose weights are bytes adds this number to the weight of each value."""


def size_of(value: object) -> int:
    """Return how many bytes of memory a text, a number, or a tuple with its contents takes."""
    size = getsizeof(value)
    return size + sum(map(size_of, value)) if isinstance(value, tuple) else size


class LruCache(Generic[K, V]):
    """A cache that keeps values while their weights together don't exceed `budget`. Only one thread may use it.

    A value that is heavier than the whole budget isn't kept. Values that were used since they were put are forgotten
    after all others. So a thousand values that are asked for once each don't push out a value that is used again and
    again. `once_share`: the greatest share of the budget for values that weren't used since they were put. One such
    value is kept even if it is heavier than that share.
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
        """Return True if the key has a value. This call doesn't count as a use."""
        return key in self._often or key in self._once

    def is_often(self, key: K) -> bool:
        """Return True if the key's value was used since it was put, or has taken the place of a value that was used.

        If the used values take more than `OFTEN_SHARE` of the budget, those that were used least recently don't count
        as used any more. This call doesn't count as a use.
        """
        return key in self._often

    def get(self, key: K) -> V | None:
        """Return the key's value; None if it has none. This call counts as a use of the value."""
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
        """Put a value in place of the key's old one, and forget other values until all that remain fit into the budget.

        If the value is heavier than the whole budget, it isn't kept, and the old value is forgotten all the same.
        """
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
        """Forget the key's value. Does nothing if the key has none."""
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
