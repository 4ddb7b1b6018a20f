"""Tables as lines of text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]], *, figures: bool = False) -> Iterator[str]:
    """Yield each row as one line of text, with the columns aligned to the left.

    With `figures`, all columns except the first are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *rest = zip(row, widths, strict=True)
        cells = [cell.rjust(width) if figures else cell.ljust(width) for cell, width in rest]
        yield "  ".join([first[0].ljust(first[1]), *cells]).rstrip()
