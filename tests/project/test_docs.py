"""The documents name files, symbols, headings and make targets that there are."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = sorted(
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")) if path.is_file()
)
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
MODULE = re.compile(
    r"(?P<path>[\w./<>-]+\.(?:py|ts|js|css|toml|sh|yml|json|conf|service|c))(?:: (?P<symbol>[A-Za-z_][\w.]*))?"
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(document: str) -> str:
    """The document without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", (ROOT / document).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def tree_of(path: Path) -> ast.Module:
    """The module's syntax."""
    return ast.parse(path.read_text("utf-8"))


def has(path: Path, symbol: str) -> bool:
    """Whether the module defines that class, function or constant, or the class that method."""
    scope: ast.AST = tree_of(path)
    for name in symbol.split("."):
        found = None
        for node in ast.iter_child_nodes(scope):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
            if getattr(node, "name", None) == name or name in {getattr(target, "id", None) for target in targets}:
                found = node
        if found is None:
            return False
        scope = found
    return True


def _files_named(name: str) -> list[Path] | None:
    """The files that a document may mean by a path; None for a bare name that may be anything but a module of ours."""
    if "/" in name.strip("/"):
        roots = (ROOT, ROOT / "liveserver", ROOT / "web", ROOT / "web/src", ROOT / "tests")
        return [path for root in roots if (path := root / name).is_file()][:1]
    if not name.endswith(".py"):
        return None
    folders = (ROOT / folder for folder in ("liveserver", "scripts", "tests"))
    return [*ROOT.glob(name), *(path for folder in folders for path in folder.rglob(name))]


def slug_of(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    """The anchors of a document."""
    return {slug_of(match) for match in re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize("document", NAMES)
def test_files_and_symbols_exist(document: str) -> None:
    """`path/module.py` stands below the checkout, liveserver/, web/src/ or tests/, and `: Class.method` is in it."""
    missing = []
    for match in CODE.finditer(prose(document)):
        found = MODULE.fullmatch(match[1])
        if found is None or found["path"].startswith("/") or "<" in found["path"]:
            continue
        named = _files_named(found["path"])
        if named is not None and not any(not found["symbol"] or has(path, found["symbol"]) for path in named):
            missing.append(match[1])
    assert missing == []


@pytest.mark.parametrize("document", NAMES)
def test_links_lead_somewhere(document: str) -> None:
    """To a file of the checkout, and to a heading that it has."""
    broken = []
    for link in LINK.findall(prose(document)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = ((ROOT / document).parent / path).resolve() if path else ROOT / document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", NAMES)
def test_make_targets_exist(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    blocks = "\n".join(re.findall(r"^ *```.*?^ *```", text, re.MULTILINE | re.DOTALL))
    named = {*re.findall(r"`make ([a-z]+)", text), *re.findall(r"^(?:\$ )?make ([a-z]+)", blocks, re.MULTILINE)}
    assert named - set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)) == set()


def test_every_decision_is_listed() -> None:
    """Each has the five parts, the next number, and a line in the list with its title and date."""
    index = (ROOT / "docs/adr/README.md").read_text("utf-8")
    paths = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    for number, path in enumerate(paths, start=1):
        text = path.read_text("utf-8")
        title = re.match(rf"# {number}\. (.+)\n", text)
        date = re.search(r"^Status: .*\bDate: (\d{4}-\d\d-\d\d)\b", text, re.MULTILINE)
        assert title, path.name
        assert date, path.name
        assert path.name.startswith(f"{number:04}-")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Alternatives"]
        assert f"| {number} | [{title[1]}]({path.name}) | {date[1]} |" in index


def test_the_map_has_every_package() -> None:
    """docs/architecture.md has a row for each package, and an arrow from or to it."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    packages = {path.parent.name for path in (ROOT / "liveserver").glob("*/__init__.py")} | {"settings"}
    assert set(re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE)) == packages
    drawing = re.search(r"flowchart TD\n(.*?)```", text, re.DOTALL)
    assert drawing
    assert set(re.findall(r"[a-z]+", drawing[1])) == packages
