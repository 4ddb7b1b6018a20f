"""Queries as methods: which transaction they run in, and what they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from liveserver.domain.errors import NotFound
from liveserver.store.groups.queries import QueryGroup, Read, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from liveserver.store.database import Database


def described(connection: Connection, name: str, *, times: int = 1) -> str:
    """A query whose result tells what it was given."""
    return " ".join([str(connection), *[name] * times])


def failing(connection: Connection) -> None:
    raise NotFound(str(connection))


class Pictures(QueryGroup):
    """A group of two queries of each kind."""

    find = Read(described)
    add = Write(described)
    look = Read(failing)
    drop = Write(failing)


class NoDatabase:
    """Runs queries on connections that are but words."""

    async def read(self, query: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return query("reading", *args, **kwargs)

    async def write(self, query: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return query("writing", *args, **kwargs)


@pytest.fixture
def pictures() -> Pictures:
    return Pictures(cast("Database", NoDatabase()))


async def test_a_query_runs_in_its_kind_of_transaction_with_its_arguments(pictures: Pictures) -> None:
    assert await pictures.find("tide", times=2) == "reading tide tide"
    assert await pictures.add("tide") == "writing tide"


async def test_errors_pass(pictures: Pictures) -> None:
    with pytest.raises(NotFound, match="reading"):
        await pictures.look()
    with pytest.raises(NotFound, match="writing"):
        await pictures.drop()


def test_the_class_shows_what_there_is() -> None:
    """For tools that look at classes; it can be called on a group only."""
    assert isinstance(Pictures.find, Read)
    assert isinstance(Pictures.add, Write)


def test_a_group_may_be_given_another_query(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do, of one store."""
    monkeypatch.setattr(pictures, "find", len)
    assert pictures.find("tide") == 4  # type: ignore[comparison-overlap]
