"""What makes too much work is refused by looking over it once; what editors write is not."""

from __future__ import annotations

import re

import nh3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveserver.effort import (
    DEPTH_MAX,
    MARKDOWN_MAX,
    PICTURES_MAX,
    SAFE_MAX,
    TAGS_MAX,
    check_html,
    check_markdown,
    check_safe,
    depth_of,
    markdown_effort,
)
from liveserver.errors import Invalid
from liveserver.sanitising import TAGS, sanitise

LENGTH = 100_000
"""Characters of the longest body."""

SENTENCE = (
    "Des drones ont visé de grands immeubles à Kazan, affirme le gouverneur : « C’est l’attaque la plus grave "
    "depuis 2022 » – aucune victime n’est à déplorer, à 9 h 40 (heure de Paris), selon l’AFP ; 30 % des vols "
    "ont été annulés. "
)
PARAGRAPH = SENTENCE * 2


def filled(piece: str) -> str:
    """As much of it as fits into a body."""
    return piece * (LENGTH // len(piece))


@pytest.mark.parametrize(
    "piece",
    [
        *("<ul><li>", "<b>", "<dl><dt>", "<figure>", "<figcaption>", "<blockquote>", "<p><b>", "<b></p>", "<a href=x>"),
        *("</p>", "<br>", "<svg>", "<x>", "<!-- -->", "<![CDATA[", "<a title='", "<p></p>", "<b><table>", "</"),
    ],
)
def test_too_many_tags(piece: str) -> None:
    """Without a look at how they stand."""
    assert piece.count("<") * (LENGTH // len(piece)) > TAGS_MAX
    with pytest.raises(Invalid, match="/body: has more than 5000 tags"):
        sanitise(filled(piece + "<b>" if piece == "</" else piece))


@pytest.mark.parametrize(
    "html",
    [
        "<ul><li>" * 33,
        "<blockquote>" * 65,
        "<p>" + "".join(f"<b a={number}>" for number in range(65)) + "</p>" + "<p>x</p>" * 1_000,
        "<b></x>" * 65,
        "<b><object></b></object>" * 65,
        "<li><ul></li>" * 65,
        '<ul title="></ul>">' * 65,
        '<ul "></ul>' * 65,
        "<ul><!--</ul>-->" * 65,
        "<ul><style></ul></style>" * 65,
        "<svg><style>" + "<ul></ul>" * 65,
        "<svg><![CDATA[" + "<ul></ul>" * 65,
        "<select>" + "<b></b>" * 65,
    ],
)
def test_too_deep(html: str) -> None:
    """However it is made to look as if it were closed."""
    with pytest.raises(Invalid, match="/body: has more than 64 elements within one another, or not closed"):
        sanitise(html)


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{SENTENCE}</p>" * 400,
        f"<p>{SENTENCE}" * 400,
        f"<p>{SENTENCE} <a href='https://exemple.fr/a?b=1&c=2' title='L’heure > 9 h'>lien</a> <b>x</b></p>" * 300,
        "<ul>" + "<li><p>un <b>deux</b><li>trois<ul><li>quatre</ul>" * 200 + "</ul>",
        "<dl>" + "<dt>un<dd>deux <i>trois</i>" * 300 + "</dl>",
        "<div><p>un <b>deux <i>trois</b> quatre</i></div>" * 400,
        "a < b et b > c, <3 ! " * 1_000,
        "<p>un<br>deux<br/>trois<hr><img src=x alt='a > b'>" * 300,
        '<!-- wp:paragraph {"align":"left"} --><p>un</p><!-- /wp:paragraph -->' * 200,
        '<blockquote class="twitter-tweet"><p lang="fr">un</p></blockquote>'
        '<script async src="https://platform.example/w.js" charset="utf-8"></script>' * 100,
        '<iframe width="560" height="315" src="https://www.youtube.com/embed/x" allowfullscreen></iframe>' * 200,
        "<table><tbody><tr><td>un</td><td>deux</td></tr></tbody></table>" * 100,
        "<H2 CLASS=x>Un</H2>\r\n<P>Deux</P>\r\n" * 300,
    ],
)
def test_what_editors_paste_is_accepted(html: str) -> None:
    """Hundreds of times what a live blog's entry is."""
    assert depth_of(html) < 12
    check_html(html[:LENGTH])
    sanitise(html[: html.rindex("<")] if "<" in html else html)


