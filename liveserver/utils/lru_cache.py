"""A cache of limited weight. It first forgets values that weren't used since they were stored in it.

After these values, it forgets the values that were used least recently.
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
"""The greatest share of a cache's budget for used values. So at least the rest is left for unused values."""

KEPT_BYTES = 288
"""The number of bytes that a cache's own tables use for each value, besides the value and its key.

A caller whose weights are bytes adds this number to the weight of each value."""


def size_of(value: object) -> int:
    """Return the number of bytes of memory that a text, a number, or a tuple with its contents takes."""
    size = getsizeof(value)
    return size + sum(map(size_of, value)) if isinstance(value, tuple) else size


class LruCache(Generic[K, V]):
    """A cache that keeps values while their weights together don't exceed `budget`. Only one thread may use it.

    A value that is heavier than the whole budget isn't kept. A value is *unused* until `get` returns it. Unused values
    are forgotten before used values. So a thousand values that are each asked for once don't push out a value that is
    used again and again. `once_share`: the greatest share of the budget for unused values. A single unused value is
    kept even if it is heavier than this share.
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
        """Return True if the key's value is used: `get` has returned it, or it has replaced a used value.

        If the used values together weigh more than `OFTEN_SHARE` of the budget, the least recently used values become
        unused again. This method doesn't count as a use.
        """
        return key in self._often

    def get(self, key: K) -> V | None:
        """Return the key's value; None if there is no value. This call counts as a use of the value."""
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
        """Store a value in place of the key's old value. Forget other values as `budget` and `once_share` demand.

        If the new value is heavier than the whole budget, it isn't kept, and only the old value is forgotten.
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
        """Forget the key's value. Does nothing if the key has no value."""
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
