"""The account of a change, and of its author."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from liveserver.access.api_keys import new_key
from liveserver.domain.ids import now
from liveserver.store import Store
from liveserver.store.repositories.reach import ReachLink
from liveserver.utils import audit_log
from tests.support.checkout import ROOT
from tests.support.late_commits import LateCommits
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog, a_partner

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    import pytest


def test_all_that_is_told_is_in_the_documentation() -> None:
    root = ROOT
    sources = "".join(path.read_text("utf-8") for path in (root / "liveserver").rglob("*.py"))
    told = set(re.findall(r'audit_log\.done\(\s*"([a-z_.]+)"', sources))
    assert len(told) >= 6
    documented = (root / "docs" / "security.md").read_text("utf-8")
    assert [event for event in sorted(told) if f"`{event}`" not in documented] == []


async def test_each_task_acts_for_its_own() -> None:
    # Another test may have set a key in this process.
    audit_log.by()

    async def act(key: str) -> None:
        audit_log.by(key=key)
        await asyncio.sleep(0)
        audit_log.done("partner.deleted", partner=f"p_{key}")

    with capture_logs() as lines:
        await asyncio.gather(act("a"), act("b"))
        audit_log.done("key.revoked", key="c")
    assert [(line["event"], line["by"]) for line in lines] == [
        ("partner.deleted", {"key": "a"}),
        ("partner.deleted", {"key": "b"}),
        ("key.revoked", {}),
    ]


async def test_what_is_written_is_told_though_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that leaves while its change is committed doesn't keep the change out of the log, nor who made it."""
    store = await Store.open(f"sqlite:///{tmp_path}/live.db")
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    key, partner = new_key("Desk", ["manage"])[0], a_partner()
    link = ReachLink(a_liveblog().slug, key.id, now(), now() + timedelta(days=1))
    changes: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "key.created": lambda: store.keys.add(key, NEWSROOM),
        "reach_link.created": lambda: store.reach.add_link("digest", link, NEWSROOM),
        "partner.created": lambda: store.partners.add(partner, NEWSROOM),
        "partner.edited": lambda: store.partners.edit(
            partner.id, lambda old: replace(old, enabled=not old.enabled), NEWSROOM
        ),
        "partner.deleted": lambda: store.partners.delete(partner.id, NEWSROOM, now(), version=None),
        "key.revoked": lambda: store.keys.revoke(key.id, now(), NEWSROOM),
    }
    late = LateCommits(monkeypatch)
    audit_log.by(key="somebody")
    with capture_logs() as lines:
        await late.leave(changes.values())
        assert lines == []
        late.answer()
        groups = (store.reach, store.partners, store.keys)
        await asyncio.gather(*(task for group in groups for task in group._commit._under_way))
    assert [(line["event"], line["by"]) for line in lines] == [(event, {"key": "somebody"}) for event in changes]
    await store.close()
