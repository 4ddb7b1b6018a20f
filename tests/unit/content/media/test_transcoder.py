"""The files made of a picture: its pixels, upright, and nothing else; and the files that are refused, and why."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFilter

from liveserver.content.media import transcoder
from liveserver.content.media.picture import WIDTHS
from liveserver.content.media.transcoder import (
    HEIGHT_MAX,
    SCANS_MAX,
    VARIANT_MAX,
    TranscodedPicture,
    Unreadable,
    develop,
    sniff,
)
from tests.support.effort import examples
from tests.support.images import (
    BLUE,
    GREEN,
    RED,
    SECRET,
    SWAPPED,
    WHITE,
    chunk,
    gif,
    located,
    noise,
    opened,
    png,
    profile,
    quarters,
    saved,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PIXELS = 64_000_000


def developed(data: bytes) -> TranscodedPicture:
    return develop(data, max_pixels=MAX_PIXELS)


def largest(data: bytes) -> Image.Image:
    return opened(developed(data).variants[-1].content)


def close(found: object, wanted: Iterable[int], by: int = 12) -> bool:
    assert isinstance(found, tuple)
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


def is_upright(image: Image.Image) -> bool:
    """Whether it is `quarters` the right way up."""
    rgb = image.convert("RGB")
    corners = [(rgb.width * x // 4, rgb.height * y // 4) for y in (1, 3) for x in (1, 3)]
    return all(close(rgb.getpixel(c), colour) for c, colour in zip(corners, (RED, GREEN, BLUE, WHITE), strict=True))


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (saved(quarters(), "JPEG", quality=95), "jpg"),
        (saved(quarters(), "JPEG", quality=95, progressive=True), "jpg"),
        (saved(quarters(mode="CMYK"), "JPEG", quality=95), "jpg"),
        (saved(quarters(), "PNG"), "webp"),
        (saved(quarters(), "PNG", interlace=1), "webp"),
        (saved(quarters().quantize(16), "PNG"), "webp"),
        (saved(quarters(mode="RGBA"), "PNG"), "webp"),
        (saved(quarters(), "GIF"), "webp"),
        (saved(quarters(), "WEBP", quality=95), "jpg"),
        (saved(quarters(), "WEBP", lossless=True), "jpg"),
        (saved(quarters(), "AVIF", quality=95), "jpg"),
    ],
)
def test_what_is_accepted(data: bytes, suffix: str) -> None:
    """Every format comes out as one of two, looking the same."""
    found = developed(data)
    image = opened(found.variants[-1].content)
    assert found.suffix == suffix
    assert image.format == {"jpg": "JPEG", "webp": "WEBP"}[suffix]
    assert image.size == (160, 80)
    assert is_upright(image)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_upright(orientation: int, kind: str) -> None:
    """As a camera that was held in any way says it."""
    turns = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    image = quarters()
    for turn in turns:
        image = image.transpose(turn)
    found = largest(saved(image, kind, quality=95, exif=located(orientation)))
    assert found.size == (160, 80)
    assert is_upright(found)


def test_a_large_upright_photograph() -> None:
    """The bounds hold for what is seen, not for how the camera was held."""
    image = quarters(1200, 2400).transpose(Image.Transpose.ROTATE_90)
    found = developed(saved(image, "JPEG", exif=located(6)))
    assert [(r.width, r.height) for r in found.variants] == [(480, 960), (960, 1920), (1200, 2400)]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not(orientation: int) -> None:
    assert is_upright(largest(saved(quarters(), "JPEG", quality=95, exif=located(orientation))))


def test_nothing_of_the_metadata_stays() -> None:
    """Neither the place nor the camera, in whatever way they are written."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    exif = located()
    text = chunk(b"tEXt", b"Comment\0" + SECRET) + chunk(b"zTXt", b"Author\0\0" + zlib.compress(SECRET))
    plain = saved(quarters())
    files = [
        saved(quarters(), "JPEG", comment=SECRET),
        saved(quarters(), "JPEG", exif=exif, xmp=xmp, comment=SECRET, icc_profile=SWAPPED),
        saved(quarters(), "WEBP", exif=exif, xmp=xmp, icc_profile=SWAPPED),
        saved(quarters(), "PNG", exif=exif, icc_profile=SWAPPED),
        plain[:33] + text + plain[33:] + SECRET,
        saved(quarters(), "AVIF", exif=exif, xmp=xmp, icc_profile=SWAPPED),
        saved(quarters(), "GIF", comment=SECRET),
    ]
    for data in files:
        for variant in developed(data).variants:
            assert SECRET not in variant.content
            for mark in (b"Exif", b"EXIF", b"ICCP", b"ICC_PROFILE", b"XMP", b"xmpmeta", b"\xff\xfe\x00"):
                assert mark not in variant.content, mark
            image = opened(variant.content)
            assert not image.getexif()
            assert not {"icc_profile", "exif", "xmp", "comment"} & set(image.info)


