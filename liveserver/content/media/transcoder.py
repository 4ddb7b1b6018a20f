"""Pictures decoded and encoded anew, so that nothing of what was sent is served: no metadata, no script, no surprise.

Run as a program (`python -m liveserver.content.media.transcoder MAX_PIXELS`), it reads a picture from its input and
writes `TranscodedPicture` to its output, within limits that only a process of its own can have.
`content/media/transcoder_pool.py` is who runs it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import warnings
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageCms

from liveserver.content.media.picture import WIDTHS, Picture

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT_MAX = 8_000
"""Pixels. What is longer than that for its width is made smaller."""
JPEG_QUALITY = 82
WEBP_QUALITY = 86

VARIANT_MAX = 4 * 1024 * 1024
"""Bytes of one width. A photograph as long as may be takes three million; noise, which is what somebody sends who wants
to fill a disk with little, ten."""
LOWER_QUALITY = 40
"""Of what would be larger. What is so even then is refused."""
SCANS_MAX = 100
"""Scans of a JPEG. Encoders write up to twelve; each is a pass over all pixels, for ten bytes of the file."""

CPU_SECONDS = 6
CPU_PIXELS = 32_000_000
"""Pixels for which there is one second more: 8 s in all as it is set by default. The dearest honest pictures, of 64
million pixels or 8,000 pixels long, took 2.5 s of a core of 2023."""
MEMORY = 512 * 1024 * 1024
MEMORY_PER_PIXEL = 16
"""Bytes, beside MEMORY: decoders keep a picture up to three times, in up to four channels."""
NICENESS = 10

ACCEPTED = "send JPEG, PNG, WebP, GIF or AVIF"

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_MARKUP = re.compile(rb"\s*(?:<\?xml.*?\?>|<!--.*?-->|<!doctype[^>]*>|\s)*<(svg|[a-z])", re.DOTALL | re.IGNORECASE)
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x1f\x8b", "compressed"),
)

# The EXIF orientation (TIFF 6.0, tag 274): how a picture comes upright.
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = {5, 6, 7, 8}

# Its warning comes below some limits of ours and above others; `develop` compares with the one that was set.
Image.MAX_IMAGE_PIXELS = None


class Unreadable(Exception):
    """The file is no picture that can be served. The message goes on after "The file", and says what to do."""


class PictureVariant(NamedTuple):
    """A picture in one width."""

    width: int
    height: int
    content: bytes


class TranscodedPicture(NamedTuple):
    """A picture in all its widths, narrowest first."""

    suffix: str
    variants: list[PictureVariant]

    def dumps(self) -> bytes:
        """A line of JSON, and the contents one after the other."""
        sizes = [[r.width, r.height, len(r.content)] for r in self.variants]
        head = json.dumps({"suffix": self.suffix, "sizes": sizes}).encode()
        return head + b"\n" + b"".join(r.content for r in self.variants)

    @classmethod
    def loads(cls, data: bytes) -> TranscodedPicture:
        """What `dumps` made; raises Unreadable if that is a refusal."""
        line, _, contents = data.partition(b"\n")
        head = json.loads(line)
        if "refused" in head:
            raise Unreadable(head["refused"])
        variants = []
        for width, height, size in head["sizes"]:
            variants.append(PictureVariant(width, height, contents[:size]))
            contents = contents[size:]
        return cls(head["suffix"], variants)


def sniff(data: bytes) -> str:
    """The file's format, as Pillow names it, by its first bytes: neither its name nor its sender is believed.

    Raises Unreadable for what isn't accepted.
    """
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4]), 128), 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        what = "a HEIC image: export it as JPEG" if brands & _HEIC_BRANDS else f"a video or a sound: {ACCEPTED}"
        raise Unreadable(f"is {what}")
    if not data:
        raise Unreadable("is empty")
    if match := _MARKUP.match(data.removeprefix(b"\xef\xbb\xbf")[:4096]):
        if match[1].lower() == b"svg":
            raise Unreadable("is an SVG image, which can carry scripts and load from elsewhere: export it as PNG")
        raise Unreadable(f"is HTML or XML, not an image: {ACCEPTED}")
    for signature, what in _OTHERS:
        if data.startswith(signature):
            raise Unreadable(f"is {what}: {ACCEPTED}")
    raise Unreadable(f"isn't an image of a known format: {ACCEPTED}")


def develop(data: bytes, *, max_pixels: int) -> TranscodedPicture:
    """The picture upright, in sRGB, without anything but its pixels; of a moving one, the first frame.

    What was kept without loss (PNG, GIF) and what is transparent becomes WebP, all else JPEG. Raises Unreadable.
    """
    kind = sniff(data)
    if kind == "JPEG" and not _has_few_scans(data):
        raise Unreadable(f"has more than {SCANS_MAX} scans: export it anew")
    try:
        with _quietly(), Image.open(BytesIO(data), formats=[kind]) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise Unreadable(
                    f"has {width} × {height} pixels, {width * height / 1e6:.0f} million in all: "
                    f"at most {max_pixels / 1e6:.0f} million are decoded"
                )
            return _encoded(_prepared(image), lossless=kind in {"PNG", "GIF"})
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("takes too much memory to be decoded: send it smaller") from None
    # Decoders raise whatever comes to hand where a file is damaged.
    except Exception:
        raise Unreadable("is damaged: it can't be decoded") from None


_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""In a JPEG's entropy-coded data 0xFF is followed by zero, or is a restart marker (ITU-T T.81, B.1.1)."""
_START_OF_SCAN, _END_OF_IMAGE = b"\xda", b"\xd9"


