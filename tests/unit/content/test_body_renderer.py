"""The HTML that readers get of pictures and embeds."""

from __future__ import annotations

import re

import pytest

from liveserver.content.body_renderer import CARDS_MAX, ILLUSTRATIONS_MAX, BodyRenderer
from liveserver.content.embed_providers import EmbedProviders
from liveserver.content.media.picture import Illustration, Picture, figure_html, img_html
from liveserver.content.sanitiser import sanitise
from liveserver.content.translations import texts_for

MEDIA = "https://live.example.org/media"
BODIES = BodyRenderer(media_url=MEDIA, embed_providers=EmbedProviders())
FRENCH = texts_for("fr")
PICTURE = Picture("a" * 32, 1200, 800, "jpg")
ADDRESS = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"

CARD = (
    '<figure class="embed" data-embed="youtube" '
    'data-embed-src="https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?autoplay=1&amp;playsinline=1" '
    'data-embed-title="{title}" data-embed-ratio="16 / 9" data-embed-load="Afficher ici" '
    'data-embed-note="YouTube verra votre adresse IP et pourra déposer des cookies.">'
    '<a class="embed-link" href="https://www.youtube.com/watch?v=dQw4w9WgXcQ" rel="noopener noreferrer">'
    '<strong class="embed-heading">{heading}</strong> '
    '<small class="embed-where">YouTube · youtube.com/watch?v=dQw4w9WgXcQ</small></a>{caption}</figure>'
)
BARE = CARD.format(title="Vidéo sur YouTube", heading="<span>Vidéo sur YouTube</span>", caption="")


def shown(body: str, markup: str = "html") -> str:
    """As it is kept, then as readers get it."""
    return BODIES.shown(sanitise(body, markup), FRENCH)


@pytest.mark.parametrize(
    ("body", "markup"),
    [
        (f"<p>{ADDRESS}</p>", "html"),
        (f'<p dir="ltr"> {ADDRESS}\n</p>', "html"),
        ("<p>https://youtu.be/dQw4w9WgXcQ?si=abc&amp;x=1</p>", "html"),
        (f'<p><a href="{ADDRESS}">{ADDRESS}</a></p>', "html"),
        (f'<p><a href="{ADDRESS}">youtube.com/watch?v=dQw4w9WgXcQ</a></p>', "html"),
        (f'<p><a href="{ADDRESS}">www.youtube.com/watch?v=dQw4w9WgXcQ</a></p>', "html"),
        ("<p>www.youtube.com/watch?v=dQw4w9WgXcQ</p>", "html"),
        ('<p dir="ltr"> YouTube.com/watch?v=dQw4w9WgXcQ&amp;si=abc\n</p>', "html"),
        ("youtu.be/dQw4w9WgXcQ", "markdown"),
        (f"{ADDRESS}\n", "markdown"),
        (f"<{ADDRESS}>", "markdown"),
        (f'<figure class="embed"><a href="{ADDRESS}">{ADDRESS}</a></figure>', "html"),
    ],
)
def test_an_address_alone_is_a_card(body: str, markup: str) -> None:
    assert shown(body, markup) == BARE


def test_it_is_one_among_paragraphs() -> None:
    assert shown(f"Avant\n\n{ADDRESS}\n\nAprès") == f"<p>Avant</p>{BARE}<p>Après</p>"


@pytest.mark.parametrize(
    "body",
    [
        f"<p>Voir {ADDRESS}</p>",
        f"<p>{ADDRESS} {ADDRESS}</p>",
        f'<p><a href="{ADDRESS}" rel="noopener noreferrer">La vidéo</a></p>',
        f'<p><a href="https://evil.example/" rel="noopener noreferrer">{ADDRESS}</a></p>',
        f'<p><a href="{ADDRESS}" rel="noopener noreferrer">https://evil.example/</a></p>',
        f"<p><em>{ADDRESS}</em></p>",
        "<p>https://elsewhere.example/video</p>",
        "<p>elsewhere.example/watch?v=dQw4w9WgXcQ</p>",
        "<p>youtu.be.elsewhere.example/dQw4w9WgXcQ</p>",
        "<p>youtube.com</p>",
        "<p>youtube.com/</p>",
        "<p>//youtu.be/dQw4w9WgXcQ</p>",
        "<p>a@youtu.be/dQw4w9WgXcQ</p>",
        "<p>ftp://youtu.be/dQw4w9WgXcQ</p>",
        "<p>Voir youtu.be/dQw4w9WgXcQ</p>",
        "<p>youtu.be/dQw4w9WgXcQ !</p>",
        "<p>et/ou</p>",
        '<figure class="embed"><a href="https://elsewhere.example/" rel="noopener noreferrer">Titre</a></figure>',
        "<p>« Rien du tout » https://</p>",
    ],
)
def test_nothing_else_is(body: str) -> None:
    assert sanitise(body) == body
    assert BODIES.shown(body, FRENCH) == body


