"""A short run of all attacks at once on each setup. `make hostile` asserts the times."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import httpx2
import pytest

from tests.faults.setups import a_directory
from tests.hostile.attacks import ATTACKS
from tests.hostile.command import SEVERAL, groups
from tests.hostile.measuring import MEMORY_MAX, Row, measure
from tests.hostile.setups import SETUPS
from tests.support.services import required

pytestmark = pytest.mark.timeout(300)

SECONDS = 4.0
VIEWERS = 60


@pytest.mark.parametrize("name", list(SETUPS))
async def test_everything_at_once(name: str) -> None:
    """Readers have every entry once, the editor publishes, memory stays bounded, and the server is well afterwards."""
    for program in {"alone": (), "nginx": ("nginx", "redis-server"), "workers": ("redis-server", "initdb")}[name]:
        required(program)
    with a_directory() as directory:
        async with SETUPS[name](directory) as setup:
            row = await measure(setup, list(ATTACKS), name=name, seconds=SECONDS, viewers=VIEWERS)
            async with httpx2.AsyncClient() as http:
                for url in (setup.url, *(node.url for node in setup.nodes)):
                    assert (await http.get(f"{url}/healthz")).status_code == 200
    assert row.broken == []
    assert row.published > 10
    idle = [attack for attack in ATTACKS if not row.enemies.get(attack)]
    assert idle == [], "these attacked nobody"


def test_attacks_are_described() -> None:
    """Each says what it stands for."""
    assert all(attack.__doc__ for attack in ATTACKS.values())


def test_groups() -> None:
    """Each attack is in one, and none is next to one of its kind."""
    names = list(ATTACKS)
    found = [group for _, group in groups(names)]
    assert sorted(name for group in found for name in group) == sorted(names)
    assert max(map(len, found)) <= SEVERAL
    assert not any(names.index(b) - names.index(a) == 1 for group in found for a, b in pairwise(group))


def test_a_row_tells_what_was_broken() -> None:
    """Nothing when all is well; each promise that wasn't kept by its name."""
    well: dict[str, Any] = {
        "attack": "x",
        "viewers": 2,
        "published": 3,
        "deliveries": 6,
        "healthz_worst": 0.2,
        "latest": 0.9,
    }
    assert Row(**well).broken + Row(**well).late == []
    broken: dict[str, Any] = {
        "healthz_failed": ["503"],
        "page_failed": ["503"],
        "unconnected": 1,
        "cut": 1,
        "unpublished": {"HTTP 429": 1},
        "lost": 1,
        "doubled": 1,
        "deliveries": 5,
        "memory": MEMORY_MAX + 1,
        "defects": ["Traceback"],
    }
    for field, value in broken.items():
        assert len(Row(**{**well, field: value}).broken) == 1, field
    for field, value in {"healthz_worst": 0.251, "page_worst": 1.001, "latest": 1.001}.items():
        assert len(Row(**{**well, field: value}).late) == 1, field