def _has_few_scans(data: bytes) -> bool:
    """Whether a JPEG has at most `SCANS_MAX` scans.

    Segments are passed over by their lengths: what stands in them, as in what is appended to a file (a telephone's
    video), may look like markers.
    """
    scans, at = 0, 2
    while (found := _NEXT_MARKER.search(data, at)) is not None:
        marker = found[0][-1:]
        if marker == _END_OF_IMAGE:
            break
        scans += marker == _START_OF_SCAN
        if scans > SCANS_MAX:
            return False
        length = found.end()
        at = length + max(2, int.from_bytes(data[length : length + 2]))
    return True


@contextmanager
def _quietly() -> Iterator[None]:
    """Pillow warns of damage that costs nothing, in metadata for example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _prepared(image: Image.Image) -> Image.Image:
    """Of the size in which it is kept, upright, in sRGB: RGB, RGBA or L."""
    profile = image.info.get("icc_profile")
    orientation = _orientation(image)
    box = (WIDTHS[-1], HEIGHT_MAX)
    if orientation in _ON_ITS_SIDE:
        box = (box[1], box[0])
    # First smaller, as all else costs by the pixel; a JPEG is then not even decoded in full.
    image = _resizable(image)
    image.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if profile:
        image = _in_srgb(image, profile)
    if image.mode not in {"RGB", "RGBA", "L"}:
        image = image.convert("RGB")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    # Metadata may be damaged where the picture isn't.
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _resizable(image: Image.Image) -> Image.Image:
    """In a mode in which pixels can be mixed."""
    if image.mode.startswith("I;16"):
        # As it is, a conversion would cut at 255 instead of dividing.
        return image.point(lambda value: value * (1 / 256) + 0.0).convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in {"L", "RGB", "CMYK"}:
        return image
    return image.convert("L" if image.mode in {"1", "LA"} else "RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGBA" if image.mode == "RGBA" else "RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A profile of another colour space than the picture's, or a damaged one: the numbers as they are.
        return image
    return converted or image


def _encoded(image: Image.Image, *, lossless: bool) -> TranscodedPicture:
    suffix = "webp" if lossless or image.mode == "RGBA" else "jpg"
    variants = []
    for size in Picture("", image.width, image.height, suffix).variants:
        whole = (size.width, size.height) == image.size
        smaller = image if whole else image.resize((size.width, size.height), Image.Resampling.LANCZOS)
        # Comments and profiles would be written from here.
        smaller.info = {}
        content = _saved(smaller, suffix, WEBP_QUALITY if suffix == "webp" else JPEG_QUALITY)
        if len(content) > VARIANT_MAX:
            content = _saved(smaller, suffix, LOWER_QUALITY)
        if len(content) > VARIANT_MAX:
            raise Unreadable(
                f"would take more than {VARIANT_MAX >> 20} MB in one width, as noise does: send it smaller"
            )
        variants.append(PictureVariant(size.width, size.height, content))
    return TranscodedPicture(suffix, variants)


def _saved(image: Image.Image, suffix: str, quality: int) -> bytes:
    target = BytesIO()
    if suffix == "webp":
        image.save(target, "WEBP", quality=quality, method=4)
    else:
        image.save(target, "JPEG", quality=quality, optimize=True, progressive=True)
    return target.getvalue()


def _limit(max_pixels: int) -> None:
    """Bound what a hostile file can take, and come after the server where there is too little for both."""
    memory = MEMORY + MEMORY_PER_PIXEL * max_pixels
    for what, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, CPU_SECONDS + max_pixels // CPU_PIXELS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    os.nice(NICENESS)


def main() -> None:
    """Develop what comes in on standard input."""
    max_pixels = int(sys.argv[1])
    _limit(max_pixels)
    try:
        written = develop(sys.stdin.buffer.read(), max_pixels=max_pixels).dumps()
    except Unreadable as refusal:
        written = json.dumps({"refused": str(refusal)}).encode()
    sys.stdout.buffer.write(written)


if __name__ == "__main__":
    main()
