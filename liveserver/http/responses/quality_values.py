"""Quality values (RFC 9110, 12.4.2): the weights of the items in a request's header such as Accept-Encoding."""

from __future__ import annotations

import re

_WEIGHT = re.compile(r"0(\.[0-9]*)?|1(\.0*)?")


def weighted(header: str) -> list[tuple[str, float]]:
    """Return the items of a header such as Accept-Encoding, each with its weight, in the header's order.

    An item without a weight has the weight 1. An item whose weight isn't a number from 0 to 1 is left out.
    """
    items: list[tuple[str, float]] = []
    for item in header.split(","):
        value, *parameters = item.split(";")
        weight = "1"
        for parameter in parameters:
            name, _, text = parameter.partition("=")
            if name.strip().lower() == "q":
                weight = text.strip()
        if _WEIGHT.fullmatch(weight):
            items.append((value.strip(), float(weight)))
    return items
