import numpy as np
import pytest
from PIL import Image
from tests.data.hostile import encoded, grey_16, oriented, picture

from gradatim.data.decode import Policy
from gradatim.data.images import prepare_images, relative_names
from gradatim.data.sources import Request
from gradatim.data.sources.folder import read
from gradatim.errors import EmptySourceError, TooFewClassesError, ValueRefusedError


@pytest.fixture
def prepared(tmp_path):
    """Write files by path, read them as a folder and prepare them."""

    def make(contents, **options):
        root = tmp_path / "photos"
        for path, content in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return prepare_images(read(Request(str(root))), cache=tmp_path / "cache", **options)

    return make


def photo(seed, width=40, height=30, mode="RGB"):
    return encoded(picture(width, height, mode, seed), "PNG")


def test_numbers_of_the_audit(prepared):
    images = prepared(
        {
            "train/cat/1.png": photo(1),
            "train/cat/2.png": photo(2, 80, 40),
            "train/dog/3.png": photo(3),
            "train/dog/bad.png": b"",
            "test/dog/4.png": photo(4, 33, 30),
            "test/dog/readme.txt": b"",
        }
    )
    audit = images.audit
    assert (audit.samples, audit.found) == (4, 5)
    assert audit.classes == images.classes == ("cat", "dog")
    assert audit.class_counts == {"train": {"cat": 2, "dog": 1}, "test": {"cat": 0, "dog": 1}}
    assert audit.sizes.distinct == 3
    assert audit.sizes.width == (33, 40, 80) and audit.sizes.height == (30, 30, 40)
    assert audit.sizes.aspect == pytest.approx((1.1, 4 / 3, 2.0))
    assert audit.sizes.common[0] == (40, 30, 2)
    assert [row.name for row in audit.rejected] == ["train/dog/bad.png"]
    assert [row.name for row in audit.unused] == ["test/dog/readme.txt"]
    assert audit.warnings == (
        "1 of 5 files cannot be used (20.0%).",
        "No sample in the part test of: cat.",
    )
    assert images.kept.tolist() == [0, 1, 2, 4]
    assert images.parts == ["train", "train", "train", "test"]


def test_channel_statistics_are_those_of_the_stored_pixels(prepared):
    images = prepared({f"{label}/{n}.png": photo(n) for n, label in enumerate("abab")})
    for index, facts in enumerate(images.audit.channels):
        values = np.asarray(images.inputs[..., index], dtype=np.float64)
        assert facts.mean == pytest.approx(values.mean(), rel=1e-12)
        assert facts.std == pytest.approx(values.std(), rel=1e-12)
        assert (facts.min, facts.max) == (values.min(), values.max())
    assert [facts.name for facts in images.audit.channels] == ["red", "green", "blue"]


def test_grey_pictures_get_one_channel(prepared):
    grey = {f"{label}/{n}.png": photo(n, mode="L") for n, label in enumerate("abab")}
    images = prepared(grey)
    assert images.policy.channels == 1 and images.inputs.shape[3] == 1
    assert images.audit.treated == ()
    assert [facts.name for facts in images.audit.channels] == ["grey"]


def test_one_coloured_picture_makes_three_channels(prepared):
    images = prepared({"a/1.png": photo(1, mode="L"), "b/2.png": photo(2)})
    assert images.policy.channels == 3
    (treated,) = images.audit.treated
    assert treated.treatment.startswith("grey among colour") and treated.examples == ("a/1.png",)
    assert (images.inputs[0, ..., 0] == images.inputs[0, ..., 2]).all()


def test_what_is_asked_for_is_done(prepared):
    images = prepared(
        {"a/1.png": photo(1), "b/2.png": photo(2)}, size=20, shape="letterbox", channels=1
    )
    assert images.policy == Policy(20, "letterbox", 1)
    assert images.inputs.shape == (2, 20, 20, 1) and images.audit.shape == (20, 20, 1)
    assert images.reasons == {} and images.audit.choices == {}
    (treated,) = images.audit.treated
    assert treated.treatment.startswith("colour turned into grey") and treated.count == 2


