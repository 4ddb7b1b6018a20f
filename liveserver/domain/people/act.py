"""Acts: the rows of the audit log, which says who did what. An act never contains the text of an entry."""

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
    """A UUIDv7 (`ids.new_id`). Acts from one machine sort by id in the order in which they were recorded."""
    at: datetime
    kind: PrincipalKind
    """The kind of the principal that acted."""
    principal_id: str
    name: str
    """The principal's name at the time of the act."""
    action: str
    """The kind of the act: a noun and a verb, such as `entry.published`."""
    liveblog: str | None
    """The slug of the live blog that was changed, or whose entry, source, member or link was changed. None if the act
    concerned no single live blog."""
    entry_id: str | None
    version: int | None
    """The version number that the act gave the entry, live blog, picture or partner; None if it gave none."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further facts, by name: for example the partner's id, the names of the changed fields, or the address of the
    client that signed in. Never an entry's text."""
