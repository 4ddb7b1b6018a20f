"""The queries of the secrets that all processes of the site share. The first process that needs a secret makes it."""

from __future__ import annotations

import secrets as random
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from liveserver.store import tables

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

_t = tables.secrets


def get(connection: Connection, name: str, at: datetime) -> str:
    """Return the secret with this name: 256 random bits in base64url. The first call makes it."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(_t).values(name=name, value=random.token_urlsafe(32), created_at=at)
    connection.execute(new.on_conflict_do_nothing())
    value: str = connection.execute(select(_t.c.value).where(_t.c.name == name)).scalar_one()
    return value
