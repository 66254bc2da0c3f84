"""Small plain JPEGs are decoded a quicker way: to the same pixels, and to the same verdicts."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gradatim.data import decode as decoding
from gradatim.data import jpeg
from gradatim.data.decode import Rejected, decode
from gradatim.data.jpeg import plain_pixels

pytest.importorskip("simplejpeg")


def picture(width, height, mode, seed, smooth=4):
    rng = np.random.default_rng(seed)
    shape = (max(1, height // smooth), max(1, width // smooth), 3)
    small = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def jpeg_of(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def by_pillow(content, monkeypatch):
    """Decode the whole way through Pillow."""
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "plain_pixels", lambda content: None)
        return verdict(content)


def verdict(content):
    try:
        decoded = decode(content)
    except Rejected as fate:
        return fate.reason
    return decoded.pixels.tolist(), decoded.treatments, decoded.format, decoded.grey


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    mode=st.sampled_from(["RGB", "L"]),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    optimise=st.booleans(),
    restart=st.sampled_from([0, 1, 3]),
    seed=st.integers(0, 99),
)
def test_the_pixels_are_those_of_pillow(
    width, height, mode, quality, subsampling, optimise, restart, seed
):
    content = jpeg_of(
        picture(width, height, mode, seed),
        quality=quality,
        subsampling=subsampling,
        optimize=optimise,
        restart_marker_blocks=restart,
    )
    pixels = plain_pixels(content)
    expected = np.asarray(Image.open(io.BytesIO(content)))
    assert pixels is not None
    assert pixels.dtype == np.uint8
    assert (pixels == expected.reshape(pixels.shape)).all()


@pytest.mark.parametrize(
    ("name", "options", "mode"),
    [
        ("EXIF", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}, "RGB"),
        ("progressive", {"progressive": True}, "RGB"),
        ("four channels", {}, "CMYK"),
        ("a colour profile", {"icc_profile": b"profile"}, "RGB"),
    ],
)
def test_what_may_ask_for_a_treatment_goes_through_pillow(name, options, mode):
    content = jpeg_of(picture(20, 20, "RGB", 0).convert(mode), **options)
    assert plain_pixels(content) is None, name
    decode(content)


def test_large_ones_and_other_formats_go_through_pillow():
    assert plain_pixels(jpeg_of(picture(257, 256, "L", 0), quality=5)) is None
    assert plain_pixels(b"") is None
    assert plain_pixels(b"\xff\xd8\xff\xe0") is None
    file = io.BytesIO()
    picture(20, 20, "RGB", 0).save(file, "PNG")
    assert plain_pixels(file.getvalue()) is None


def test_without_the_decoder_everything_goes_through_pillow(monkeypatch):
    content = jpeg_of(picture(20, 20, "RGB", 0))
    monkeypatch.setattr(jpeg, "_decoder", lambda: None)
    assert plain_pixels(content) is None
    assert decode(content).pixels.shape == (20, 20, 3)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_has_the_same_fate_either_way(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    whole = jpeg_of(picture(24, 17, "RGB", seed), subsampling=seed % 3)
    taken = 0
    for _ in range(150):
        content = bytearray(whole)
        kind = rng.integers(3)
        if kind == 0:
            content[rng.integers(len(content))] = rng.integers(256)
        elif kind == 1:
            del content[rng.integers(2, len(content)) :]
        else:
            place = rng.integers(2, len(content))
            content[place:place] = bytes(rng.integers(0, 256, 3, dtype=np.uint8))
        content = bytes(content)
        taken += plain_pixels(content) is not None
        assert verdict(content) == by_pillow(content, monkeypatch)
    assert taken > 20, "the quicker way was hardly ever tried"