def test_metadata_that_are_damaged_cost_the_picture_nothing() -> None:
    data = saved(quarters(), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert is_upright(largest(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colours_are_those_of_the_profile(kind: str) -> None:
    """The profile isn't kept, so the numbers become sRGB's."""
    image = Image.new("RGB", (80, 40), (230, 20, 20))
    found = largest(saved(image, kind, quality=95, icc_profile=SWAPPED)).convert("RGB").getpixel((40, 20))
    assert close(found, (20, 230, 20), by=16)


def test_transparent_colours_are_too() -> None:
    image = Image.new("RGBA", (80, 40), (230, 20, 20, 128))
    found = largest(saved(image, "PNG", icc_profile=SWAPPED)).getpixel((40, 20))
    assert close(found, (20, 230, 20, 128), by=16)


@pytest.mark.parametrize("broken", [b"x", SWAPPED[:200], b"\0" * 500, SWAPPED.replace(b"RGB ", b"CMYK")])
def test_a_profile_that_cannot_be_used_is_left(broken: bytes) -> None:
    assert is_upright(largest(saved(quarters(), "JPEG", quality=95, icc_profile=broken)))


def test_an_srgb_profile_changes_nothing() -> None:
    srgb = profile((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971))
    assert is_upright(largest(saved(quarters(), "JPEG", quality=95, icc_profile=srgb)))


def test_sixteen_bits_are_divided_not_cut() -> None:
    """Grey and colour."""
    grey = largest(saved(Image.new("I;16", (20, 10), 0x8000))).convert("L").getpixel((5, 5))
    assert isinstance(grey, int)
    assert abs(grey - 128) <= 2
    row = b"\0" + struct.pack(">HHH", 0x8000, 0xFFFF, 0) * 20
    colour = largest(png(20, 10, depth=16, data=row * 10)).convert("RGB").getpixel((5, 5))
    assert close(colour, (128, 255, 0), by=12)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_pictures_of_every_mode(mode: str) -> None:
    """Black and white, grey, with a palette: all are pictures."""
    found = largest(saved(Image.new("L", (20, 10), 255).convert("L" if mode == "I;16" else mode)))
    assert close(found.convert("RGB").getpixel((5, 5)), (255, 255, 255))


@pytest.mark.parametrize(
    "data",
    [
        saved(Image.new("RGBA", (80, 40), (10, 200, 30, 0)), "PNG"),
        saved(Image.new("LA", (80, 40), (10, 0)), "PNG"),
        saved(Image.new("RGB", (80, 40), RED).quantize(2), "PNG", transparency=0),
        saved(Image.new("RGB", (80, 40), RED).quantize(2), "GIF", transparency=0),
        saved(Image.new("RGB", (80, 40), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        saved(Image.new("RGBA", (80, 40), (10, 200, 30, 0)), "WEBP"),
        saved(Image.new("RGBA", (80, 40), (10, 200, 30, 0)), "AVIF"),
    ],
)
def test_what_is_transparent_stays_so(data: bytes) -> None:
    """Else a drawing would stand on black, or on white in the dark."""
    found = developed(data)
    assert found.suffix == "webp"
    pixel = opened(found.variants[-1].content).convert("RGBA").getpixel((40, 20))
    assert isinstance(pixel, tuple)
    assert pixel[3] <= 8


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((1, 1), [(1, 1)]),
        ((480, 10), [(480, 10)]),
        ((700, 350), [(480, 240), (700, 350)]),
        ((1700, 850), [(480, 240), (960, 480), (1600, 800)]),
        ((4000, 3000), [(480, 360), (960, 720), (1600, 1200)]),
        ((9000, 1), [(480, 1), (960, 1), (1600, 1)]),
        ((10, 9000), [(9, HEIGHT_MAX)]),
    ],
)
def test_sizes(size: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    """Never wider than it was, never wider or higher than the most; each file is of the size that it is said to be."""
    found = developed(saved(Image.new("RGB", size), "JPEG"))
    assert [(r.width, r.height) for r in found.variants] == sizes
    assert [opened(r.content).size for r in found.variants] == sizes
    assert sizes[-1][0] <= WIDTHS[-1]


def test_it_is_sharp_and_small() -> None:
    """A photograph's detail is there, in a tenth of its bytes."""
    photograph = noise(2400, 1600).filter(ImageFilter.GaussianBlur(2))
    data = saved(photograph, "JPEG", quality=97)
    found = developed(data)
    assert len(found.variants[-1].content) < len(data) / 3
    wanted = photograph.resize((960, 640), Image.Resampling.LANCZOS)
    difference = ImageChops.difference(opened(found.variants[1].content), wanted).convert("L")
    assert difference.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) in range(5)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_a_moving_picture_the_first_frame(kind: str) -> None:
    """It couldn't be stopped by the reader (WCAG 2.2.2)."""
    others = [Image.new("RGB", (160, 80), colour) for colour in (GREEN, BLUE)]
    data = saved(quarters(), kind, save_all=True, append_images=others, duration=100)
    found = largest(data)
    assert is_upright(found)
    assert getattr(found, "n_frames", 1) == 1


@pytest.mark.parametrize(
    "data",
    [
        png(50_000, 50_000),
        png(2**31 - 1, 2**31 - 1),
        png(8_001, 8_000),
        gif((65_535, 65_535), (1, 1)),
        gif((1, 1), (65_535, 65_535)),
        saved(quarters(), "JPEG").replace(struct.pack(">HH", 80, 160), struct.pack(">HH", 65_500, 65_500)),
    ],
)
def test_bombs_are_refused_before_they_are_decoded(data: bytes) -> None:
    """A few bytes that say that they are a wall."""
    assert len(data) < 20_000
    with pytest.raises(Unreadable, match=r"has \d+ × \d+ pixels, \d+ million in all: at most 64 million"):
        developed(data)


def test_what_is_as_large_as_may_be() -> None:
    assert develop(png(20, 10, data=(b"\0" + b"\xff" * 60) * 10), max_pixels=200).variants
    with pytest.raises(Unreadable, match="at most"):
        develop(png(20, 10, data=(b"\0" + b"\xff" * 60) * 10), max_pixels=199)


def test_text_that_unfolds_to_gigabytes() -> None:
    """A compressed comment or profile isn't unpacked without end."""
    endless = zlib.compress(b"\0" * 200_000_000, 9)
    whole = (b"\0" + b"\xff" * 60) * 10
    for extra in (chunk(b"zTXt", b"a\0\0" + endless), chunk(b"iCCP", b"a\0\0" + endless)):
        with pytest.raises(Unreadable, match="damaged"):
            developed(png(20, 10, extra, data=whole))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_truncated_files_are_refused(kind: str) -> None:
    """Half a picture isn't shown as one."""
    data = saved(noise(200, 100), kind)
    for length in (len(data) // 2, len(data) - len(data) // 8, 30, 12):
        with pytest.raises(Unreadable):
            developed(data[:length])


def test_a_file_that_is_two_things_comes_out_as_one() -> None:
    """Data hidden behind or inside a picture are in none of the files that are served."""
    script = b"<script>alert(1)</script>"
    behind = saved(quarters(), "JPEG") + b"PK\x03\x04" + script
    inside = saved(quarters(), "JPEG", comment=script)
    dressed = saved(quarters(), "GIF", comment=b"*/=1;" + script)
    for data in (behind, inside, dressed):
        for variant in developed(data).variants:
            assert script not in variant.content
            assert b"PK\x03\x04" not in variant.content


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (SVG, "is an SVG image, which can carry scripts"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <p> -->\n<!DOCTYPE svg>\n' + SVG, "is an SVG image"),
        (b"  \n" + SVG.replace(b"svg", b"SVG"), "is an SVG image"),
        (b"\x1f\x8b\x08" + SVG, "is compressed"),
        (b"<!doctype html><html><svg>", "is HTML or XML"),
        (b"<?xml version='1.0'?><x/>", "is HTML or XML"),
        (b"%PDF-1.7", "is a PDF document"),
        (saved(quarters(), "TIFF"), "is a TIFF image"),
        (saved(quarters(), "BMP"), "is a BMP image"),
        (saved(quarters(32, 32), "ICO"), "is an icon"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC image: export it as JPEG"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "is a video or a sound"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "is a JPEG XL image"),
        (b"8BPS\0\1", "is a Photoshop document"),
        (b"just text", "isn't an image of a known format: send JPEG, PNG, WebP, GIF or AVIF"),
        (b"\xff\xd8\xff", "is damaged"),
        (b"\x89PNG\r\n\x1a\n", "is damaged"),
        (b"GIF89a", "is damaged"),
        (b"RIFF\0\0\0\0WEBP", "is damaged"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "is damaged"),
        (png(0, 0), "is damaged"),
    ],
)
def test_what_is_refused_and_why(data: bytes, why: str) -> None:
    """By what it is, whatever it is called."""
    with pytest.raises(Unreadable) as caught:
        developed(data)
    assert str(caught.value).startswith(why)


def test_only_the_decoder_of_what_it_is_reads_it() -> None:
    """There are dozens, and each would be one more that a hostile file could choose."""
    assert sniff(saved(quarters(), "JPEG")) == "JPEG"
    assert sniff(saved(quarters(), "WEBP")) == "WEBP"
    assert sniff(saved(quarters(), "AVIF")) == "AVIF"
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    with pytest.raises(Unreadable, match="isn't an image"):
        developed(eps)


def test_what_is_developed_can_be_sent() -> None:
    """From the process where it is made."""
    found = developed(saved(quarters(1000, 500)))
    assert TranscodedPicture.loads(found.dumps()) == found


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again, with so many in all."""
    data = saved(quarters(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (count - data.count(b"\xff\xda") + 1) + b"\xff\xd9"


def test_scans_of_a_jpeg_are_counted_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a pass over all pixels, for ten bytes of the file."""
    assert developed(with_scans(SCANS_MAX)).variants[-1][:2] == (64, 64)
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(Unreadable, match="has more than 100 scans"):
        developed(with_scans(SCANS_MAX + 1))


def test_what_only_looks_like_scans_is_none() -> None:
    """In metadata, and behind the picture: telephones append a video."""
    marker = b"\xff\xda\x00\x02"
    plain = saved(quarters(64, 64), "JPEG")
    segment = b"\xff\xe9" + struct.pack(">H", 2 + 4 * 200) + marker * 200
    assert developed(plain[:2] + segment + plain[2:] + bytes(2) + marker * 200) == developed(plain)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_would_be_too_large_is_encoded_again(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """With less quality; and what is too large even so is refused."""
    data = saved(noise(480, 300), kind)
    before = len(developed(data).variants[-1].content)
    monkeypatch.setattr(transcoder, "VARIANT_MAX", before)
    assert len(developed(data).variants[-1].content) == before
    monkeypatch.setattr(transcoder, "VARIANT_MAX", before - 1)
    smaller = developed(data).variants[-1].content
    assert len(smaller) < 0.7 * before
    assert opened(smaller).size == (480, 300)
    monkeypatch.setattr(transcoder, "VARIANT_MAX", len(smaller) - 1)
    with pytest.raises(Unreadable, match="in one width"):
        developed(data)


@pytest.mark.slow
def test_a_photograph_as_long_as_may_be_is_small_enough() -> None:
    """Of detail as fine as a lens shows, twenty times as high as it is wide."""
    image = noise(400, 2_000).resize((1600, 8000), Image.Resampling.BICUBIC)
    found = developed(saved(image, "JPEG", quality=90))
    assert len(found.variants[-1].content) < 0.8 * VARIANT_MAX


def test_seconds_of_the_processor_grow_with_pixels() -> None:
    """Eight for 64 million, three times what the dearest honest picture takes."""
    assert limits_of(64_000_000) == 8
    assert limits_of(500_000_000) == 21


def limits_of(max_pixels: int) -> int:
    """The seconds that a process gets which may decode so many pixels."""
    program = f"import resource; from liveserver.content.media.transcoder import _limit; _limit({max_pixels}); "
    program += "print(resource.getrlimit(resource.RLIMIT_CPU)[0])"
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)


SEEDS = {kind: saved(quarters(24, 16), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "AVIF")}


@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.integers(0, 1_000_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
)
@settings(max_examples=examples(300), deadline=None, derandomize=True)
def test_damaged_files_are_refused_or_shown(kind: str, changes: list[tuple[int, bytes]]) -> None:
    """Bytes changed anywhere: nothing but a picture or a refusal comes of it."""
    data = bytearray(SEEDS[kind])
    for place, value in changes:
        data[place % len(data) : place % len(data) + len(value)] = value
    try:
        found = develop(bytes(data), max_pixels=1_000_000)
    except Unreadable:
        return
    assert all(opened(r.content).size == (r.width, r.height) for r in found.variants)
