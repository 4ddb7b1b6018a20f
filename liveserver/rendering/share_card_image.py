"""A share card as a picture: a PNG of 1200 × 630 pixels, which social networks show without cutting anything off.

Pillow lays out the text itself, without the library Raqm, so that every machine draws the same picture. This layout
is sufficient for all texts that `share_card.writable` returns.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.rendering.share_card import Card, Tone

WIDTH, HEIGHT = 1200, 630
MEDIA_TYPE = "image/png"

_MARGIN = 76
_ROOM = WIDTH - 2 * _MARGIN
_PAPER, _INK, _MUTED, _RULE = "#fdfcf9", "#1c1b19", "#5f5b54", "#dcd7cc"
_TONES: dict[Tone, str] = {"accent": "#ad1220", "quiet": "#5f5b54", "good": "#1f6238", "doubt": "#7a4b00"}
_TITLE_SIZES = {112: 1, 96: 2, 80: 3, 72: 3, 64: 6, 56: 6, 48: 6}
"""The font sizes of a title in pixels, largest first, each with the greatest number of lines at this size."""
_TOP, _BOTTOM = 152, 494
"""The beginning and the end of the space for title and text, in pixels from the card's top."""
_SMOOTH = 4
"""The factor by which shapes are drawn larger before they are scaled down, so that their edges become smooth.

Pillow itself smooths only the edges of letters."""

Face = Literal["title", "text"]


