"""Packed files, and that they work where only Python is: the build hook, the sdist, the wheel, an installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import hatch_build
import liveserver
from tests.support.checkout import ROOT

PROMISED = [
    "liveserver/rendering/fonts/OFL.txt",
    "liveserver/rendering/fonts/title.otf",
    "liveserver/content/locales/en.toml",
    "liveserver/content/locales/fr.toml",
    "liveserver/py.typed",
    "liveserver/rendering/static/.vite/manifest.json",
    "liveserver/rendering/templates/page.html",
    "liveserver/cli/demo/script.json",
]

UNPACKED = (".git/", ".git-", ".github", ".gitlab", ".venv", ".ci", ".pre-commit")
"""How the names of files begin that are of use in a checkout only."""

pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """The command's output; fails with it if the command fails."""
    # With PYTHONPATH, the checkout would be imported instead of what was installed.
    left_out = ("LIVESERVER_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    result = subprocess.run(
        command,
        cwd=cwd,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of the checkout."""
    target = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", target, cwd=ROOT)
    (archive,) = target.glob("liveserver-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the sdist without its front end's sources: neither npm nor Node is needed for it."""
    folder = tmp_path_factory.mktemp("wheel")
    run("tar", "--extract", "--file", sdist, cwd=folder)
    (source,) = folder.iterdir()
    shutil.rmtree(source / "web")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=source, PATH="")
    (path,) = folder.glob("liveserver-*.whl")
    return path


def test_sdist(sdist: Path) -> None:
    """The sdist has the sources of both halves and the finished bundle."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {*PROMISED, "LICENSE", "README.md", "hatch_build.py", "pyproject.toml"}
    assert names >= {"Makefile", "web/package.json", "web/package-lock.json", "tests/project/test_packaging.py"}
    assert not [name for name in names if "node_modules" in name or name.startswith(UNPACKED)]
    assert not [name for name in names if name.endswith((".db", ".pyc"))]


def test_wheel(wheel: Path) -> None:
    """The wheel has the package and everything that it reads, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        fields = Parser().parsestr(archive.read(metadata).decode())
        scripts = archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()
        manifest = json.loads(archive.read("liveserver/rendering/static/.vite/manifest.json"))
    assert set(names) >= set(PROMISED)
    assert any(name.startswith("liveserver/store/migrations/") and name.endswith(".py") for name in names)
    assert {name.split("/")[0] for name in names} == {"liveserver", metadata.split("/")[0]}
    assert not [name for name in names if "node_modules" in name]
    assert set(names) >= {f"liveserver/rendering/static/{chunk['file']}" for chunk in manifest.values()}
    assert fields["Version"] == liveserver.__version__
    assert fields["License-Expression"] == "Apache-2.0 AND OFL-1.1"
    assert "liveserver = liveserver.cli.app:main" in scripts


def test_every_file_of_the_package_is_packed(wheel: Path) -> None:
    """Every file of the package that git keeps is in the wheel."""
    tracked = run("git", "ls-files", "liveserver", cwd=ROOT).split() if (ROOT / ".git").exists() else []
    with zipfile.ZipFile(wheel) as archive:
        assert set(tracked) - set(archive.namelist()) == set()


def test_installation(wheel: Path, tmp_path: Path) -> None:
    """Installed in an environment of its own and used from another folder, it runs and finds its files."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel, cwd=elsewhere)
    assert run(home / "bin" / "liveserver", "--version", cwd=elsewhere).split()[-1] == liveserver.__version__
    program = """
from importlib import resources

import liveserver.server.app, liveserver.cli.demo.script
from liveserver.rendering.assets import Assets

assert liveserver.cli.demo.script.load().steps
Assets.built()
print(resources.files("liveserver"))
"""
    assert Path(run(python, "-c", program, cwd=elsewhere).strip()).is_relative_to(home)


class FrontEnd:
    """A front end without dependencies, in a project of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.built = root / "liveserver/rendering/static/.vite/manifest.json"
        self.write("package-lock.json", '{"name": "tiny", "lockfileVersion": 3, "packages": {"": {"name": "tiny"}}}')
        self.script("npm run --silent copy")
        self.write(
            "copy.js",
            """
            const fs = require("node:fs");
            fs.mkdirSync("../liveserver/rendering/static/.vite", {recursive: true});
            fs.copyFileSync("main.ts", "../liveserver/rendering/static/.vite/manifest.json");
            """,
        )
        self.write("main.ts", "one")

    def write(self, name: str, text: str) -> None:
        path = self.root / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def script(self, build: str) -> None:
        self.write("package.json", json.dumps({"name": "tiny", "scripts": {"build": build, "copy": "node copy.js"}}))


@pytest.fixture
def front_end(tmp_path: Path) -> FrontEnd:
    return FrontEnd(tmp_path)


def test_hook_builds_when_the_sources_changed(front_end: FrontEnd) -> None:
    """The bundle is built from the sources as they are, and not a second time from the same ones."""
    stages: list[str] = []
    hatch_build.ensure_bundle(front_end.root, stages.append)
    assert front_end.built.read_text() == "one"
    assert stages == ["Installing the packages of the front end", "Building the front end"]

    front_end.built.write_text("kept")
    front_end.write("node_modules/x/index.js", "not a source")
    front_end.write("main.test.ts", "not a source")
    os.utime(front_end.root / "web/main.ts")
    hatch_build.ensure_bundle(front_end.root, stages.append)
    assert len(stages) == 2
    assert front_end.built.read_text() == "kept"

    front_end.write("main.ts", "two")
    hatch_build.ensure_bundle(front_end.root)
    assert front_end.built.read_text() == "two"
    assert (front_end.root / "web/node_modules/x").is_dir()


def test_hook_reports_a_failing_build(front_end: FrontEnd) -> None:
    """A build that fails says why and leaves the bundle that was there."""
    hatch_build.ensure_bundle(front_end.root)
    front_end.script("echo broken on line 7; exit 3")
    with pytest.raises(hatch_build.BuildError, match=r"(?s)npm run build` failed in web/.*broken on line 7"):
        hatch_build.ensure_bundle(front_end.root)
    assert front_end.built.read_text() == "one"


def test_hook_wants_a_bundle(front_end: FrontEnd) -> None:
    """A build that leaves no bundle fails, and so does having neither bundle nor sources."""
    front_end.script("true")
    with pytest.raises(hatch_build.BuildError, match="left no liveserver/rendering/static"):
        hatch_build.ensure_bundle(front_end.root)
    shutil.rmtree(front_end.root / "web")
    with pytest.raises(hatch_build.BuildError, match="static/ is missing, and so is web/"):
        hatch_build.ensure_bundle(front_end.root)


def test_hook_takes_a_finished_bundle(front_end: FrontEnd) -> None:
    """Without sources, the bundle that is there is the one."""
    hatch_build.ensure_bundle(front_end.root)
    shutil.rmtree(front_end.root / "web")
    hatch_build.ensure_bundle(front_end.root)
    assert front_end.built.read_text() == "one"
