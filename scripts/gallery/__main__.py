"""Take pictures of the reader's page in each of its states: `make gallery`.

Starts a server for this. The clocks of the server and of the browser are set to fixed times, so that the pictures show
the same times whenever they are taken. Needs Chromium and the test dependencies.

    python scripts/gallery [--png FOLDER] [NAME …]   takes only the pictures with these names; --png: also as PNG files
"""

from __future__ import annotations

import argparse
import shutil
import socket
import tempfile
from io import BytesIO
from pathlib import Path

from liveblogs import furnish
from newsroom import ROOT, Gallery
from PIL import Image
from playwright.sync_api import sync_playwright
from states import PICTURES, SIZES, View

OUT = ROOT / "docs" / "gallery"
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars"]


def readme(titles: dict[str, str]) -> str:
    """Return the text of docs/gallery/README.md, which shows the pictures. `titles`: the pages' titles, by picture."""
    lines = [
        "# The reader's page in pictures",
        "",
        "`make gallery` takes them anew, from a server that it starts for the purpose.",
        "",
    ]
    for shot in PICTURES:
        says = shot.says + (
            f" The title says “{titles[shot.name]}”." if titles.get(shot.name, "").startswith("(") else ""
        )
        widths = {"wide": 620, "phone": 240, "zoom": 480}
        images = " ".join(f'<img src="{shot.name}-{size}.webp" width="{widths[size]}" alt="">' for size in shot.sizes)
        lines += [says, "", images, ""]
    return "\n".join(lines)


def main() -> None:
    """Take the pictures, and write them to docs/gallery/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--png", type=Path)
    given = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    titles: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        gallery = Gallery(Path(directory), port)
        with gallery.running():
            at = furnish(gallery)
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
            for shot in PICTURES:
                if given.names and shot.name not in given.names:
                    continue
                for size in shot.sizes:
                    gallery.at(at)
                    page = shot.state(gallery, View(gallery, browser, {**SIZES[size], **shot.options}, at))
                    data = page.screenshot(animations="disabled")
                    titles[shot.name] = page.title()
                    Image.open(BytesIO(data)).save(OUT / f"{shot.name}-{size}.webp", quality=72, method=6)
                    if given.png:
                        given.png.mkdir(parents=True, exist_ok=True)
                        (given.png / f"{shot.name}-{size}.png").write_bytes(data)
                    page.context.close()
            browser.close()
    if not given.names:
        (OUT / "README.md").write_text(readme(titles))


main()
