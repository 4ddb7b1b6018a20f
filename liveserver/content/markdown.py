"""The Markdown of bodies: CommonMark with strikethrough and tables, as HTML that isn't safe yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.token import Token

from liveserver.content.paragraphs import bar_separated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markdown_it.rules_core import StateCore


def markdown_html(text: str) -> str:
    """Return Markdown as HTML. Each row of a table is a paragraph (`content/paragraphs.py`)."""
    html: str = _markdown.render(text)
    return html.rstrip("\n")


def _rows_as_paragraphs(state: StateCore) -> None:
    """Replace each row of a table among the tokens by a paragraph. A row of three cells then has 2 tags, not 8."""
    if not any(token.type == "table_open" for token in state.tokens):
        return
    tokens: list[Token] = []
    cells: list[Sequence[Token]] = []
    is_in_table = False
    for token in state.tokens:
        if token.type in {"table_open", "table_close"}:
            is_in_table = token.type == "table_open"
        elif not is_in_table:
            tokens.append(token)
        elif token.type == "inline":
            cells.append(token.children or ())
        elif token.type == "tr_close":
            tokens += _paragraph(cells)
            cells = []
    state.tokens = tokens


def _paragraph(cells: Iterable[Sequence[Token]]) -> list[Token]:
    """Return the paragraph for a row with these cells, or nothing if all of them are empty."""
    kept = list(cells)
    if not any(kept):
        return []
    # The bars are those of a row whose cells are the letter x, or nothing.
    line = bar_separated("x" if cell else "" for cell in kept)
    bars = line.split("x")
    children = [_text(bars[0])]
    for cell, bar in zip(filter(None, kept), bars[1:], strict=True):
        children += [*cell, _text(bar)]
    return [
        Token("paragraph_open", "p", 1, block=True),
        Token("inline", "", 0, children=children, block=True),
        Token("paragraph_close", "p", -1, block=True),
    ]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["strikethrough", "table"])
_markdown.core.ruler.push("rows_as_paragraphs", _rows_as_paragraphs)
