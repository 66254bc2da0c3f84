import io
import os
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps
from tests.data.hostile import encoded, grey_16, oriented, picture, png, rgb_16

from gradatim.data.decode import (
    MAXIMUM_PIXELS,
    REDUCED_SIDE,
    TREATMENTS,
    Policy,
    Rejected,
    decode,
    fit_to,
    read,
    to_channels,
)
from gradatim.data.quiet import quiet
from gradatim.data.reading import read_bytes


def pixels_of(image):
    return np.asarray(image)


def test_an_ordinary_picture_is_decoded_as_pillow_does():
    image = picture()
    decoded = decode(encoded(image, "PNG"))
    assert (decoded.pixels == pixels_of(image)).all()
    assert (decoded.width, decoded.height, decoded.treatments) == (40, 30, ())
    assert decoded.pixels.dtype == np.uint8 and decoded.format == "PNG" and not decoded.grey


def test_grey_stays_one_channel():
    decoded = decode(encoded(picture(mode="L"), "PNG"))
    assert decoded.pixels.shape == (30, 40, 1) and decoded.grey


def test_three_equal_channels_count_as_grey_and_one_coloured_pixel_does_not():
    grey = np.repeat(pixels_of(picture(mode="L"))[..., None], 3, axis=2)
    assert decode(encoded(Image.fromarray(grey), "PNG")).grey
    grey[5, 7, 0] ^= 1
    assert not decode(encoded(Image.fromarray(grey), "PNG")).grey


def test_bytes_path_and_opened_picture_give_the_same(tmp_path):
    content = encoded(picture())
    (tmp_path / "a.jpg").write_bytes(content)
    expected = decode(content).pixels
    for other in (tmp_path / "a.jpg", str(tmp_path / "a.jpg"), Image.open(io.BytesIO(content))):
        assert (decode(other).pixels == expected).all()


def test_a_picture_of_the_caller_stays_as_it_is():
    content = encoded(picture(1100, 1200))
    opened = Image.open(io.BytesIO(content))
    pixels, decoded = read(opened, Policy(64))
    assert (pixels == read(content, Policy(64))[0]).all() and "reduced" in decoded.treatments
    assert opened.size == (1100, 1200)
    assert np.asarray(opened).shape == (1200, 1100, 3)  # can still be loaded
    made = picture(50, 40)
    assert (decode(made).pixels == np.asarray(made)).all() and decode(made).format == ""


def test_the_frame_the_caller_chose_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    opened = Image.open(io.BytesIO(content))
    opened.seek(1)
    assert (decode(opened).pixels == (0, 0, 255)).all()


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_applies_it(orientation, form):
    options = {"lossless": True} if form == "WEBP" else {}
    content = oriented(orientation, form, **options)
    # The witness: the same picture without EXIF data, turned by Pillow's own function.
    bare = Image.open(io.BytesIO(encoded(picture(), form, **options)))
    bare.load()
    bare.getexif()[0x0112] = orientation
    expected = pixels_of(ImageOps.exif_transpose(bare))
    decoded = decode(content)
    assert (decoded.pixels == expected).all()
    assert (decoded.height, decoded.width) == expected.shape[:2]
    assert ("orientation" in decoded.treatments) == (orientation != 1)


def test_compressed_tiff_is_turned_once():
    decoded = decode(oriented(6, "TIFF", compression="tiff_lzw"))
    assert decoded.pixels.shape == (40, 30, 3)
    assert (decoded.pixels == np.rot90(pixels_of(picture()), -1)).all()


def test_transparency_is_laid_over_white():
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[..., 0] = 200
    rgba[..., 3] = [[0, 255], [128, 51]]
    decoded = decode(encoded(Image.fromarray(rgba), "PNG"))
    opacity = rgba[..., 3:] / 255
    expected = rgba[..., :3] * opacity + 255 * (1 - opacity)  # by the formula of "over"
    assert np.abs(decoded.pixels.astype(float) - expected).max() <= 1
    assert decoded.treatments == ("alpha",)


def test_grey_with_transparency_stays_grey():
    la = np.stack([np.full((3, 3), 10, np.uint8), np.zeros((3, 3), np.uint8)], axis=2)
    decoded = decode(encoded(Image.fromarray(la, "LA"), "PNG"))
    assert decoded.pixels.shape == (3, 3, 1) and (decoded.pixels == 255).all()


