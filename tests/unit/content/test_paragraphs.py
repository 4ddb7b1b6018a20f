"""Words and figures of tables, and of blocks that a body can't have, never run together."""

from __future__ import annotations

import re
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveserver.content.markup_cost import TAGS_MAX
from liveserver.content.paragraphs import in_paragraphs
from liveserver.content.plain_text import lines_of, plain_text
from liveserver.content.sanitiser import sanitise
from liveserver.domain.errors import InvalidInput
from tests.support.effort import examples

REL = ' rel="noopener noreferrer"'
IMG = '<img src="/media/0123456789abcdef0123456789abcdef-1200x800.jpg" alt="La mer">'

TABLES = [
    ("<table><tr><td>Inscrits</td><td>12</td><td>34</td></tr></table>", "<p>Inscrits | 12 | 34</p>"),
    (
        "avant<table class=t>\n<caption>Premier <b>tour</b></caption><colgroup><col><col></colgroup>\n<thead>\n"
        "<tr>\n<th>Liste</th>\n<th>\n Voix\n</th></tr></thead>\n"
        "<tbody><tr><td><b>A</b> &amp;  B</td><td>1&nbsp;234</td></tr></tbody>"
        "<tfoot><tr><td>Total<td>5</tfoot></table>après",
        "avant<p>Premier <b>tour</b></p><p>Liste | Voix</p><p><b>A</b> &amp; B | 1\u00a0234</p><p>Total | 5</p>après",
    ),
    # Empty cells keep the others in their columns; empty rows are none.
    ("<table><tr><td></td><td>2022</td><td>&nbsp;</td><td> 2027</td></tr><tr><td><td></table>",
     "<p>| 2022 | | 2027</p>"),
    ("<table><tr><td></td><td>12</td></tr><tr><td>13</td><td></td></tr></table>", "<p>| 12</p><p>13 |</p>"),
    # A space between figures would make one number of two.
    ("<table><tr><td>12<br>345</td><td><p>6</p><p><i>7</i> 8</p></td></tr></table>",
     "<p>12 / 345 | 6 / <i>7</i> 8</p>"),
    (
        "<table><tr><td><ul><li>a</li><li>b</li></ul></td><td><h2>c</h2>d<hr>e</td></tr></table>",
        "<p>a / b | c / d / e</p>",
    ),
    ("<table><tr><td><b>12<div>34</div></b></td><td>5</td></tr></table>", "<p><b>12 / 34</b> | 5</p>"),
    # Directions and languages stay.
    (
        '<table dir="rtl"><tr><td>شعب</td><td lang="fr" dir="ltr">peuple</td></tr><tr lang="he"><td>א<td>ב</table>',
        '<p dir="rtl">شعب | <span lang="fr" dir="ltr">peuple</span></p><p lang="he">א | ב</p>',
    ),
    # Tables in tables, and tables for the layout.
    ("<table><tr><td>a<table><tr><td>1<td>2<tr><td>3<td>4</table><td>b</table>", "<p>a / 1 | 2 / 3 | 4 | b</p>"),
    ("<table><tr><td><table><tr><td>1<td>2<tr><td>3<td>4</table></table>", "<p>1 | 2</p><p>3 | 4</p>"),
    (
        "<table><tr><td> </td><td><h3>a</h3><ul><li>b</li></ul><p>c</p>d</td><td></td></tr></table>",
        "<h3>a</h3><ul><li>b</li></ul><p>c</p><p>d</p>",
    ),
    (f"<table><tr><td>{IMG}</td></tr><tr><td>La mer</td></tr></table>", f"<figure>{IMG}</figure><p>La mer</p>"),
    (f"<table><tr><td>{IMG}</td><td>1</td></tr></table>", f"<p>{IMG} | 1</p>"),
    # Where a table may stand.
    ("<p>a<table><tr><td>1<td>2</table>b", "<p>a</p><p>1 | 2</p>b"),
    ("<a href='javascript:1'>l</a><table><tr><td>a</table>", f"<a{REL}>l</a><p>a</p>"),
    ("<b>x<table><tr><td>a<td>b</table>y</b>", "<b>x<p>a | b</p>y</b>"),
    ("<ul><li>x<table><tr><td>a<td>b</table></ul>", "<ul><li>x<p>a | b</p></li></ul>"),
    (
        "<figure class='wp-block-table'><table><tr><td>a<td>b</table><figcaption>c</figcaption></figure>",
        "<p>a | b</p><p>c</p>",
    ),
    # Broken ones.
    ("<tr><td>12</td><td>34</td></tr>x", "<p>12</p><p>34</p>x"),
    ("<table><tr><td>1<td>2</table></table><tr><td>3<td>4", "<p>1 | 2</p><p>3</p><p>4</p>"),
    ("<table><td>1<td>2", "<p>1 | 2</p>"),
    ("x<table></table>y", "x<p>y</p>"),
    ("<a href='/a'>1<table><tr><td><a href='/b'>2</a><td>3</table></a>", None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kept"), TABLES)
def test_a_row_of_a_table_becomes_a_paragraph(body: str, kept: str | None) -> None:
    clean = sanitise(body)
    assert kept is None or clean == kept
    assert sanitise(clean) == clean


BLOCKS = [
    *("address", "article", "aside", "blockquote", "center", "dialog", "details", "dir", "div", "dl", "dt", "dd"),
    *("fieldset", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "legend"),
    *("li", "listing", "main", "marquee", "menu", "nav", "ol", "optgroup", "option", "p", "pre", "search", "section"),
    *("summary", "caption", "tbody", "thead", "tfoot", "tr", "td", "th", "ul"),
]


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize(
    "body",
    [
        "12<{0}>34</{0}>56",
        "<{0}>12</{0}><{0}>34</{0}>56",
        "12<{0}></{0}>34<{0}> </{0}>56",
        "<div>12<{0}>34</{0}>56</div>",
        "<{0}>12<div>34</div></{0}>56",
        "<b>12<{0}>34</{0}></b>56",
        "<a href='javascript:1'>12</a><{0}>34</{0}><i>56</i>",
        "<ul><li>12<{0} class=x>34</{0}></li></ul>56",
    ],
)
def test_a_block_keeps_its_words_from_the_others(name: str, body: str) -> None:
    clean = sanitise(body.format(name))
    assert sorted(plain_text(clean).replace("|", " ").split()) == ["12", "34", "56"], clean
    assert sorted(" ".join(lines_of(clean)).replace("|", " ").replace("•", " ").split()) == ["12", "34", "56"], clean
    assert sanitise(clean) == clean


@pytest.mark.parametrize("br", ["<br>", "<br/>", "<BR />", "</br>", "<br clear=all>", "<hr>", "<hr/>"])
def test_a_line_break_is_one_however_it_is_written(br: str) -> None:
    assert sanitise(f"12{br}34") == f"12{'<hr>' if 'hr' in br else '<br>'}34"


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("<div>a<div>b</div>c</div>d", "<p>a</p><p>b</p><p>c</p>d"),
        ("<details><summary>S</summary>text</details>after", "<p>S</p><p>text</p>after"),
        ("<dl><div><dt>a</dt><dd>b</dd></div></dl>", "<dl><dt>a</dt><dd>b</dd></dl>"),
        ("<div dir=rtl>a<div>b</div><div lang=fr>c</div></div>",
         '<p dir="rtl">a</p><p dir="rtl">b</p><p lang="fr">c</p>'),
        ("<center>a <b>b</b><i>c<section>d</section></i></center>", "<p>a <b>b</b></p><i><p>c</p><p>d</p></i>"),
        ("<menu><li>a</menu><listing>\nb</listing>", "<ul><li>a</li></ul><pre>b</pre>"),
        ("<pre>\n\na</pre><pre lang=fr>\nb</pre>", '<pre>\n\na</pre><pre lang="fr">b</pre>'),
        ("<li><figure><li>a</li></figure></li>", None),
        ("a<div><br></div>b", "a<p><br></p>b"),
        ("a<div></div><br>b", "a<br>b"),
    ],
)  # fmt: skip
def test_blocks_that_a_body_cannot_have_become_paragraphs(body: str, kept: str | None) -> None:
    clean = sanitise(body)
    assert kept is None or clean == kept
    assert sanitise(clean) == clean


