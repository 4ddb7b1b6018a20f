"""The servers that may run on one SQLite file at the same time."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import SettingsError
from liveserver.server.serve import lock
from liveserver.settings import Settings
from liveserver.store.sqlite_file import locked

if TYPE_CHECKING:
    from pathlib import Path

REDIS = "redis://127.0.0.1:6379/0"


def _settings(database_url: str, redis_url: str | None) -> Settings:
    return Settings.model_validate({"database_url": database_url, "redis_url": redis_url})


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        (None, None, r"a server runs on sqlite:///.*/live\.db already: stop it, .*need Redis \(--redis\), both"),
        (REDIS, None, r"a server runs on sqlite:///.*/live\.db already: stop it, .*need Redis \(--redis\), both"),
        (None, REDIS, r"a server without Redis runs on sqlite:///.*/live\.db already, .*the same --redis"),
        (REDIS, REDIS, None),
    ],
)
def test_servers_share_a_file_only_if_all_have_redis(
    tmp_path: Path, first: str | None, second: str | None, complaint: str | None
) -> None:
    url = f"sqlite:///{tmp_path}/live.db"
    with ExitStack() as stack:
        stack.enter_context(lock(_settings(url, first)))
        if complaint is None:
            stack.enter_context(lock(_settings(url, second)))
        else:
            with pytest.raises(SettingsError, match=complaint):
                stack.enter_context(lock(_settings(url, second)))
    with lock(_settings(url, second)):
        pass


def test_no_file_is_restored_into_while_servers_with_redis_have_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/live.db"
    with (
        lock(_settings(url, REDIS)),
        pytest.raises(SettingsError, match="busy"),
        locked(url, "busy"),
    ):
        pass


def test_a_database_that_is_no_file_is_not_locked() -> None:
    settings = _settings("postgresql://marie@127.0.0.1/live", None)
    with lock(settings), lock(settings):
        pass
