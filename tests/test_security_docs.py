"""docs/security.md names the constants that there are."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("liveserver", "liveserver.api", "liveserver.security", "liveserver.store")


def named() -> list[tuple[str, str]]:
    """Modules and their constants, as the tables have them: a cell names the module once, before the first."""
    found = []
    for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines():
        for cell in line.split("|") if line.startswith("|") else []:
            module = None
            for before, name in re.findall(r"`(?:([a-z_.]+)\.)?([A-Z][A-Z_]+)`", cell):
                module = before or module
                if module is not None and module != "py":
                    found.append((module, name))
    return found


@pytest.mark.parametrize(("module", "name"), named())
def test_constants_are_there(module: str, name: str) -> None:
    for package in PACKAGES:
        try:
            found = import_module(f"{package}.{module}")
        except ModuleNotFoundError:
            continue
        assert isinstance(getattr(found, name), int | float)
        return
    raise AssertionError(f"no module {module}")


def test_many_are_named() -> None:
    assert len(named()) > 40
