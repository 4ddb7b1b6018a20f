"""The weights that a request's header gives to what it accepts: quality values (RFC 9110, 12.4.2)."""

from __future__ import annotations


def weighted(header: str) -> list[tuple[str, float]]:
    """Return the items of a header such as Accept-Encoding, each with its weight, in the header's order.

    An item without a weight has the weight 1. An item whose weight can't be read is left out.
    """
    items: list[tuple[str, float]] = []
    for item in header.split(","):
        value, _, parameter = item.partition(";")
        name, _, weight = parameter.partition("=")
        try:
            items.append((value.strip(), float(weight) if name.strip().lower() == "q" else 1.0))
        except ValueError:
            continue
    return items
