"""A folder with every kind of hostile or odd file, each with the fate it must meet.

``make(folder)`` writes what this system can make and returns the kinds that are there. Run as a
module, it fills a folder to be tried by hand: ``python tests/data/hostile.py FOLDER``.
"""

import io
import os
import socket
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Kind:
    """One odd file.

    ``fate`` is ``used``, ``rejected`` or ``unused``; ``says`` is part of the treatment or reason
    (of an ordinary file: empty).
    """

    name: str
    make: Callable[[Path], None]
    fate: str
    says: str = ""


def picture(width=40, height=30, mode="RGB", seed=0):
    """A smooth picture with detail: random values, enlarged."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height)).convert(mode)


def encoded(image, form="JPEG", **options):
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows):
    """A PNG written by hand, so that its header can say anything."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rgb_16(value):
    """An 8 x 8 RGB PNG of 16 bits a channel."""
    row = b"\0" + struct.pack(">H", value) * 24
    return png(8, 8, 16, 2, row * 8)


def oriented(orientation, form="JPEG", **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(), form, exif=exif, **options)


def frames(form):
    first, second = picture(seed=1), picture(seed=2)
    return encoded(first, form, save_all=True, append_images=[second])


def many_scans():
    """A progressive JPEG that goes over its pixels more than a thousand times."""
    content = encoded(picture(), progressive=True)
    last = content.rindex(b"\xff\xda")
    scan = content[last:-2]
    return content[:last] + scan * 1200 + content[-2:]


def damaged_png():
    content = bytearray(encoded(picture(), "PNG"))
    start = content.index(b"IDAT") + 4
    content[start + 20 : start + 24] = b"\xff\xff\xff\xff"
    return bytes(content)


def damaged_animation():
    """A PNG that promises an animation and holds none."""
    content = encoded(picture(), "PNG")
    return content[:33] + chunk(b"acTL", struct.pack(">II", 0, 0)) + content[33:]


def odd_tiff():
    """A TIFF that says it has 300 samples a pixel: Pillow logs an error about it."""
    content = bytearray(encoded(picture(), "TIFF"))
    (at,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, at)
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", content, entry) == (277,):
            struct.pack_into("<I", content, entry + 8, 300)
    return bytes(content)


def grey_16(high):
    values = np.linspace(0, high, 30 * 40).astype(np.uint16).reshape(30, 40)
    return Image.fromarray(values)


def floats(low, high):
    values = np.linspace(low, high, 30 * 40, dtype=np.float32).reshape(30, 40)
    return encoded(Image.fromarray(values), "TIFF")


def transparent_palette():
    image = picture().quantize(16)
    return encoded(image, "PNG", transparency=3)


def write(content):
    """Return a maker of a file with this content (or with what this function returns)."""

    def make(path):
        path.write_bytes(content() if callable(content) else content)

    return make


def link(target):
    return lambda path: path.symlink_to(target)


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    # The path of a socket may have no more than about 100 bytes, so it is made elsewhere.
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{short}/s")
        os.rename(f"{short}/s", path)


def unreadable(path):
    path.write_bytes(encoded(picture()))
    path.chmod(0)


def huge_sparse(path):
    with open(path, "wb") as file:
        file.truncate(600 * 2**20)
    if path.stat().st_blocks * 512 > 2**20:
        path.unlink()
        raise OSError("no sparse files here")


def round_trip(path):
    path.symlink_to("round-b.jpg")
    path.with_name("round-b.jpg").symlink_to(path.name)


JPEG = write(lambda: encoded(picture()))

