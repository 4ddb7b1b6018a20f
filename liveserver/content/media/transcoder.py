"""Transcoding: pictures are decoded and encoded anew, so that nothing but pixels is served: no metadata, no scripts.

Run as a program (`python -m liveserver.content.media.transcoder MAX_PIXELS`), it reads a picture from standard input
and writes a `TranscodedPicture` to standard output, within limits that only a process of its own can have.
`content/media/transcoder_pool.py` runs it.
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
"""Pixels. A picture that would be higher is made smaller."""
JPEG_QUALITY = 82
WEBP_QUALITY = 86

VARIANT_MAX = 4 * 1024 * 1024
"""Bytes that one width may have. The longest possible photograph has three million; noise, which somebody may send to
fill the disk, ten."""
LOWER_QUALITY = 40
"""The quality for pictures that would be larger. If they still are, they are refused."""
SCANS_MAX = 100
"""Scans that a JPEG may have. Encoders write up to twelve; each is a pass over all pixels, and ten bytes of a file."""

CPU_SECONDS = 6
CPU_PIXELS = 32_000_000
"""Pixels for which one more second is allowed: 8 s in all by default. The slowest usual pictures, of 64 million pixels
or 8,000 pixels long, took 2.5 s on a core of 2023."""
MEMORY = 512 * 1024 * 1024
MEMORY_PER_PIXEL = 16
"""Bytes in addition to MEMORY: decoders hold a picture up to three times, with up to four channels."""
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

# The EXIF orientation (TIFF 6.0, tag 274), and the operations that make a picture upright.
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

# Pillow's limit only warns, and lies below some limits that can be set and above others; `develop` checks ours.
Image.MAX_IMAGE_PIXELS = None


class Unreadable(Exception):
    """The error of a file that can't be served. Its message goes on after "The file", and says what to do."""


class PictureVariant(NamedTuple):
    """The file of one width of a picture."""

    width: int
    height: int
    content: bytes


class TranscodedPicture(NamedTuple):
    """A transcoded picture in all its widths, narrowest first."""

    suffix: str
    variants: list[PictureVariant]

    def dumps(self) -> bytes:
        """Encode the picture: a line of JSON, and the contents one after the other."""
        sizes = [[r.width, r.height, len(r.content)] for r in self.variants]
        head = json.dumps({"suffix": self.suffix, "sizes": sizes}).encode()
        return head + b"\n" + b"".join(r.content for r in self.variants)

    @classmethod
    def loads(cls, data: bytes) -> TranscodedPicture:
        """Decode a picture that `dumps` encoded. Raises Unreadable if it is a refusal."""
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
    """Return a file's format, as Pillow names it, by its first bytes: its name and its sender aren't trusted.

    Raises Unreadable if the format isn't accepted.
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
        description = "a HEIC image: export it as JPEG" if brands & _HEIC_BRANDS else f"a video or a sound: {ACCEPTED}"
        raise Unreadable(f"is {description}")
    if not data:
        raise Unreadable("is empty")
    if match := _MARKUP.match(data.removeprefix(b"\xef\xbb\xbf")[:4096]):
        if match[1].lower() == b"svg":
            raise Unreadable("is an SVG image, which can carry scripts and load from elsewhere: export it as PNG")
        raise Unreadable(f"is HTML or XML, not an image: {ACCEPTED}")
    for signature, description in _OTHERS:
        if data.startswith(signature):
            raise Unreadable(f"is {description}: {ACCEPTED}")
    raise Unreadable(f"isn't an image of a known format: {ACCEPTED}")


def develop(data: bytes, *, max_pixels: int) -> TranscodedPicture:
    """Transcode a picture: upright, in sRGB, with nothing but its pixels; of an animation, the first frame.

    Lossless formats (PNG, GIF) and transparent pictures become WebP, all others JPEG. Raises Unreadable.
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
    # Decoders may raise any exception for a damaged file.
    except Exception:
        raise Unreadable("is damaged: it can't be decoded") from None


_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""The next marker. Within entropy-coded data, 0xFF is followed by zero or is a restart marker (ITU-T T.81, B.1.1)."""
_START_OF_SCAN, _END_OF_IMAGE = b"\xda", b"\xd9"


def _has_few_scans(data: bytes) -> bool:
    """True if a JPEG has at most `SCANS_MAX` scans.

    Segments are skipped by their lengths: their content may look like markers, and so may data that is appended to the
    file (a telephone's video).
    """
    scans, position = 0, 2
    while (match := _NEXT_MARKER.search(data, position)) is not None:
        marker = match[0][-1:]
        if marker == _END_OF_IMAGE:
            break
        scans += marker == _START_OF_SCAN
        if scans > SCANS_MAX:
            return False
        length = match.end()
        position = length + max(2, int.from_bytes(data[length : length + 2]))
    return True


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence Pillow's warnings about harmless damage, in metadata for example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _prepared(image: Image.Image) -> Image.Image:
    """Return the picture in its largest width, upright, in sRGB: in mode RGB, RGBA or L."""
    profile = image.info.get("icc_profile")
    orientation = _orientation(image)
    box = (WIDTHS[-1], HEIGHT_MAX)
    if orientation in _ON_ITS_SIDE:
        box = (box[1], box[0])
    # Made smaller first, as all other steps take time for each pixel; a JPEG needn't even be decoded in full.
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
    # Metadata may be damaged even if the picture isn't.
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _resizable(image: Image.Image) -> Image.Image:
    """Return the picture in a mode in which pixels can be averaged."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would cut values at 255 instead of dividing them.
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
        # The profile is damaged, or of another colour space than the picture's: leave the values as they are.
        return image
    return converted or image


def _encoded(image: Image.Image, *, lossless: bool) -> TranscodedPicture:
    suffix = "webp" if lossless or image.mode == "RGBA" else "jpg"
    variants = []
    for size in Picture("", image.width, image.height, suffix).variants:
        full_size = (size.width, size.height) == image.size
        resized = image if full_size else image.resize((size.width, size.height), Image.Resampling.LANCZOS)
        # Pillow would write comments and profiles from here.
        resized.info = {}
        content = _saved(resized, suffix, WEBP_QUALITY if suffix == "webp" else JPEG_QUALITY)
        if len(content) > VARIANT_MAX:
            content = _saved(resized, suffix, LOWER_QUALITY)
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
    """Limit the resources that a hostile file can take, and let the server's own work go first."""
    memory = MEMORY + MEMORY_PER_PIXEL * max_pixels
    for resource_type, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, CPU_SECONDS + max_pixels // CPU_PIXELS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(resource_type)
        resource.setrlimit(resource_type, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    os.nice(NICENESS)


def main() -> None:
    """Transcode the picture on standard input."""
    max_pixels = int(sys.argv[1])
    _limit(max_pixels)
    try:
        output = develop(sys.stdin.buffer.read(), max_pixels=max_pixels).dumps()
    except Unreadable as refusal:
        output = json.dumps({"refused": str(refusal)}).encode()
    sys.stdout.buffer.write(output)


if __name__ == "__main__":
    main()
