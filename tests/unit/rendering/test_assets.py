"""The built front end's files."""

from __future__ import annotations

from typing import Any

import pytest

from liveserver.domain.errors import SettingsError
from liveserver.rendering import assets
from liveserver.rendering.assets import Assets, WidgetAssets


class TestAssets:
    """The built bundle."""

    def test_missing_bundle(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        monkeypatch.setattr(assets, "files", lambda _package: tmp_path)
        with pytest.raises(SettingsError, match="make web"):
            Assets.built()

    def test_manifest(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        folder = tmp_path / "static" / ".vite"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(
            '{"src/reader/main.ts": {"file": "assets/r.js", "css": ["assets/r.css"]}}'
        )
        monkeypatch.setattr(assets, "files", lambda _package: tmp_path)
        assert Assets.built() == Assets(script="assets/r.js", styles=("assets/r.css",))
        with pytest.raises(SettingsError, match="make web"):
            Assets.of_desk()
        (folder / "desk.json").write_text('{"src/desk/pages.ts": {"file": "assets/d.js", "css": ["assets/d.css"]}}')
        assert Assets.of_desk() == Assets(script="assets/d.js", styles=("assets/d.css",))


def test_missing_widget(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(assets, "files", lambda _package: tmp_path)
    with pytest.raises(SettingsError, match="make web"):
        WidgetAssets.built()


def test_the_pinned_widget_is_named_and_checked_by_its_content() -> None:
    widget = WidgetAssets(pinned=b"widget")
    assert widget.pinned_hash == "8ac140ceb6ca8d6e"
    assert widget.integrity.startswith("sha384-")
    assert len(widget.integrity) == len("sha384-") + 64
    assert widget.integrity != WidgetAssets(pinned=b"other").integrity
