"""The HTML templates, each compiled once in a process, and JSON that can be put into them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from liveserver.protocol import json_encoding

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> Template:
    """Return the compiled template of a file. `name`: the file's name in `rendering/templates`."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    """Return the one Jinja environment of the process. It reads all template files, and compiles each only once.

    Compiling the templates takes longer than everything else that an application does when it starts.
    """
    templates = (files("liveserver.rendering") / "templates").iterdir()
    return Environment(
        loader=DictLoader({file.name: file.read_text("utf-8") for file in templates if file.name.endswith(".html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def json_block(value: Any) -> Markup:
    """Return a value as JSON that is safe inside a `<script>` element: nothing in it can end the element."""
    return Markup(json_encoding.dumps(value).decode().replace("<", "\\u003c"))
