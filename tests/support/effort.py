"""How much is tried where more is better: everything in `make test`, a part of it in `make unit`."""

from __future__ import annotations

import os

VARIABLE = "TESTS_QUICK"
"""Set by `pytest --unit`, for its own processes, too."""
PART = 16


def examples(number: int) -> int:
    """So many examples of hypothesis; with `--unit` a sixteenth of them."""
    return max(5, number // PART) if os.environ.get(VARIABLE) else number
