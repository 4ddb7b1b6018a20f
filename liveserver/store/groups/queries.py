"""Queries as methods. Each method calls one function of `store/repositories` in a transaction of its own.

A new query is a function in `store/repositories` and a line in a group. The function's first parameter is the
transaction's connection; the method has the function's other parameters.

Callers may rely on the docstring below the line in the group, and on the group's own docstring. Where a line has none,
the method does what its function's docstring says, in a transaction of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from liveserver.utils.after_commit import AfterCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sqlalchemy import Connection

    from liveserver.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")


class QueryGroup:
    """Base class of the groups. A group has the queries of one resource, such as entries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commit = AfterCommit()


class _Query(ABC, Generic[P, T]):
    """A query as a method of a `QueryGroup`. The subclass says in which kind of transaction the query runs."""

    def __init__(self, query: Callable[Concatenate[Connection, P], T]) -> None:
        self._query = query

    @overload
    def __get__(self, group: None, owner: type[QueryGroup]) -> Self: ...

    @overload
    def __get__(self, group: QueryGroup, owner: type[QueryGroup]) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, group: QueryGroup | None, owner: type[QueryGroup]) -> Self | Callable[P, Coroutine[Any, Any, T]]:
        """Return a function that runs the query with the function's arguments, on the database of `group`.

        Returns this object itself if it is read from the class (`group` None).
        """
        return self if group is None else partial(self._transact, group._database)

    @abstractmethod
    def _transact(self, database: Database, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Run the query in a transaction on `database`, and return the query's result."""


class Read(_Query[P, T]):
    """A query as a method of a `QueryGroup`. Its transaction only reads, and sees one state of the database."""

    def _transact(self, database: Database, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return database.read(self._query, *args, **kwargs)


class Write(_Query[P, T]):
    """A query as a method of a `QueryGroup`. Its transaction may write, and commits when the query returns."""

    def _transact(self, database: Database, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return database.write(self._query, *args, **kwargs)
