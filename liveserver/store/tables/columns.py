"""The types of the tables' columns, and the naming of the tables' constraints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import JSON, DateTime, MetaData, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class UTCDateTime(TypeDecorator[datetime]):
    """The type of a column with moments (aware datetimes).

    PostgreSQL keeps a moment as timestamptz. SQLite keeps it as an ISO text in UTC, always equally long, so that the
    order of texts is the order of moments.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment as the database gets it: in UTC, and for SQLite without a time zone. None stays None.

        Raises ValueError for a datetime without a time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment from the database as an aware datetime in UTC. None stays None."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def name(length: int) -> String:
    """Return the type of a column with names: texts of at most `length` characters, compared by their bytes."""
    # PostgreSQL must compare these texts by their bytes, as SQLite does: lists are ordered by id, too, and their order
    # mustn't depend on a locale.
    return String(length).with_variant(String(length, collation="C"), "postgresql")


DOCUMENT = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""The type of a column with a JSON document."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
