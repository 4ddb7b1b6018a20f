"""All operations of the API, in the order in which the documentation shows them.

The modules of the resources declare the operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.http.api import entries, liveblogs, media, partners, reach, snapshots, sources, takedowns
from liveserver.http.api.people import audit, identities, keys, members, session, users
from liveserver.http.api.review import board, notes, preview, steps

if TYPE_CHECKING:
    from liveserver.http.api.openapi.operation import Operation

OPERATIONS = (
    *liveblogs.OPERATIONS,
    *reach.OPERATIONS,
    *sources.OPERATIONS,
    *entries.OPERATIONS,
    *steps.OPERATIONS,
    *takedowns.OPERATIONS,
    *snapshots.OPERATIONS,
    *media.OPERATIONS,
    *partners.OPERATIONS,
)

DESK_OPERATIONS: tuple[Operation, ...] = (
    *session.OPERATIONS,
    *identities.OPERATIONS,
    *users.OPERATIONS,
    *members.OPERATIONS,
    *keys.OPERATIONS,
    *audit.OPERATIONS,
    *steps.DESK_OPERATIONS,
    *notes.DESK_OPERATIONS,
    *board.DESK_OPERATIONS,
    *preview.DESK_OPERATIONS,
)
"""The operations that only the desk's API has. They need somebody who is signed in."""
