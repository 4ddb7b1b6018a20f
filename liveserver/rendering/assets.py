"""The files that Vite has built for the front end: their names and contents, read from Vite's manifests and folders."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files

from liveserver.domain.errors import SettingsError

NOT_BUILT = "the front end is not built: run make web"


@dataclass(frozen=True, slots=True)
class Assets:
    """The paths, below `/static/`, of the files that pages load: the reader's pages, or those of the desk."""

    script: str = "reader.js"
    styles: tuple[str, ...] = ("reader.css",)
    icon: str = "icon.svg"

    @classmethod
    def built(cls) -> Assets:
        """Read the names of the reader's files from Vite's manifest. Raises SettingsError if there is none."""
        return cls._of("manifest.json", "src/reader/main.ts")

    @classmethod
    def of_desk(cls) -> Assets:
        """Read the names of the desk's files from Vite's manifest. Raises SettingsError if there is no manifest."""
        return cls._of("desk.json", "src/desk/pages.ts")

    @classmethod
    def _of(cls, name: str, source: str) -> Assets:
        manifest = files("liveserver.rendering") / "static" / ".vite" / name
        try:
            entry = json.loads(manifest.read_text("utf-8"))[source]
        except FileNotFoundError:
            raise SettingsError(NOT_BUILT) from None
        return cls(script=entry["file"], styles=tuple(entry.get("css", ())))


@dataclass(frozen=True, slots=True)
class WidgetAssets:
    """The widget's files, which other sites' pages load: two scripts as bytes, other files as paths in `/static/`."""

    loader: bytes = b""
    """The content of the script `/embed/v1.js`."""
    pinned: bytes = b""
    """The content of the script that has the whole widget in one file."""
    widget: str = "widget.js"
    frame: str = "frame.js"
    preview: str = "preview.js"
    styles: tuple[str, ...] = ()
    """The style sheets of `/embed/{slug}`, the widget's page for frames."""
    preview_styles: tuple[str, ...] = ()
    """The style sheets of `/embed/preview/{slug}`, the page on which a partner tries the widget."""

    @classmethod
    def built(cls) -> WidgetAssets:
        """Read the files that Vite has made. Raises SettingsError if the front end isn't built."""
        static = files("liveserver.rendering") / "static"
        try:
            widget, pages = (
                json.loads((static / ".vite" / name).read_text("utf-8")) for name in ("widget.json", "frame.json")
            )
            loader, pinned = ((static / "embed" / name).read_bytes() for name in ("v1.js", "pinned.js"))
        except FileNotFoundError:
            raise SettingsError(NOT_BUILT) from None
        frame, preview = pages["src/widget/frame.ts"], pages["src/widget/preview.ts"]
        return cls(
            loader,
            pinned,
            widget["src/widget/controller.ts"]["file"],
            frame["file"],
            preview["file"],
            tuple(frame.get("css", ())),
            tuple(preview.get("css", ())),
        )

    @property
    def pinned_hash(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of `pinned`. They are a part of the script's address."""
        return hashlib.sha256(self.pinned).hexdigest()[:16]

    @property
    def integrity(self) -> str:
        """The value of the `integrity` attribute of a `<script>` that loads `pinned` (Subresource Integrity, 3.1)."""
        return "sha384-" + base64.b64encode(hashlib.sha384(self.pinned).digest()).decode()