def test_palette_is_replaced_by_its_colours():
    image = picture().quantize(16)
    decoded = decode(encoded(image, "PNG"))
    assert (decoded.pixels == pixels_of(image.convert("RGB"))).all()
    assert decoded.treatments == ("palette",)


def test_the_upper_eight_of_sixteen_bits_are_kept():
    decoded = decode(encoded(grey_16(65535), "PNG"))
    assert (decoded.pixels[..., 0] == pixels_of(grey_16(65535)) // 256).all()
    assert decoded.treatments == ("16-bit",)
    assert decode(rgb_16(0x8040)).treatments == ("16-bit",)
    assert (decode(rgb_16(0x8040)).pixels == 0x80).all()


def test_sixteen_bits_that_need_only_twelve_are_told():
    assert decode(encoded(grey_16(4095), "PNG")).treatments == ("16-bit-dark",)


def test_floating_point_is_scaled_as_stated():
    ramp = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    for values in (ramp, ramp * 255):
        decoded = decode(encoded(Image.fromarray(values), "TIFF"))
        assert (decoded.pixels[..., 0] == np.rint(ramp * 255)).all()
        assert decoded.treatments == ("float",)


def test_cmyk_becomes_rgb():
    decoded = decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))
    assert decoded.pixels.shape == (8, 8, 3)
    assert (decoded.pixels == (255, 0, 0)).all()  # no cyan, all magenta and yellow: red
    assert decoded.treatments == ("cmyk",)


def test_the_first_frame_is_used():
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    for form in ("GIF", "PNG", "WEBP", "TIFF"):
        content = encoded(first, form, save_all=True, append_images=[second])
        decoded = decode(content)
        assert "frames" in decoded.treatments
        red, green, blue = decoded.pixels[4, 4].astype(int)
        assert red > 240 and green < 15 and blue < 15


def test_every_treatment_is_explained():
    decoded = [
        oriented(3),
        encoded(picture(mode="1"), "PNG"),
        rgb_16(9),
        encoded(grey_16(9), "PNG"),
    ]
    assert all(name in TREATMENTS for content in decoded for name in decode(content).treatments)


# --- what is refused ----------------------------------------------------------------------------


def reason(content) -> str:
    with pytest.raises(Rejected) as caught:
        decode(content)
    return caught.value.reason


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_no_truncated_picture_is_taken(form):
    content = encoded(picture(200, 160), form)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        reason(content[: int(len(content) * share)])


