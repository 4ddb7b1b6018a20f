"""In what commands of liveserver's run, whatever the user who runs the tests has set."""

from __future__ import annotations

import os
from pathlib import Path

import liveserver

ROOT = Path(liveserver.__file__).parents[1]


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with no settings of liveserver's but these."""
    # A user who forbids bytecode doesn't mean that each of a hundred commands shall compile the package again.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LIVESERVER_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    chosen = {f"LIVESERVER_{name.upper()}": value for name, value in settings.items()}
    # The commands run elsewhere, lest a .env of the user who runs the tests be read.
    return {**inherited, **chosen, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
