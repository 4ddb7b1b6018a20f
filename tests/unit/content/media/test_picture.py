"""A picture's name, and the HTML made from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver.content.media.picture import WIDTHS, Picture, figure_html, img_html

DIGEST = "0123456789abcdef0123456789abcdef"


def test_a_name_tells_everything() -> None:
    picture = Picture(DIGEST, 1600, 1067, "jpg")
    assert picture.name == f"{DIGEST}-1600x1067.jpg"
    assert Picture.parse(picture.name) == picture
    assert (picture.media_type, picture._replace(suffix="webp").media_type) == ("image/jpeg", "image/webp")


@pytest.mark.parametrize(
    "name",
    [
        "",
        f"{DIGEST}-1600x1067.svg",
        f"{DIGEST}-1600x1067.jpg\n",
        f"{DIGEST}-0x1.jpg",
        f"{DIGEST}-1x100000.jpg",
        f"{DIGEST}-१x1.jpg",
        f"{DIGEST.upper()}-1x1.jpg",
        f"{DIGEST[1:]}-1x1.jpg",
        f"../{DIGEST}-1x1.jpg",
        f"{DIGEST}-1x1.jpg/..",
        f"{DIGEST}-1x1.jpg\x00.png",
    ],
)
def test_what_is_no_name(name: str) -> None:
    """Names go into paths: there is one way to write each."""
    assert Picture.parse(name) is None


@pytest.mark.parametrize(
    ("width", "widths"),
    [(1, [1]), (480, [480]), (481, [480, 481]), (1200, [480, 960, 1200]), (1600, [480, 960, 1600])],
)
def test_renditions_are_never_wider_than_the_picture(width: int, widths: list[int]) -> None:
    picture = Picture(DIGEST, width, 900, "jpg")
    assert [variant.width for variant in picture.variants] == widths
    assert picture.variants[-1] == picture


@given(st.integers(1, 1600), st.integers(1, 8000))
def test_renditions_have_the_pictures_shape(width: int, height: int) -> None:
    """To half a pixel, and nobody has none."""
    for variant in Picture(DIGEST, width, height, "webp").variants:
        assert variant.height >= 1
        assert abs(variant.height - height * variant.width / width) <= 0.5 or variant.height == 1
        assert Picture.parse(variant.name) == variant


def test_the_html_of_a_picture() -> None:
    """Its place is known before it is loaded, and the browser chooses among the widths."""
    picture = Picture(DIGEST, 1200, 800, "jpg")
    assert img_html(picture, 'La « mer » & <l’"écume">', "https://cdn.example/m") == (
        f'<img src="https://cdn.example/m/{DIGEST}-1200x800.jpg" '
        f'srcset="https://cdn.example/m/{DIGEST}-480x320.jpg 480w, https://cdn.example/m/{DIGEST}-960x640.jpg 960w, '
        f'https://cdn.example/m/{DIGEST}-1200x800.jpg 1200w" sizes="auto, (min-width: 45rem) 38rem, 100vw" '
        'width="1200" height="800" alt="La « mer » &amp; &lt;l’&quot;écume&quot;&gt;" loading="lazy" decoding="async">'
    )


def test_the_html_of_a_figure() -> None:
    """With the credit, if there is one."""
    picture = Picture(DIGEST, 300, 200, "webp")
    img = img_html(picture, "a", "/media")
    assert figure_html(picture, "a", None, "/media") == f"<figure>{img}</figure>"
    assert (
        figure_html(picture, "a", "© A & B", "/media")
        == f"<figure>{img}<figcaption><small>© A &amp; B</small></figcaption></figure>"
    )


def test_widths_are_what_names_were_given_out_with() -> None:
    """To change them, change the form of names too: those in entries count on these files."""
    assert WIDTHS == (480, 960, 1600)