def test_truncated_pictures_are_refused_whatever_pillow_is_told(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    content = encoded(picture(200, 160))
    assert "truncated" in reason(content[: len(content) // 2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_bomb_is_refused_from_its_header():
    assert "decompression bomb" in reason(png(100_000, 100_000, 8, 2, b""))
    side = int(MAXIMUM_PIXELS**0.5)
    assert "bomb" in reason(png(side + 1, side + 1, 8, 2, b""))
    assert "bomb" not in reason(png(side, side, 8, 2, b""))  # no bomb, but there is no content


def test_bomb_is_refused_whatever_pillow_is_told(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "100,000 x 100,000 pixels" in reason(png(100_000, 100_000, 8, 2, b""))


def test_words_for_what_is_no_picture():
    assert reason(b"") == "empty file"
    assert reason("größe\n".encode() * 400) == "a text file, not a picture"
    assert reason(bytes(range(256)) * 9) == "not a picture of a known format"


def test_a_path_that_cannot_be(tmp_path):
    with pytest.raises(Rejected, match="no such file"):
        read_bytes(tmp_path / "nothing.jpg")
    with pytest.raises(Rejected, match="not a path"):
        read_bytes("a\0b.jpg")
    with pytest.raises(Rejected, match="a folder, not a regular file"):
        read_bytes(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    reasons = []

    def work():
        try:
            read_bytes(tmp_path / "pipe.jpg")
        except Rejected as fate:
            reasons.append(fate.reason)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    assert reasons == ["a named pipe, not a regular file"]


# --- fitting ------------------------------------------------------------------------------------


def test_a_square_of_the_size_is_left_untouched():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for shape in ("crop", "letterbox"):
        assert fit_to(pixels, 16, shape) is pixels


def test_crop_without_resizing_takes_the_middle():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 21, 3), dtype=np.uint8)
    assert (fit_to(pixels, 16, "crop") == pixels[:, 2:18]).all()


def test_crop_is_pillows_resize_of_the_middle_square():
    image = picture(200, 120)
    middle = image.crop((40, 0, 160, 120))
    expected = middle.resize((32, 32), Image.Resampling.BICUBIC, reducing_gap=3.0)
    assert (fit_to(pixels_of(image), 32, "crop") == pixels_of(expected)).all()


def test_resizing_does_not_alias():
    # Stripes finer than the target must average out to grey, not to coarser stripes.
    stripes = np.zeros((256, 256, 1), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = fit_to(stripes, 32, "crop")
    assert small.shape == (32, 32, 1)
    assert np.abs(small.astype(int) - 127.5).max() < 6


def test_the_filter_that_belongs_to_weights_is_used():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for name, theirs in (
        ("bicubic", Image.Resampling.BICUBIC),
        ("bilinear", Image.Resampling.BILINEAR),
    ):
        expected = np.asarray(Image.fromarray(pixels).resize((16, 16), theirs))
        assert (fit_to(pixels, 16, "crop", name) == expected).all()
        assert (fit_to(pixels, 16, "letterbox", name) == expected).all()


@pytest.mark.parametrize(("height", "width"), [(30, 60), (60, 30), (1, 500), (500, 1), (7, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_letterbox_keeps_all_and_fills_with_grey(height, width, channels):
    pixels = np.full((height, width, channels), 255, dtype=np.uint8)
    boxed = fit_to(pixels, 20, "letterbox")
    assert boxed.shape == (20, 20, channels)
    inner = max(1, round(height * 20 / max(height, width))) * max(
        1, round(width * 20 / max(height, width))
    )
    assert (boxed == 255).sum() == inner * channels
    assert (boxed == 128).sum() == (400 - inner) * channels


def test_channels():
    colour = pixels_of(picture())
    grey = to_channels(colour, 1)
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert grey.shape == (30, 40, 1)
    assert np.abs(grey[..., 0] - colour @ weights).max() <= 1
    assert (to_channels(grey, 3) == grey).all()
    assert to_channels(colour, 3) is colour


# --- reduced decoding ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (2 * REDUCED_SIDE, 3000, (REDUCED_SIDE, 1500)),
        (2 * REDUCED_SIDE - 1, 3000, (2 * REDUCED_SIDE - 1, 3000)),
        (4 * REDUCED_SIDE + 100, 4 * REDUCED_SIDE, (REDUCED_SIDE + 25, REDUCED_SIDE)),
    ],
)
def test_a_large_jpeg_is_reduced_while_decoding_only_where_it_is_twice_too_large(
    width, height, expected
):
    decoded = decode(encoded(picture(width, height)), REDUCED_SIDE)
    assert decoded.pixels.shape[1::-1] == expected
    assert (decoded.width, decoded.height) == (width, height)
    assert ("reduced" in decoded.treatments) == (expected != (width, height))


def test_reduced_decoding_hardly_changes_what_is_stored():
    content = encoded(picture(2400, 1800), quality=95)
    reduced, decoded = read(content, Policy(64))
    full = fit_to(decode(content).pixels, 64, "crop")
    assert "reduced" in decoded.treatments
    assert np.abs(reduced.astype(int) - full).mean() < 1.0


def test_nothing_is_reduced_for_large_pictures():
    assert Policy(256).reduced_side == REDUCED_SIDE
    assert Policy(257).reduced_side is None
    _, decoded = read(encoded(picture(1100, 1100)), Policy(300))
    assert decoded.treatments == ()


def test_policy_goes_to_json_and_back():
    policy = Policy(48, "letterbox", 1)
    assert Policy.from_dict(policy.to_dict()) == policy


# --- silence ------------------------------------------------------------------------------------


def test_quiet_silences_pillow_only_and_gives_the_filters_back():
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet(), quiet():
            warnings.warn_explicit(
                "odd", UserWarning, "TiffImagePlugin.py", 1, "PIL.TiffImagePlugin"
            )
            warnings.warn_explicit("mine", UserWarning, "mine.py", 1, "mine")
    assert [str(warning.message) for warning in caught] == ["mine"]
    assert warnings.filters == before


def test_threads_decode_the_same_as_one():
    contents = [encoded(picture(90, 70, seed=seed)) for seed in range(8)]
    expected = [read(content, Policy(32))[0] for content in contents]
    wrong = []

    def work():
        for _ in range(20):
            for content, pixels in zip(contents, expected, strict=True):
                if (read(content, Policy(32))[0] != pixels).any():
                    wrong.append(content)

    before = list(warnings.filters)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and warnings.filters == before
