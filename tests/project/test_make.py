"""`make run`: each stage that takes a while says so before it begins."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SILENT = re.compile(r"pip install|venv /|npm ci")


def test_each_stage_of_an_installation_says_a_line(tmp_path: Path) -> None:
    """What `hatch_build.py bundle` says of its own is tested in `test_packaging.py`."""
    command = ["make", "--dry-run", "--always-make", f"VENV={tmp_path}/venv", "run", "dev", "PORT=9000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    silent = [at for at, line in enumerate(lines) if SILENT.search(line)]
    assert len(silent) >= 5
    for at in silent:
        assert re.search(r"(^|&& )echo ['\"][A-Z]", f"{lines[at - 1]}\n{lines[at]}"), lines[at]
    assert f"{tmp_path}/venv/bin/python hatch_build.py bundle" in lines
    assert f"exec {tmp_path}/venv/bin/liveserver demo --port 9000" in lines
