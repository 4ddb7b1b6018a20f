"""The demo's script, from the file `script.json`: the entries that the demo publishes, edits and deletes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Publish:
    """A step that publishes an entry."""

    ref: str
    """The name by which later steps refer to the entry."""
    entry: dict[str, Any]
    """The fields of the entry, in the form that `POST …/entries` accepts."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A step that edits an entry."""

    ref: str
    entry: dict[str, Any]
    """The fields that change, in the form that `PATCH …/entries/{id}` accepts."""
    correction: str
    """The public note that says what was corrected."""


@dataclass(frozen=True, slots=True)
class Delete:
    """A step that deletes an entry."""

    ref: str


Step = Publish | Edit | Delete


@dataclass(frozen=True, slots=True)
class Script:
    """A script: a live blog, and the steps of its newsroom, in order."""

    liveblog: dict[str, Any]
    """The fields of the live blog, in the form that `POST /api/v1/liveblogs` accepts."""
    steps: tuple[Step, ...]


def load() -> Script:
    """Return the script that comes with this package."""
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