KINDS = [
    Kind("good.jpg", write(lambda: encoded(picture(seed=3))), "used"),
    Kind("grey.jpg", write(lambda: encoded(picture(mode="L"))), "used", "grey among colour"),
    Kind("plain.bmp", write(lambda: encoded(picture(seed=4), "BMP")), "used"),
    Kind("plain.ppm", write(lambda: encoded(picture(seed=5), "PPM")), "used"),
    Kind("lossless.webp", write(lambda: encoded(picture(seed=6), "WEBP", lossless=True)), "used"),
    Kind("UPPER.JPG", write(lambda: encoded(picture(seed=7))), "used"),
    Kind("garbage-after.jpg", write(lambda: encoded(picture(seed=8)) + b"\0junk" * 99), "used"),
    # damaged
    Kind(
        "truncated.jpg", write(lambda: encoded(picture(400, 300))[:-900]), "rejected", "truncated"
    ),
    Kind("truncated.png", write(lambda: encoded(picture(400, 300), "PNG")[:-900]), "rejected"),
    Kind("truncated.gif", write(lambda: encoded(picture(), "GIF")[:-300]), "rejected"),
    Kind("header-only.jpg", write(lambda: encoded(picture())[:40]), "rejected", "JPEG"),
    Kind("damaged.png", write(damaged_png), "rejected", "PNG"),
    Kind("damaged-animation.png", write(damaged_animation), "used"),
    Kind("odd.tif", write(odd_tiff), "rejected", "TIFF"),
    Kind("empty.jpg", write(b""), "rejected", "empty file"),
    Kind("noughts.png", write(bytes(4096)), "rejected", "not a picture"),
    # other things by another name
    Kind("text.jpg", write("Not a picture at all, café.\n".encode()), "rejected", "a text file"),
    Kind("page.png", write(b"<!doctype html><title>404</title>"), "rejected", "a text file"),
    Kind("paper.jpg", write(b"%PDF-1.7\n%\xe2\xe3"), "rejected", "a PDF"),
    Kind("packed.png", write(b"PK\x03\x04" + bytes(30)), "rejected", "a ZIP"),
    Kind("film.gif", write(b"\0\0\0\x20ftypisom" + bytes(64)), "rejected", "film"),
    Kind("phone.heic", write(b"\0\0\0\x20ftypheic" + bytes(64)), "rejected", "HEIC"),
    Kind("drawing.svg", write(b'<svg xmlns="http://www.w3.org/2000/svg"/>'), "rejected", "SVG"),
    Kind("jpeg-named.png", JPEG, "used", "another format"),
    # too much
    Kind("bomb.png", write(lambda: png(50_000, 50_000, 8, 2, b"")), "rejected", "bomb"),
    Kind("large.png", write(lambda: encoded(Image.new("1", (6000, 4500)), "PNG")), "used", "black"),
    Kind("many-scans.jpg", write(many_scans), "rejected", "1,000 scans"),
    Kind("huge.jpg", huge_sparse, "rejected", "larger than 512 MiB"),
    # colours
    Kind("cmyk.jpg", write(lambda: encoded(picture(mode="CMYK"))), "used", "CMYK"),
    Kind("grey16.png", write(lambda: encoded(grey_16(65535), "PNG")), "used", "16 bits"),
    Kind("grey16.tif", write(lambda: encoded(grey_16(65535), "TIFF")), "used", "16 bits"),
    Kind("dark16.png", write(lambda: encoded(grey_16(4095), "PNG")), "used", "nearly black"),
    Kind("rgb16.png", write(lambda: rgb_16(0x8040)), "used", "16 bits"),
    Kind("palette.png", write(lambda: encoded(picture().quantize(16), "PNG")), "used", "palette"),
    Kind("palette-alpha.png", write(transparent_palette), "used", "transparency"),
    Kind("la.png", write(lambda: encoded(picture(mode="LA"), "PNG")), "used", "transparency"),
    Kind("rgba.png", write(lambda: encoded(picture(mode="RGBA"), "PNG")), "used", "transparency"),
    Kind("onebit.png", write(lambda: encoded(picture(mode="1"), "PNG")), "used", "black and white"),
    Kind("float.tif", write(lambda: floats(0, 1)), "used", "floating-point"),
    Kind("float-wide.tif", write(lambda: floats(-3, 9)), "rejected", "outside 0 ... 255"),
    Kind("float-nan.tif", write(lambda: floats(0, np.nan)), "rejected", "outside 0 ... 255"),
    Kind("lab.tif", write(lambda: encoded(Image.new("LAB", (9, 9)), "TIFF")), "rejected", "LAB"),
    Kind(
        "int32.tif",
        write(lambda: encoded(Image.fromarray(np.full((9, 9), 1 << 20, np.int32)), "TIFF")),
        "rejected",
        "outside 0 ... 65,535",
    ),
    # several frames
    Kind("animated.gif", write(lambda: frames("GIF")), "used", "several frames"),
    Kind("animated.png", write(lambda: frames("PNG")), "used", "several frames"),
    Kind("animated.webp", write(lambda: frames("WEBP")), "used", "several frames"),
    Kind("pages.tif", write(lambda: frames("TIFF")), "used", "several frames"),
    Kind("stereo.jpg", write(lambda: frames("MPO")), "used", "several frames"),
    # orientation
    Kind("turned-1.jpg", write(lambda: oriented(1)), "used"),
    *(
        Kind(f"turned-{n}.jpg", write(lambda n=n: oriented(n)), "used", "turned upright")
        for n in range(2, 9)
    ),
    Kind("turned.tif", write(lambda: oriented(6, "TIFF")), "used", "turned upright"),
    Kind("turned.png", write(lambda: oriented(8, "PNG")), "used", "turned upright"),
    Kind("turned-99.jpg", write(lambda: oriented(99)), "used"),
    Kind(
        "bad-exif.jpg",
        write(lambda: encoded(picture(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(9))),
        "used",
    ),
    # forms
    Kind("1x1.png", write(lambda: encoded(picture(1, 1), "PNG")), "used"),
    Kind("1x5000.png", write(lambda: encoded(picture(1, 5000), "PNG")), "used"),
    # names
    Kind("caf\udce9.jpg", write(lambda: encoded(picture(seed=31))), "used"),
    Kind("<img src=x onerror=alert(1)>.jpg", write(lambda: encoded(picture(seed=32))), "used"),
    Kind("<script>alert`1`.jpg", write(b"<script>"), "rejected", "a text file"),
    Kind("line\nbreak\tand\x1b[31m.jpg", write(lambda: encoded(picture(seed=33))), "used"),
    Kind("-rf *.jpg", write(lambda: encoded(picture(seed=34))), "used"),
    Kind("right\u202eleft.jpg", write(lambda: encoded(picture(seed=35))), "used"),
    Kind("l" * 251 + ".jpg", write(lambda: encoded(picture(seed=36))), "used"),
    # not regular
    Kind("link.jpg", link("good.jpg"), "used"),
    Kind("broken.jpg", link("nowhere.jpg"), "rejected", "not there"),
    Kind("round-a.jpg", round_trip, "rejected", "circle"),
    Kind("itself", link("."), "unused", "read already"),
    Kind("parent", link(".."), "unused", "read already"),
    Kind("pipe.jpg", fifo, "rejected", "named pipe"),
    Kind("pipe", fifo, "unused", "ending of its name"),
    Kind("socket.png", unix_socket, "rejected", "socket"),
    Kind("device.jpg", link("/dev/zero"), "rejected", "device"),
    Kind("unreadable.jpg", unreadable, "rejected", "no permission"),
    Kind("folder.jpg", Path.mkdir, "unused", "a folder"),
    # not meant as pictures
    Kind(".DS_Store", write(b"\0\0\0\x01Bud1"), "unused", "hidden"),
    Kind("._good.jpg", write(b"\0\x05\x16\x07"), "unused", "hidden"),
    Kind("Thumbs.db", write(b"\xd0\xcf\x11\xe0"), "unused", "ending of its name"),
    Kind("README.md", write(b"# Pictures\n"), "unused", "ending of its name"),
]


def make(folder: Path) -> list[Kind]:
    """Write the files into ``folder/odd``, ordinary ones into ``folder/plain``.

    Returns:
        the kinds that this system could make.
    """
    odd, plain = folder / "odd", folder / "plain"
    odd.mkdir(parents=True)
    plain.mkdir()
    for number in range(4):
        (plain / f"{number}.png").write_bytes(encoded(picture(seed=100 + number), "PNG"))
    made = []
    for kind in KINDS:
        try:
            kind.make(odd / kind.name)
        except (OSError, AttributeError, NotImplementedError, KeyError, ValueError):
            continue  # this system, or its Pillow, cannot make it
        if kind.name == "unreadable.jpg" and os.access(odd / kind.name, os.R_OK):
            kind = Kind(kind.name, kind.make, "used")  # the system's administrator reads anything
        made.append(kind)
    return made


if __name__ == "__main__":
    print(len(make(Path(sys.argv[1]))), "kinds of", len(KINDS))