def test_reasons_are_given_for_what_was_chosen(prepared):
    images = prepared({"a/1.png": photo(1), "b/2.png": photo(2)}, shape="crop")
    assert sorted(images.reasons) == ["data.channels", "data.size"]
    assert images.policy.size == 32 and "at most 30 pixels" in images.reasons["data.size"]


def test_equal_pictures_by_pixels(prepared):
    image = picture(seed=1)
    images = prepared(
        {
            "train/a/1.png": encoded(image, "PNG"),
            "train/a/2.bmp": encoded(image, "BMP"),
            "train/b/3.png": photo(3),
            "test/b/4.tif": encoded(image, "TIFF"),
            "test/a/5.png": photo(5),
        }
    )
    audit = images.audit
    assert audit.duplicates == (("train/a/1.png", "train/a/2.bmp", "test/b/4.tif"),)
    assert audit.duplicates_across_parts == 1
    assert audit.conflicts[0].labels == ("a", "a", "b")
    first, second, other, third, last = (images.groups[images.names.index(name)] for name in (
        "train/a/1.png", "train/a/2.bmp", "train/b/3.png", "test/b/4.tif", "test/a/5.png"
    ))  # fmt: skip
    assert first == second == third
    assert len({first, other, last}) == 3
    assert any("in more than one part" in warning for warning in audit.warnings)
    assert any("different labels" in warning for warning in audit.warnings)


def test_treatments_with_counts_and_examples(prepared):
    images = prepared(
        {
            "a/turned.jpg": oriented(6),
            "a/other.jpg": encoded(picture(seed=2), "PNG"),
            "b/dark.png": encoded(grey_16(4095), "PNG"),
        },
        channels=3,
    )
    treated = {row.treatment.partition(":")[0]: row for row in images.audit.treated}
    assert treated["turned upright as its EXIF orientation says"].examples == ("a/turned.jpg",)
    assert treated["the ending of the name tells another format"].examples == ("a/other.jpg",)
    assert any("nearly black" in warning for warning in images.audit.warnings)


def test_the_same_pictures_with_other_labels_share_the_store(prepared, tmp_path):
    first = prepared({"a/1.png": photo(1), "b/2.png": photo(2)})
    (tmp_path / "photos" / "b").rename(tmp_path / "photos" / "c")
    second = prepared({})
    assert first.key == second.key and second.classes == ("a", "c")


def test_names_elsewhere_keep_their_path(tmp_path):
    names = relative_names([tmp_path / "a" / "1.jpg", tmp_path.parent / "2.jpg"], tmp_path)
    assert names == ["a/1.jpg", (tmp_path.parent / "2.jpg").as_posix()]


# --- refused ------------------------------------------------------------------------------------


def test_nothing_usable_names_the_first_files(prepared):
    with pytest.raises(EmptySourceError) as caught:
        prepared({f"{label}/{n}.png": b"" for n, label in enumerate("abab")})
    assert "none of the 4 files" in str(caught.value)
    assert "a/0.png (empty file)" in str(caught.value) and "and 1 more" in str(caught.value)


def test_one_class_left_after_rejection(prepared):
    with pytest.raises(TooFewClassesError, match=r"only one class has usable pictures \(a\)"):
        prepared({"a/1.png": photo(1), "b/2.png": b""})


@pytest.mark.parametrize(
    ("options", "text"),
    [({"size": 3}, "4 ... 2048 pixels"), ({"size": 9999}, "4 ... 2048"), ({"channels": 2}, "1 (")],
)
def test_what_cannot_be_asked_for(prepared, options, text):
    with pytest.raises(ValueRefusedError) as caught:
        prepared({"a/1.png": photo(1), "b/2.png": photo(2)}, **options)
    assert text in str(caught.value)


def test_a_square_of_the_size_is_stored_bit_by_bit(prepared):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    images = prepared(
        {
            f"{label}/x.png": encoded(Image.fromarray(p), "PNG")
            for label, p in zip("ab", pixels, strict=True)
        }
    )
    assert (images.inputs == pixels).all()