PIECES = [
    *("<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", "<th lang=fr>", "<caption>", "</caption>", "<tbody>"),
    *("<div>", "</div>", "<p>", "</p>", "<b>", "</b>", "<a href=/x>", "</a>", "<li>", "<ul>", "</ul>", "<br>", "<hr>"),
    *("<figure>", "</figure>", "<figcaption>", "<blockquote>", "<h3>", "<marquee>", "<pre>", " ", "\u00a0", "\n", IMG),
]


@given(st.lists(st.sampled_from([*PIECES, "x", "x"]), max_size=20))
@example(["<a href=/x>", "<table>", "<a href=/x>", "<div>", "x"])
@settings(max_examples=examples(500), deadline=None, derandomize=True)
def test_no_table_however_broken_raises_or_loses_a_word(pieces: list[str]) -> None:
    numbers = (f" {number} " for number in range(100, 200))
    body = "".join(next(numbers) if piece == "x" else piece for piece in pieces)
    clean = sanitise(body)
    assert sanitise(clean) == clean
    assert in_paragraphs(clean) == clean
    assert not re.search(r"<(?:table|t[rdh]|div)\b|\0", clean)
    assert sorted(re.findall(r"\d{3}", plain_text(clean))) == sorted(re.findall(r"\d{3}", re.sub("<[^>]*>", "", body)))


@pytest.mark.parametrize(
    "piece",
    [
        "<table><tr><td>1</td><td>2</td></tr></table>",
        "<div>1</div>",
        "<div><b>1<p></p></b></div>",
        "<table><tr><td><table><tr><td>1<td>2</table><td>3</table>",
        "x<p></p>",
    ],
)
def test_the_time_is_linear_in_the_length(piece: str) -> None:
    def seconds(times: int) -> float:
        html = f"<table><tr>{'<td>0</td>' * 10}{piece * times}</tr></table>" if "<table" in piece else piece * times
        begin = process_time()
        with suppress(InvalidInput):
            sanitise(html)
        return process_time() - begin

    many = TAGS_MAX // piece.count("<") - 50
    assert seconds(many) < 40 * max(0.001, min(seconds(many // 10) for _ in range(3)))