def draw(card: Card) -> bytes:
    """Draw the card, and return the PNG file.

    Drawing takes some 30 ms of processor time: too long for the event loop's thread. Only one thread at a time may
    draw.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((0, 0, WIDTH, 13), fill=_TONES["accent"])
    if card.label:
        _draw_label(image, canvas, card.label, _TONES[card.tone])
    if card.title:
        _draw_words(canvas, card)
    else:
        _draw_emblem(image, WIDTH // 2 - 90, (_TOP + _BOTTOM) // 2 - 90, 180)
    _draw_foot(image, canvas, card)
    file = BytesIO()
    # 128 colours are enough for letters and their edges, and the file is half as large.
    image.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def _draw_label(image: Image.Image, canvas: ImageDraw.ImageDraw, label: str, colour: str) -> None:
    font = _font("title", 30)
    text = _cut(font, label, _ROOM - 48)
    width, height = round(font.getlength(text)) + 48, 56
    _paste(image, (_MARGIN, 60), (width, height), colour, lambda d, box: d.rounded_rectangle(box, box[3] * 0.22, 255))
    canvas.text((_MARGIN + 24, 60 + height // 2 + 11), text, "#ffffff", font, anchor="ls")


def _draw_words(canvas: ImageDraw.ImageDraw, card: Card) -> None:
    top = _TOP if card.label else 76
    if card.kicker:
        font = _font("text", 32)
        canvas.text((_MARGIN, top + 32), _cut(font, card.kicker, _ROOM), _MUTED, font, anchor="ls")
        top += 52
    size, lines = _fitted(card.title, _BOTTOM - top)
    font, step = _font("title", size), round(size * 1.16)
    for line in lines:
        top += step
        canvas.text((_MARGIN, top - round(size * 0.18)), line, _INK, font, anchor="ls")
    font = _font("text", 34)
    if card.text and (room := (_BOTTOM - top - 20) // 46) > 0:
        for number, line in enumerate(_lines(font, card.text, min(room, 3)), start=1):
            canvas.text((_MARGIN, top + 16 + 46 * number - 10), line, _MUTED, font, anchor="ls")


def _draw_foot(image: Image.Image, canvas: ImageDraw.ImageDraw, card: Card) -> None:
    canvas.rectangle((_MARGIN, 526, WIDTH - _MARGIN, 527), fill=_RULE)
    font = _font("text", 28)
    middle = 526 + (HEIGHT - 526) // 2
    left, room = _MARGIN, _ROOM
    if card.title:
        _draw_emblem(image, _MARGIN, middle - 22, 44)
        left, room = left + 62, room - 62
    if card.note:
        canvas.text((WIDTH - _MARGIN, middle + 10), card.note, _MUTED, font, anchor="rs")
        room -= round(font.getlength(card.note)) + 40
    canvas.text((left, middle + 10), _cut(font, card.site, room), _INK, font, anchor="ls")


def _draw_emblem(image: Image.Image, left: int, top: int, size: int) -> None:
    """Draw the site's icon, `size` pixels wide and high. The shapes are the same as in `icon.svg` (32 × 32 units)."""

    def square(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
        pen.rounded_rectangle(box, box[2] * 7 / 32, 255)

    def waves(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
        unit = (box[2] + 1) / 32
        pen.ellipse((12 * unit, 12 * unit, 20 * unit, 20 * unit), 255)
        ring = (5.76 * unit, 5.76 * unit, 26.24 * unit, 26.24 * unit)
        for start in (135, -45):
            pen.arc(ring, start, start + 90, 255, round(2.4 * unit))

    _paste(image, (left, top), (size, size), "#b3121d", square)
    _paste(image, (left, top), (size, size), "#ffffff", waves)


def _paste(
    image: Image.Image,
    position: tuple[int, int],
    size: tuple[int, int],
    colour: str,
    shape: Callable[[ImageDraw.ImageDraw, tuple[int, int, int, int]], None],
) -> None:
    """Draw a shape with smooth edges onto the image.

    `position`: the upper left corner of the shape on the image. `size`: the shape's width and height in pixels.
    `shape`: a function that draws the shape; it gets a pen, and the box (left, top, right, bottom) to fill.
    """
    width, height = size[0] * _SMOOTH, size[1] * _SMOOTH
    mask = Image.new("L", (width, height))
    shape(ImageDraw.Draw(mask), (0, 0, width - 1, height - 1))
    box = (*position, position[0] + size[0], position[1] + size[1])
    image.paste(colour, box, mask.resize(size, Image.Resampling.LANCZOS))


@lru_cache(maxsize=16)
def _font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    data = (files("liveserver.rendering") / "fonts" / f"{face}.otf").read_bytes()
    return ImageFont.truetype(BytesIO(data), size, layout_engine=ImageFont.Layout.BASIC)


def _fitted(title: str, height: int) -> tuple[int, list[str]]:
    """Return the largest size at which the title fits into `height` pixels, and the title's lines at that size.

    If the title doesn't fit at any size, return the smallest size, and cut what is too long.
    """
    for size in _TITLE_SIZES:
        font, limit = _font("title", size), min(_TITLE_SIZES[size], int(height // (size * 1.16)))
        lines = _lines(font, title, limit + 1)
        if len(lines) <= limit and not any(font.getlength(word) > _ROOM for word in _words(title)):
            return size, lines
    return size, _lines(font, title, limit)


def _words(text: str) -> list[str]:
    return re.split("[ \u2009\u200a\u200b]+", text)


def _lines(font: ImageFont.FreeTypeFont, text: str, limit: int) -> list[str]:
    """Break the text into lines that fit between the card's margins.

    Returns at most `limit` lines. If the text needs more, the last line is cut. A word wider than a line is cut, too.
    """
    words = _words(text)
    lines: list[str] = []
    for position, word in enumerate(words):
        if lines and font.getlength(f"{lines[-1]} {word}") <= _ROOM:
            lines[-1] += f" {word}"
        elif len(lines) == limit:
            lines[-1] = _cut(font, " ".join([lines[-1], *words[position:]]), _ROOM)
            break
        else:
            lines.append(word if font.getlength(word) <= _ROOM else _cut(font, word, _ROOM))
    return lines


def _cut(font: ImageFont.FreeTypeFont, text: str, room: int) -> str:
    """Return the text if it isn't wider than `room` pixels; else its beginning, with an ellipsis.

    The beginning ends between two words if it then keeps more than 70 % of the characters that fit. Otherwise it ends
    within a word.
    """
    if font.getlength(text) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle] + "…") <= room else (low, middle - 1)
    cut = text[:low]
    at_word = cut.rpartition(" ")[0]
    if text[low : low + 1] != " " and len(at_word) > 0.7 * low:
        cut = at_word
    return cut.rstrip(" ,;:.–—-\u00a0\u202f«(") + "…"
