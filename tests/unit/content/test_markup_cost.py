"""A text that makes too much work is refused by looking over it once; a text that editors write isn't."""

from __future__ import annotations

import random
import re

import nh3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from liveserver.content.markup_cost import (
    DEPTH_MAX,
    MARKDOWN_MAX,
    PICTURES_MAX,
    TAGS_MAX,
    cells_of,
    check_html,
    check_markdown,
    check_safe,
    depth_of,
    markdown_cost,
)
from liveserver.content.sanitiser import TAGS, sanitise
from liveserver.domain.errors import InvalidInput
from tests.support.effort import examples

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
        *("<ul><li>", "<b>", "<dl><dt>", "<figure>", "<p><b>", "<b></p>", "<a href>", "</p>", "<br>", "<svg>", "<x>"),
        *("<!-- -->", "<![CDATA[", "<a href='", "<p></p>", "<b><table>", "</"),
    ],
)
def test_too_many_tags(piece: str) -> None:
    """Without a look at how they stand."""
    assert piece.count("<") * (LENGTH // len(piece)) > TAGS_MAX
    with pytest.raises(
        InvalidInput, match=r"/body: has [\d,]+ tags, and 10,000 are allowed: split it into several entries"
    ):
        sanitise(filled(piece + "<b>" if piece == "</" else piece))


@pytest.mark.parametrize(
    "html",
    [
        "<ul><li>" * 33,
        "<blockquote>" * 65,
        *map(filled, ("<figcaption>", "<blockquote>", "<a href=x>", "<a title='")),
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
    with pytest.raises(
        InvalidInput, match=r"/body: has [\d,]+ elements within one another or not closed, and 64 are allowed: "
    ):
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
@settings(max_examples=examples(300), deadline=None, derandomize=True)
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
        *("|a|b\n|-|-\n", "a|b\n-|-\n\n", "|-|-\n", "> |a\n> |-\n> |b\n\n"),
    ],
)
def test_too_much_markdown(piece: str) -> None:
    """Before the parser, for which it would be seconds."""
    with pytest.raises(InvalidInput, match=r"/body: is too much Markdown for one entry"):
        sanitise(filled(piece), "markdown")


def test_what_is_too_much_is_said() -> None:
    """The refusal says how much there is, how much is allowed, and how to mend it."""
    with pytest.raises(InvalidInput) as refused:
        check_markdown("- **un** [deux](https://exemple.fr/)\n" * 3_000)
    assert str(refused.value) == (
        "/body: is too much Markdown for one entry: its lines come to 24,000 points (8 each), its signs (* [ - and the "
        "like) to 39,000, brackets within one paragraph to 0, cells of tables to 0 (3 each). That is 63,000, and "
        "50,000 are allowed: split it into several entries, or send it as HTML"
    )


@pytest.mark.parametrize("paragraphs", [1, 10, 240])
def test_prose_is_no_work(paragraphs: int) -> None:
    text = "\n\n".join([PARAGRAPH] * paragraphs)
    assert markdown_cost(text).total < 40 * paragraphs
    check_markdown(text)
    check_markdown("\r\n\r\n".join([f"{PARAGRAPH} [**lien**](https://exemple.fr/a-b) *oui*"] * (paragraphs // 2)))


WORDY = "Des *drones* ont visé de **grands immeubles** à [Kazan](https://exemple.fr/kazan-drones), « à 9 h 40 » (AFP). "


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"- **Saint-Malo {number}** : 34,56 % (+2)" for number in range(577)),
        "\r\n".join(f"* **Saint-Malo {number}** : 34,56 % (+2)" for number in range(2_000)),
        "\n".join(f"- [Saint-Malo](/r/{number}) : 34,56 %" for number in range(2_000)),
        "\n".join(f"{number}. [Saint-Malo](/r/{number}) : 34,56 %" for number in range(1, 2_000)),
        "\n".join(f"- **Ille-et-Vilaine {number}**\n    - Un : 51 %\n    - Deux : 49 %" for number in range(600)),
        "\n\n".join(f"{number}. *Le Gall*, 12 pts" for number in range(1, 1_000)),
        "| Commune | A | B |\n|---|---|---|\n" + "| Saint-Malo | 51,2 | 48,8 |\n" * 1_500,
        "Brest - Rennes : 2-1\n" * 1_500,
        "\n\n".join([WORDY * 5] * 100),
        "\n>\n".join([f"> {WORDY * 5}"] * 100),
        "\n\n".join([f"## Chapitre\n\n{WORDY * 5}\n\n![La mer](/media/x.jpg)"] * 100),
    ],
)
def test_a_newsrooms_longest_entries_are_accepted(text: str) -> None:
    """Results of each commune, a ranking, a chronicle of 60 KB."""
    assert 15_000 < len(text) < LENGTH
    sanitise(text, "markdown")


def test_brackets_count_with_their_paragraph() -> None:
    """Nothing that is open in one goes on in the next."""
    together = "[" * 400
    for between in ("\n\n", "\n- ", "\n   * ", "\n1. ", "\r\n + "):
        apart = between.join("[" * 20 for _ in range(20))
        assert markdown_cost(apart).brackets < markdown_cost(together).brackets / 10


LINES = [
    indent + line
    for line in (
        *(
            "[",
            "a",
            "- [",
            "- a",
            "* [",
            "+\t[",
            "-",
            "- ",
            "-[",
            "1. [",
            "2. [",
            "2) [",
            "1234567890. [",
            "01. [",
            "> [",
        ),
        *(
            "> - [",
            "> 2. [",
            ">",
            "> ",
            "",
            "# [",
            "```",
            "---",
            "===",
            "[a]: [",
            "[a]: b '[",
            "- - [",
            "- # [",
            "9. - [",
        ),
    )
    for indent in ("", " ", "   ", "    ")
]
LINES += ["|[|a|", "[|a", "|-|-|", "-|:-", "|---", "  |-|-|", "> |[|a|", "> |-|-|"]
PAIRS = [[first, second] for first in LINES[::3] for second in LINES]
ANY = random.Random(1)
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["strikethrough", "table"])


