"""Commands as tests run them: their tree is built once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="session")
def kept_tree() -> Iterator[None]:
    """typer's runner would build the tree of all commands anew, for 50 ms, each time that it runs one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield
