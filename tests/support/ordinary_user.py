"""A folder of a user that isn't root, whom no mode of a file stops: a plugin, named in `pytest_plugins`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """The folder; until the end of the test this process is its owner's, as far as files go."""
    # Not pytest's: those are root's, and nobody else gets into them.
    directory = Path(tempfile.mkdtemp(prefix="liveserver-"))
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if is_root:
            os.seteuid(0)
        directory.chmod(0o700)
        shutil.rmtree(directory)
