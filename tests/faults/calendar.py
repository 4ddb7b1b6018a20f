"""When what was out of order: what the actors may meet, and what they may not."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KEEP = 1_000


class Calendar:
    """Spans of time in which a part was out of order, by the part's name. Times are `time.monotonic()`."""

    def __init__(self) -> None:
        self._open: dict[str, list[float]] = {}
        self._spans: deque[tuple[str, float, float]] = deque(maxlen=KEEP)

    @contextmanager
    def out_of_order(self, *parts: str) -> Iterator[None]:
        """Note that these parts are out of order while the block runs."""
        begun = time.monotonic()
        for part in parts:
            self._open.setdefault(part, []).append(begun)
        try:
            yield
        finally:
            for part in parts:
                self._open[part].remove(begun)
                self._spans.append((part, begun, time.monotonic()))

    def touched(self, part: str, since: float) -> bool:
        """Whether the part has been out of order at any time since then."""
        return bool(self._open.get(part)) or any(name == part and end >= since for name, _, end in self._spans)

    def throughout(self, part: str, since: float) -> bool:
        """Whether the part has been out of order, in one span, since then and until now."""
        begun = self.begun(part)
        return begun is not None and begun <= since

    def begun(self, part: str) -> float | None:
        """Since when the part is out of order; None if it isn't."""
        return min(self._open.get(part, ()), default=None)
