"""A short run of the fault harness on either setup; `make soak` is the long one. Past failures are run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.run import Run
from tests.faults.setups import a_directory, cluster, embedded

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(240)


async def test_embedded(tmp_path: Path) -> None:
    """One server on SQLite: locked, its disk full, killed, drained, paused, cut off."""
    async with embedded(tmp_path) as setup:
        run = Run(setup, seed=1, brief=True)
        await run.rounds(8)
        assert_thorough(run)


async def test_cluster(postgres_cluster: Path) -> None:
    """Three nodes on PostgreSQL and Redis, with everything that can happen to any of them."""
    with a_directory() as directory:
        async with cluster(directory, postgres_cluster) as setup:
            run = Run(setup, seed=1, brief=True)
            await run.rounds(14)
            assert_thorough(run)


def assert_thorough(run: Run) -> None:
    """Enough happened for the promises to have been in danger."""
    totals = run.totals
    assert len(totals.faults) >= 3
    assert totals.done["created"] > 10
    assert totals.deliveries > 200
    assert totals.connections > 25
    assert totals.ends["unexplained"] == 0
    assert not totals.violations
