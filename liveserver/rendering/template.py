"""The HTML templates, compiled once for the whole process, and JSON for them."""

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
    """Return the template in a file of `rendering/templates`."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    """Return all templates. They are kept, as compiling them takes longer than all else that a new application does."""
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
    """Encode a value as JSON that is safe inside a `<script>` element."""
    return Markup(json_encoding.dumps(value).decode().replace("<", "\\u003c"))
