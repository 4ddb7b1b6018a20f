"""All operations of the API, in the order in which the documentation shows them.

The modules of the resources declare the operations.
"""

from __future__ import annotations

from liveserver.http.api import entries, liveblogs, media, partners, reach, snapshots, sources, takedowns

OPERATIONS = (
    *liveblogs.OPERATIONS,
    *reach.OPERATIONS,
    *sources.OPERATIONS,
    *entries.OPERATIONS,
    *takedowns.OPERATIONS,
    *snapshots.OPERATIONS,
    *media.OPERATIONS,
    *partners.OPERATIONS,
)
