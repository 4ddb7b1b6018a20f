"""A server whose clock can be set, and functions that publish on this server."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx2
from PIL import Image, ImageDraw, ImageFilter

from liveserver.cli.demo.script import Delete, Edit, Publish, load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PARIS = ZoneInfo("Europe/Paris")
BEGIN = datetime(2026, 3, 12, 18, 2, tzinfo=PARIS)
WAIT_SECONDS = 20.0

SERVER = """
import sys, types
from datetime import UTC, datetime
from pathlib import Path
from liveserver.domain import ids
clock = Path(sys.argv.pop(1))
ids.now = lambda: datetime.fromisoformat(clock.read_text()).astimezone(UTC)
ids.time = types.SimpleNamespace(time_ns=lambda: round(ids.now().timestamp() * 1000) * 1_000_000)
from liveserver.cli.app import main
main()
"""


class Gallery:
    """A server for the pictures' live blogs. Its clock shows only the times to which it is set."""

    def __init__(self, directory: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._clock = directory / "clock"
        self._at = BEGIN
        self.at(BEGIN)
        settings = {
            "host": "127.0.0.1",
            "port": str(port),
            "database_url": f"sqlite:///{directory}/live.db",
            "site_name": "Le Courrier d’Aubrée",
            "heartbeat": "1",
            "drain": "0",
            "log_level": "warning",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVESERVER_")}
        given = {f"LIVESERVER_{name.upper()}": value for name, value in settings.items()}
        self._environment = {**clean, **given, "PYTHONPATH": str(ROOT)}
        self._directory = directory
        self.http = httpx2.Client(base_url=f"{self.url}/api/v1", timeout=30)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a `liveserver` command for which it is always the time of this object's clock."""
        command = [sys.executable, "-c", SERVER, str(self._clock), *arguments]
        return subprocess.Popen(command, cwd=self._directory, env=self._environment, stdout=subprocess.PIPE, text=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server while the `with` block runs. `send` uses an API key of this server."""
        process = self.command("serve")
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while not self._ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server didn't start")
                time.sleep(0.1)
            key, _ = self.command(
                "keys", "create", "--name", "gallery", "--scope", "publish", "--scope", "manage"
            ).communicate()
            self.http.headers["Authorization"] = f"Bearer {key.strip()}"
            yield
        finally:
            process.terminate()
            process.wait()

    def _ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def at(self, moment: datetime) -> None:
        """Set the server's clock to a moment."""
        self._at = moment
        draft = self._clock.with_suffix(".new")
        draft.write_text(moment.isoformat())
        draft.replace(self._clock)

    def later(self, **span: float) -> datetime:
        """Set the server's clock forward, and return its new time. `span`: the arguments of a `timedelta`."""
        self.at(self._at + timedelta(**span))
        return self._at

    def send(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request to the API, and return the JSON of the answer (empty without any). Raises for an error."""
        answer = self.http.request(method, path, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def publish(self, slug: str, entry: dict[str, Any]) -> str:
        """Publish an entry, and return its id."""
        return str(self.send("POST", f"/liveblogs/{slug}/entries", json=entry)["id"])

    def edit(self, slug: str, id_: str, **patch: Any) -> None:
        """Edit an entry. `patch`: the new values of its fields."""
        self.send("PATCH", f"/liveblogs/{slug}/entries/{id_}", json=patch, headers={"If-Match": "*"})

    def delete(self, slug: str, id_: str) -> None:
        """Delete an entry."""
        self.send("DELETE", f"/liveblogs/{slug}/entries/{id_}")

    def storm(self, slug: str, steps: int | None, **fields: Any) -> dict[str, str]:
        """Create a live blog that tells the story of the demo, a storm. Returns the entries' ids, by the demo's names.

        `steps`: the number of steps of the story (None: all). `fields`: values for the live blog's fields, set at last.
        """
        script = load()
        self.at(BEGIN)
        self.send("POST", "/liveblogs", json={**script.liveblog, "slug": slug})
        ids: dict[str, str] = {}
        for number, step in enumerate(script.steps[:steps]):
            self.later(minutes=(4, 9, 2, 6, 7)[number % 5], seconds=17)
            match step:
                case Publish(ref, entry):
                    ids[ref] = self.publish(slug, entry)
                case Edit(ref, entry, correction):
                    self.edit(slug, ids[ref], **entry, correction=correction)
                case Delete(ref):
                    self.delete(slug, ids[ref])
        if fields:
            self.send("PATCH", f"/liveblogs/{slug}", json=fields, headers={"If-Match": "*"})
        return ids

    def upload(self, number: int, alt: str) -> str:
        """Upload a drawing of the sea as a picture, and return the HTML that shows it in an entry.

        `number`: selects the drawing. `alt`: the picture's description.
        """
        files = {"file": ("mer.jpg", drawing(number), "image/jpeg")}
        answer = self.send("POST", "/media", data={"alt": alt, "credit": "Dessin : Le Courrier d’Aubrée"}, files=files)
        return str(answer["html"])


def drawing(number: int) -> bytes:
    """Draw a sea under a low sky, and return the picture as JPEG. Another number gives another drawing."""
    width, height = 1600, 1067
    skies = [((58, 66, 84), (222, 178, 140)), ((24, 30, 48), (96, 110, 132)), ((120, 134, 150), (226, 224, 214))]
    top, low = skies[number % len(skies)]
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        part = min(1, y / (height * 0.55))
        draw.line([(0, y), (width, y)], tuple(round(a + (b - a) * part) for a, b in zip(top, low, strict=True)))
    for wave in range(14):
        base, swell = height * (0.48 + wave * 0.042), 6 + wave * 3.2
        crest = [
            (
                x,
                base
                + swell * math.sin(x / (70 + 22 * wave) + wave * 1.9 + number)
                + swell / 3 * math.sin(x / 31 + wave),
            )
            for x in range(0, width + 8, 8)
        ]
        shade = tuple(round(c * (1 - wave / 18)) for c in (84, 112, 124))
        draw.polygon([*crest, (width, height), (0, height)], fill=shade)
    draw.polygon([(1230, 560), (1242, 330), (1268, 330), (1280, 560)], fill=(36, 36, 40))
    draw.ellipse([(1240, 300), (1270, 334)], fill=(250, 226, 160))
    draw.polygon([(1120, 580), (1160, 548), (1360, 544), (1440, 590)], fill=(30, 32, 36))
    file = BytesIO()
    image.filter(ImageFilter.GaussianBlur(1.2)).save(file, "JPEG", quality=88)
    return file.getvalue()