@pytest.mark.parametrize(
    "piece",
    ["<p>", "<p> ", "<p>youtu.be/", "<p>a.b", "youtu.be/", "a", ".", "-/", " ", "\n", "<p dir>", '<p><a href="">'],
)
def test_a_body_is_looked_over_once(piece: str) -> None:
    """In time that grows with its length alone: otherwise the longest one here would take hours."""
    opened = "<p>" + piece * (2_000_000 // len(piece))
    assert BODIES.shown(opened, FRENCH) == opened


def test_so_many_become_cards() -> None:
    """The others stay links, of whichever form."""
    titled = f'<figure class="embed"><a href="{ADDRESS}">La mer</a></figure>'
    html = shown(titled * 30 + f"<p>{ADDRESS}</p>" * 30)
    assert html.count("data-embed-src") == CARDS_MAX
    assert html.endswith(f"<p>{ADDRESS}</p>" * 10)


def test_a_title_and_a_caption() -> None:
    link = f'<a href="{ADDRESS}">L’« été » & "la" <b>mer</b></a>'
    assert shown(f'<figure class="embed">{link}<figcaption>a <em>b</em></figcaption></figure>') == CARD.format(
        title="L’« été » &amp; &quot;la&quot; mer",
        heading='L’« été » &amp; "la" mer',
        caption="<figcaption>a <em>b</em></figcaption>",
    )


def test_a_card_that_is_sent_back_is_the_same_card() -> None:
    """A client that takes `html` for `body` loses nothing."""
    titled = f'<figure class="embed"><a href="{ADDRESS}">La mer</a><figcaption>a</figcaption></figure>'
    for body in (titled, f"<p>{ADDRESS}</p>"):
        once = shown(body)
        again = shown(once)
        assert again == once.replace("<span>", "").replace("</span>", "")
        assert shown(again) == again


def test_our_words_are_marked_where_the_live_blog_has_another_language() -> None:
    """As everywhere on the page."""
    html = BODIES.shown(f"<p>{ADDRESS}</p>", texts_for("sw"))
    assert '<span lang="en" dir="ltr">Video on YouTube</span>' in html


def test_the_shape_of_a_frame() -> None:
    """A ratio for what has one, a height to begin with for what hasn't."""
    assert 'data-embed-ratio="9 / 16"' in shown("<p>https://www.youtube.com/shorts/dQw4w9WgXcQ</p>")
    assert 'data-embed-height="450"' in shown("<p>https://mastodon.social/@a/1</p>")


def test_nothing_is_fetched_from_elsewhere() -> None:
    """Before the reader asks: no frame, no picture, no script of the provider's."""
    assert set(re.findall(r"<(\w+)", BARE)) == {"figure", "a", "strong", "small", "span"}
    assert not re.search(r"\b(src|srcset|style)=", BARE.replace("data-embed-src=", ""))


def test_pictures_are_ready_to_load() -> None:
    """From where readers get them, which the body doesn't know."""
    gallery = '<figure class="gallery"><figure>{}</figure></figure>'
    body = gallery.format(f'<img src="/media/{PICTURE.name}" alt="a &amp; &quot;b&quot;">')
    img = img_html(PICTURE, 'a & "b"', MEDIA)
    expected = gallery.format(img)
    assert BODIES.shown(body, FRENCH) == BODIES.with_pictures(body) == expected
    assert shown(img) == img, "and may be sent back as they are"


def test_feeds_get_links_for_cards() -> None:
    body = f"<p>{ADDRESS}</p>"
    assert BODIES.with_pictures(body) == body


def test_what_people_write_of_pictures_stays() -> None:
    body = f'<p>&lt;img src="/media/{PICTURE.name}" alt=""&gt; /media</p>'
    assert BODIES.shown(body, FRENCH) == body


def pictures(count: int) -> list[Picture]:
    return [PICTURE._replace(digest=f"{number:032x}") for number in range(count)]


def illustrations(body: str, markup: str = "html") -> list[tuple[str, str, str]]:
    """Of what is kept, each picture's digest, words and caption."""
    found = BODIES.illustrations(sanitise(body, markup))
    assert all(one == Illustration(f"{MEDIA}/{one.picture.name}", *one[1:]) for one in found)
    return [(one.picture.digest[-1], one.alt, one.caption) for one in found]


def test_illustrations() -> None:
    """As editors send them: in figures, in galleries, in Markdown, among words; each once, and only our own."""
    a, b, c = pictures(3)
    alone = figure_html(a, 'Le "quai"', "Photo : <A>", MEDIA)
    assert illustrations(f"<p>Avant</p>{alone}") == [("0", 'Le "quai"', "Photo : <A>")]
    gallery = f"<figure>{figure_html(b, 'B', None, MEDIA)}{figure_html(c, 'C', '© C', MEDIA)}"
    whole = f"{alone}{gallery}<figcaption>Les <b>deux</b></figcaption></figure>{figure_html(b, 'encore', 'x', MEDIA)}"
    assert illustrations(whole) == [
        ("0", 'Le "quai"', "Photo : <A>"),
        ("1", "B", "Les deux"),
        ("2", "C", "© C"),
    ]
    assert illustrations(f'![Le quai]({MEDIA}/{a.name} "Hier")', "markdown") == [("0", "Le quai", "Hier")]
    assert illustrations(f"<ul><li>un {img_html(a, '', MEDIA)}</li></ul>") == [("0", "", "")]
    assert illustrations(f'<p><a href="{MEDIA}/{a.name}">/media</a> <img src="https://x.org/a.jpg" alt="A"></p>') == []
    embed = f'<figure class="embed"><a href="{ADDRESS}">/media</a><figcaption>A</figcaption></figure>'
    assert illustrations(embed) == []


def test_illustrations_are_bounded() -> None:
    """However many pictures there are, and however the body is made."""
    body = "".join(figure_html(picture, "", None, MEDIA) for picture in pictures(ILLUSTRATIONS_MAX + 1))
    assert len(illustrations(body)) == ILLUSTRATIONS_MAX
    img = f'<img src="/media/{PICTURE.name}" alt="">'
    assert BODIES.illustrations("</figure><figcaption>" * 50_000 + img)[0].caption == ""
    assert BODIES.illustrations(f"{img}<figcaption>" * 20_000)[0].caption == ""
