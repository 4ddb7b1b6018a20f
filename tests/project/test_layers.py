"""The arrows between modules point down: see `tool.importlinter` in pyproject.toml."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.checkout import ROOT


def test_layers() -> None:
    """Every import keeps the layers, and every module has its place in one."""
    command: list[str | Path] = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_pure_modules_are_held_to_it() -> None:
    """Each module whose docstring promises that it is pure, or does no I/O, is in the contract that keeps it so."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    [contract] = [each for each in settings["tool"]["importlinter"]["contracts"] if each["id"] == "pure"]
    held = tuple(contract["source_modules"])
    promising = [
        name for name, docstring in _module_docstrings() if re.search(r"\bPure\b|\bno I/O\b", docstring, re.IGNORECASE)
    ]
    assert len(promising) > 20
    # A contract on a package holds the modules in it.
    assert [name for name in promising if not f"{name}.".startswith(tuple(f"{each}." for each in held))] == []


def _module_docstrings() -> list[tuple[str, str]]:
    """The dotted names of all modules, each with its docstring."""
    found = []
    for path in sorted((ROOT / "liveserver").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append((name, ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""))
    return found
