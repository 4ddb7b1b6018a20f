"""The transcoder: decodes a picture and encodes it anew. So we serve nothing but pixels: no metadata and no scripts.

This module is run as a program: `python -m liveserver.content.media.transcoder MAX_PIXELS`. The program reads a picture
from standard input. It writes a `TranscodedPicture` to standard output, or a line of JSON with the reason why the
picture is refused. The program limits its own memory and processor time, which only a separate process can do.
`content/media/transcoder_pool.py` runs the program.
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
"""The greatest height of a stored picture, in pixels. A picture that would be higher is made smaller."""
JPEG_QUALITY = 82
WEBP_QUALITY = 86

VARIANT_MAX = 4 * 1024 * 1024
"""How many bytes the file of one width may have. A larger file is encoded anew with `LOWER_QUALITY`. The file of a
photograph of the greatest height has three million bytes. A picture of noise, which somebody may send to fill the disk,
would have ten million."""
LOWER_QUALITY = 40
"""The quality, from 0 to 100, with which a file is encoded anew if it has more than VARIANT_MAX bytes. If the new file
is also too large, the picture is refused."""
SCANS_MAX = 100
"""How many scans a JPEG may have. A JPEG with more scans is refused. Encoders write up to twelve scans. Even a scan of
only ten bytes makes the decoder go through all pixels."""

CPU_SECONDS = 6
CPU_PIXELS = 32_000_000
"""The number of pixels for which the program may use one second of processor time. In all, it may use CPU_SECONDS +
MAX_PIXELS / CPU_PIXELS seconds: 8 s with the default settings. The slowest usual pictures, of 64 million pixels or
8,000 pixels high, took 2.5 s on a processor of 2023."""
MEMORY = 512 * 1024 * 1024
MEMORY_PER_PIXEL = 16
"""The bytes of memory that the program may use for each pixel of MAX_PIXELS, in addition to MEMORY. Decoders keep up to
three copies of a picture, each with up to four bytes for a pixel."""
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

# The tag of the EXIF orientation (TIFF 6.0, tag 274); and for each of its values, the operation that makes a picture
# upright.
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

# Pillow's own limit of pixels is off, as it knows nothing of the server's settings. `develop` checks the limit in the
# settings.
Image.MAX_IMAGE_PIXELS = None


class Unreadable(Exception):
    """The error that says why a file can't be served. The message is the rest of a sentence that begins with "The
    file"."""


class PictureVariant(NamedTuple):
    """The file of a picture in one width."""

    width: int
    height: int
    content: bytes


class TranscodedPicture(NamedTuple):
    """A transcoded picture: its files in all widths, the narrowest first."""

    suffix: str
    variants: list[PictureVariant]

    def dumps(self) -> bytes:
        """Return the picture as bytes: a line of JSON, then the contents of all files, one after the other.

        The JSON has the suffix of the files' names, and for each file its width, height and number of bytes.
        """
        sizes = [[r.width, r.height, len(r.content)] for r in self.variants]
        head = json.dumps({"suffix": self.suffix, "sizes": sizes}).encode()
        return head + b"\n" + b"".join(r.content for r in self.variants)

    @classmethod
    def loads(cls, data: bytes) -> TranscodedPicture:
        """Return the picture in `data`, the output of the transcoder.

        Raises Unreadable if `data` has only the reason why the transcoder refused the picture.
        """
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
    """Return Pillow's name for the format of a file. Only the first bytes of the file decide. The file's name and the
    type that the sender states are ignored.

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
    """Transcode the picture in a file, and return it in all its widths.

    The result is upright, in the colours of sRGB, and has nothing but pixels. Of an animation, only the first frame is
    used. PNG, GIF and transparent pictures become WebP. All other pictures become JPEG.

    Raises Unreadable if the file is damaged, or isn't a picture of an accepted format. Also raises Unreadable if the
    picture has more than `max_pixels` pixels or too many scans, or would need too much memory or disk.
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
"""A pattern of the markers that begin segments of a JPEG. In the data of a scan, a byte 0xFF is followed by a zero, or
is part of a restart marker. The pattern matches neither of these (ITU-T T.81, B.1.1)."""
_START_OF_SCAN, _END_OF_IMAGE = b"\xda", b"\xd9"


def _has_few_scans(data: bytes) -> bool:
    """True if a JPEG has at most `SCANS_MAX` scans.

    Each segment says the length of its content. The content is skipped, as it may contain bytes that look like markers.
    The bytes after the end of the image aren't read. (A telephone may append a video there.)
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
    """Silence Pillow's warnings within this context. The warnings are about harmless damage, in metadata for
    example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _prepared(image: Image.Image) -> Image.Image:
    """Return the picture in its largest width, upright, in sRGB, and in Pillow's mode RGB, RGBA or L."""
    profile = image.info.get("icc_profile")
    orientation = _orientation(image)
    box = (WIDTHS[-1], HEIGHT_MAX)
    if orientation in _ON_ITS_SIDE:
        box = (box[1], box[0])
    # The picture is made smaller first, as all other steps take time for each pixel. A large JPEG needn't even be
    # decoded in full.
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
    """Return the picture in a mode of Pillow that can be resized well: RGB, RGBA, CMYK or L."""
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
        # The profile is damaged, or isn't for this picture's colour space: leave the pixels' values as they are.
        return image
    return converted or image


def _encoded(image: Image.Image, *, lossless: bool) -> TranscodedPicture:
    suffix = "webp" if lossless or image.mode == "RGBA" else "jpg"
    variants = []
    for size in Picture("", image.width, image.height, suffix).variants:
        full_size = (size.width, size.height) == image.size
        resized = image if full_size else image.resize((size.width, size.height), Image.Resampling.LANCZOS)
        # Pillow would copy comments and profiles from `info` into the file.
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
    """Limit the memory and processor time of this process, as the picture may be an attacker's. Forbid it to write
    files.

    This also lowers the priority of the process, so that the server's own work goes first.
    """
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
    """Transcode the picture on standard input. Write the result, or the reason for a refusal, to standard output."""
    max_pixels = int(sys.argv[1])
    _limit(max_pixels)
    try:
        output = develop(sys.stdin.buffer.read(), max_pixels=max_pixels).dumps()
    except Unreadable as refusal:
        output = json.dumps({"refused": str(refusal)}).encode()
    sys.stdout.buffer.write(output)


if __name__ == "__main__":
    main()
