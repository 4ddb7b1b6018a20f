"""Share cards as pictures."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFont

from liveserver.rendering.share_card import Card, writable
from liveserver.rendering.share_card_image import HEIGHT, WIDTH, draw

PLAIN = Card(site="", label="", tone="accent", kicker="", title="", text="", note="")
CARD = Card(
    site="Le Courrier de l’Ouest",
    label="En direct",
    tone="accent",
    kicker="Guerre en Ukraine : les dernières informations",
    title="Le pont de Kertch n’a pas été touché",
    text="Les images diffusées depuis ce matin datent de 2022.",
    note="22 nov. à 14 h 07",
)
LONG = "Réforme des retraites, œuvre à Noël " * 12


def picture(card: Card) -> Image.Image:
    body = draw(card)
    assert body.startswith(b"\x89PNG")
    assert len(body) < 80_000
    with Image.open(BytesIO(body)) as image:
        return image.convert("RGB")


def drawn(image: Image.Image) -> tuple[int, int, int, int]:
    """The smallest box outside of which there is nothing but the paper and the bar at the top."""
    below = image.crop((0, 14, WIDTH, HEIGHT))
    box = ImageChops.difference(below, Image.new("RGB", below.size, image.getpixel((5, 300)))).getbbox()
    assert box is not None
    return box[0], box[1] + 14, box[2], box[3] + 14


def near(image: Image.Image, place: tuple[int, int], colour: str) -> bool:
    """Whether the picture has that colour there, as nearly as its few colours allow."""
    spot = image.crop((*place, place[0] + 1, place[1] + 1))
    difference = ImageChops.difference(spot, Image.new("RGB", (1, 1), colour))
    return max(difference.tobytes()) <= 12


def changed(name: str, text: str) -> Card:
    fields: dict[str, Any] = {name: text}
    return replace(CARD, **fields)


def test_size() -> None:
    """The size is the one that OpenGraph's readers ask for: 1.91 to 1, and large enough for a large preview."""
    assert picture(CARD).size == (WIDTH, HEIGHT) == (1200, 630)


def test_the_same_card_is_the_same_picture() -> None:
    """On every machine and in every process: its address says so."""
    assert draw(CARD) == draw(replace(CARD))


@pytest.mark.parametrize("name", ["site", "label", "kicker", "title", "text", "note"])
def test_everything_is_seen(name: str) -> None:
    assert draw(CARD) != draw(changed(name, ""))


@pytest.mark.parametrize("name", ["site", "label", "kicker", "title", "text", "note"])
def test_a_long_text_stays_on_the_card(name: str) -> None:
    long = LONG[:40] if name == "note" else LONG
    left, top, right, bottom = drawn(picture(changed(name, long.strip())))
    assert (left >= 76 - 1, top >= 40, right <= WIDTH - 76 + 1, bottom <= HEIGHT - 14) == (True,) * 4


@given(title=st.text(max_size=300).map(writable), text=st.text(max_size=80).map(writable))
@settings(max_examples=12, deadline=None)
def test_any_title_stays_on_the_card(title: str, text: str) -> None:
    left, _, right, bottom = drawn(picture(replace(CARD, title=title, text=text)))
    # Some letters reach a little beyond their own place.
    assert (left >= 76 - 16, right <= WIDTH - 76 + 16, bottom <= HEIGHT - 14) == (True,) * 3


def test_a_word_wider_than_the_card_is_cut() -> None:
    left, _, right, _ = drawn(picture(replace(CARD, title="m" * 200)))
    assert (left >= 76 - 1, right <= WIDTH - 76 + 1) == (True, True)


def test_title_and_text_leave_the_foot_alone() -> None:
    """However long they are: between them and the line there is nothing."""
    image = picture(replace(CARD, title=LONG.strip(), text=LONG.strip()))
    paper = Image.new("RGB", (WIDTH, 14), image.getpixel((5, 300)))
    assert ImageChops.difference(image.crop((0, 511, WIDTH, 525)), paper).getbbox() is None


def test_a_card_without_words() -> None:
    """Where our fonts can't write the title, the emblem stands in its place."""
    image = picture(PLAIN)
    assert near(image, (WIDTH // 2, 323), "#fff")
    assert near(image, (WIDTH // 2 - 80, 323), "#b3121d")
    assert near(image, (WIDTH // 2 - 100, 323), "#fdfcf9")


@pytest.mark.parametrize("face", ["title", "text"])
def test_the_fonts_have_what_is_called_writable(face: str) -> None:
    """None of those characters is drawn as the box that stands for what a font lacks."""
    font = ImageFont.truetype(
        BytesIO((files("liveserver.rendering") / "fonts" / f"{face}.otf").read_bytes()),
        40,
        layout_engine=ImageFont.Layout.BASIC,
    )

    def shape(text: str) -> bytes:
        return bytes(font.getmask(text))

    lacking = shape("\u0e01")
    assert shape("\u4e00") == lacking
    letters = [letter for letter in map(chr, range(0x21, 0xFFFF)) if letter.isalnum() and writable(letter) == letter]
    assert len(letters) > 600
    assert [letter for letter in letters if shape(letter) == lacking] == []
    signs = [
        sign for sign in map(chr, range(0x21, 0x2300)) if not sign.isalnum() and writable(f"a{sign}") == f"a{sign}"
    ]
    assert len(signs) > 80
    assert [sign for sign in signs if shape(sign) == lacking] == []
