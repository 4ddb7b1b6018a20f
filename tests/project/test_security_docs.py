"""docs/security.md names the constants that there are, with the values that they have."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import walk_packages

import pytest

import liveserver
from tests.support.checkout import ROOT

MODULES = tuple(name for _, name, _ in walk_packages(liveserver.__path__, "liveserver.") if ".migrations" not in name)


WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PARTS = {2: "half", 3: "third", 4: "quarter", 8: "eighth", 10: "tenth", 16: "sixteenth"}


def named() -> list[tuple[str, str, str]]:
    """Modules, their constants, and the rows of the tables: a cell names the module once, before the first."""
    found = []
    for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines():
        for cell in line.split("|") if line.startswith("|") else []:
            module = None
            for before, name in re.findall(r"`(?:([a-z_.]+)\.)?([A-Z][A-Z_]+)`", cell):
                module = before or module
                if module is not None and module != "py":
                    found.append((module, name, line))
    return found


def forms(value: float) -> set[str]:
    """The ways in which a number is told."""
    told = {f"{value:,}", f"{value:g}"}
    if isinstance(value, int) and value < len(WORDS):
        told.add(WORDS[value])
    for unit, size in (("KB", 1024), ("MB", 1024**2)):
        if value >= size:
            told.add(f"{value / size:g} {unit}")
    if value >= 60:
        told.add(f"{value / 60:g} minutes")
    if 0 < value < 1:
        told |= {f"{value * 1000:g} ms", PARTS.get(round(1 / value), f"{value:g}")}
    return told


@pytest.mark.parametrize(("module", "name", "row"), named(), ids=lambda value: value if len(value) < 40 else "")
def test_constants_have_the_values_that_are_told(module: str, name: str, row: str) -> None:
    found = [import_module(one) for one in MODULES if one.endswith(f".{module}")]
    values = [getattr(one, name) for one in found if hasattr(one, name)]
    assert len(values) == 1, f"{module}: {found}"
    (value,) = values
    assert isinstance(value, int | float)
    assert any(re.search(rf"(?<![\d.,]){re.escape(form)}(?!\d)", row) for form in forms(value)), value


def test_many_are_named() -> None:
    assert len(named()) > 40