@pytest.mark.parametrize(
    "texts",
    [
        ANY.sample(PAIRS, k=examples(len(PAIRS))),
        [ANY.choices(LINES, k=6) for _ in range(examples(2_000))],
    ],
    ids=["two lines", "six lines"],
)
def test_no_paragraph_has_more_brackets_than_were_counted(texts: list[list[str]]) -> None:
    """Where one is taken to end, it ends for the parser, too."""
    for lines in texts:
        text = "\n".join(f"{line} ]]]]]]]]]]]]]]]]]]]]" if "[" in line or "a" in line else line for line in lines)
        paragraphs = (token.content for token in _markdown.parse(text) if token.type == "inline")
        real = sum(content.count("[") * content.count("]") // 25 for content in paragraphs)
        assert real <= markdown_cost(text).brackets, lines


@pytest.mark.parametrize(("columns", "rows"), [(256, 256), (300, 218), (1_000, 65), (20_000, 0)])
def test_cells_that_a_table_lacks_cost_as_much_as_others(columns: int, rows: int) -> None:
    """The parser adds up to 65,536 of them, which takes a second; the text has 1,500 characters."""
    with pytest.raises(InvalidInput, match=r"cells of tables to \d+,\d\d\d \(3 each\)"):
        check_markdown("|a" * columns + "\n" + "|-" * columns + "\n" + "|\n" * rows)


ROWS = st.sampled_from(
    [
        *(
            "|a|b|",
            "a|b",
            "|-|-|",
            "-|-",
            ":-:|-:",
            "|-",
            "a",
            "|",
            "",
            ">",
            "> |a|b|",
            "> |-|-|",
            "- |a|b|",
            "  |-|-|",
        ),
        *("    |-|-|", "---", "```", "# a", "|a|b|c|d|", "\t|-|-|", "|\\||b|", "|:-|--:|", "- a|b", "1. a|b", "   -|-"),
    ]
)


@given(st.lists(ROWS, max_size=10), st.sampled_from(["\n", "\r\n", "\r"]))
@settings(max_examples=examples(1_000), deadline=None, derandomize=True)
def test_no_table_has_more_cells_than_were_counted(lines: list[str], end: str) -> None:
    text = end.join(lines)
    tokens = _markdown.parse(text)
    assert sum(token.type in {"th_open", "td_open"} for token in tokens) <= cells_of(text), lines


def test_what_comes_out_is_bounded_too() -> None:
    """A character may become five."""
    with pytest.raises(InvalidInput, match=r"comes to 500,000 characters of safe HTML, and 200,000 are allowed"):
        sanitise(filled("&"))
    with pytest.raises(InvalidInput, match=r"comes to \d\d,\d\d\d tags of safe HTML, and 10,000 are allowed"):
        sanitise(filled("aaaa\n"))
    with pytest.raises(InvalidInput, match="has 201 pictures, and 200 are allowed"):
        check_safe("<img >" * (PICTURES_MAX + 1))
    check_safe("<p>x</p>" * (TAGS_MAX // 2))
    assert DEPTH_MAX < TAGS_MAX < MARKDOWN_MAX
