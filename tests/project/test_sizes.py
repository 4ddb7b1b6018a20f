"""Modules and packages have a size that one can read: see CONTRIBUTING.md and decision 20."""

from __future__ import annotations

import ast

from tests.support.checkout import ROOT

LINES = 400
"""Every module has fewer lines."""
MODULES = 12
"""The greatest number of modules in a package, without `__init__.py` and without the packages in it."""
GROWING = "liveserver/store/migrations/versions"
"""Each change of the schema adds a module to this package, and none is ever removed."""

PATHS = sorted((ROOT / "liveserver").rglob("*.py"))
PACKAGES = sorted({path.parent for path in PATHS})


def test_modules_are_short() -> None:
    assert len(PATHS) > 200
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in PATHS}
    assert {name: number for name, number in lines.items() if number >= LINES} == {}


def test_packages_have_few_modules() -> None:
    modules = {str(package.relative_to(ROOT)): len([*package.glob("*.py")]) - 1 for package in PACKAGES}
    del modules[GROWING]
    assert {name: number for name, number in modules.items() if number > MODULES} == {}


def test_packages_say_what_they_have() -> None:
    """Each folder with modules is a package, and its `__init__.py` has a docstring."""
    files = [package / "__init__.py" for package in PACKAGES]
    silent = [path for path in files if not path.exists() or not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert silent == []
