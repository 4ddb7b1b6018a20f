"""Acts: the rows of the record that says who did what (the audit log). An act has no text of an entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from liveserver.domain.people.principal import PrincipalKind


@dataclass(frozen=True, slots=True)
class Act:
    """One act of a principal, as the audit log records it."""

    id: str
    """A UUIDv7: the ids of acts that one process recorded have the order of the acts."""
    at: datetime
    kind: PrincipalKind
    """The kind of the principal that acted."""
    principal_id: str
    name: str
    """The principal's name at the time of the act."""
    action: str
    """What was done: a noun and a verb, such as `entry.published`."""
    liveblog: str | None
    """The slug of the live blog that was acted on; None if the act concerned none."""
    entry_id: str | None
    version: int | None
    """The version that the act made of the entry, live blog, picture or partner; None if there is none."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further facts: ids and names of other things, the names of changed fields, an address. Never an entry's text."""