PIECES = st.sampled_from(
    [
        *(f"<{name}>" for name in ("a", "b", "i", "font", "p", "li", "ul", "dl", "dt", "dd", "div", "span", "figure")),
        *(f"</{name}>" for name in ("a", "b", "i", "font", "p", "li", "ul", "dl", "dt", "dd", "div", "span", "figure")),
        *(
            f"<{name}>"
            for name in ("table", "tr", "td", "caption", "form", "button", "h1", "x", "object", "svg", "math")
        ),
        *(f"</{name}>" for name in ("table", "tr", "td", "caption", "form", "button", "h1", "x", "object", "svg", "p")),
        *("<select>", "<option>", "<template>", "<noscript>", "<style>", "</style>", "<textarea>", "</textarea>"),
        *(
            "<b a=1>",
            "<b a=2>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            '<p title="></p></b>">',
            '<ul "',
            "'",
            ">",
            "t",
            "<br>",
        ),
    ]
)
FOREIGN = {"svg", "math", "select", "option", "template", "noscript", "textarea", "title", "div"}
_every = nh3.Cleaner(
    tags={*TAGS, "font", "table", "tbody", "tr", "td", "caption", "form", "button", "h1", "x", "object", *FOREIGN},
    attributes={"*": {"a", "title"}},
    clean_content_tags=set(),
    link_rel=None,
)


def real_depth(html: str) -> int:
    """How deep a parser finds it."""
    depth = deepest = 0
    for end, name in re.findall(r"<(/?)([a-z0-9]+)[^>]*>", _every.clean(html)):
        if name != "br":
            depth += -1 if end else 1
            deepest = max(deepest, depth)
    return deepest


@given(st.lists(PIECES, max_size=5).map("".join), st.lists(PIECES, min_size=1, max_size=6).map("".join))
@example("", "<b><object></b></object>")
@example("", "<p><b a=1></p>")
@example("", "<form><li><b></form>")
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_parser_finds_it_deeper(before: str, repeated: str) -> None:
    """But for what a parser puts in by itself, such as a table's body and rows."""
    html = before + repeated * 20
    assert real_depth(html) <= 2 * depth_of(html) + 3


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "[",
            "![",
            "[a](",
            "![a](",
            "[](",
            "[]()",
            "[[]]",
            "[a][",
            "*a",
            "**a",
            "a*",
            "a**",
            "*a_",
            "~~a",
            "[*",
            "*[",
        ),
        *("[`", "`[", "<[", "[\\]", "[![]()", "- a\n", "* a\n", "1. a\n", "  - a\n", "# a\n", "a\n=\n", "a\n", "-\n"),
        *(">a\n", "[a\n", "![a\n", "    a\n", "[x](y)", "<![CDATA[", "&", "\\", "!", "`a", "[a]: b\n", "|a|b\n", "a\r"),
    ],
)
def test_too_much_markdown(piece: str) -> None:
    """Before the parser, for which it would be seconds."""
    with pytest.raises(Invalid, match=r"/body: has more Markdown than a body may have"):
        sanitise(filled(piece), "markdown")


@pytest.mark.parametrize("paragraphs", [1, 10, 240])
def test_prose_is_no_work(paragraphs: int) -> None:
    text = "\n\n".join([PARAGRAPH] * paragraphs)
    assert markdown_effort(text) < 40 * paragraphs
    check_markdown(text)
    check_markdown("\r\n\r\n".join([f"{PARAGRAPH} [**lien**](https://exemple.fr/a-b) *oui*"] * (paragraphs // 2)))
    check_markdown("\n".join(["- [lien](https://exemple.fr/a-b)"] * min(paragraphs, 70)))


def test_brackets_count_with_their_paragraph() -> None:
    """Nothing that is open in one goes on in the next."""
    together = "[" * 400
    apart = "\n\n".join("[" * 20 for _ in range(20))
    assert markdown_effort(apart) < markdown_effort(together) / 5


def test_what_comes_out_is_bounded_too() -> None:
    """A character may become five."""
    with pytest.raises(Invalid, match=f"more than {SAFE_MAX} characters"):
        sanitise(filled("&"))
    with pytest.raises(Invalid, match=f"more than {TAGS_MAX} tags"):
        sanitise(filled("aaaa\n"))
    with pytest.raises(Invalid, match=f"more than {PICTURES_MAX} pictures"):
        check_safe("<img >" * (PICTURES_MAX + 1))
    check_safe("<p>x</p>" * (TAGS_MAX // 2))
    assert DEPTH_MAX < TAGS_MAX < MARKDOWN_MAX
