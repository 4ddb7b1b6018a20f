"""The demo's script: what its newsroom publishes, corrects and deletes, in order. The text is `script.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Publish:
    """A new entry."""

    ref: str
    """What later steps call it."""
    entry: dict[str, Any]
    """The fields of `POST …/entries`."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to an entry that was published before."""

    ref: str
    entry: dict[str, Any]
    """The fields of `PATCH …/entries/{id}` that change."""
    correction: str
    """What was corrected, for readers."""


@dataclass(frozen=True, slots=True)
class Delete:
    """An entry taken back."""

    ref: str


Step = Publish | Edit | Delete


@dataclass(frozen=True, slots=True)
class Script:
    """A live blog and everything that happens in it."""

    liveblog: dict[str, Any]
    """The fields of `POST /api/v1/liveblogs`."""
    steps: tuple[Step, ...]


def load() -> Script:
    """The script that comes with the package."""
    text = resources.files("liveserver.cli.demo").joinpath("script.json").read_text(encoding="utf-8")
    value = json.loads(text)
    return Script(value["liveblog"], tuple(_step(step) for step in value["steps"]))


def _step(value: dict[str, Any]) -> Step:
    match value:
        case {"action": "publish", "ref": str(ref), "entry": dict(entry)}:
            return Publish(ref, entry)
        case {"action": "edit", "ref": str(ref), "entry": dict(entry), "correction": str(correction)}:
            return Edit(ref, entry, correction)
        case {"action": "delete", "ref": str(ref)}:
            return Delete(ref)
        case _:
            raise ValueError(f"not a step of the script: {value!r}")
