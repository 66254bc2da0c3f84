import json
import shutil
import sys

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from gradatim import package
from gradatim.core.spec import Spec
from gradatim.data import decode
from gradatim.data.columns import Column
from gradatim.data.preprocessing import Preprocessing
from gradatim.errors import DataError, DiskError, PackageError, UsageError
from gradatim.models import build
from gradatim.package import saving
from gradatim.package.model import BATCH

PICTURES = Spec("classification", "image", (3, 8, 8), ("cat", "dog", "emu"))
PICTURE_STEPS = Preprocessing("image", (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), size=8, channels=3)
ROWS = Spec("regression", "vector", (2,), features=("size", "age"), target="price", unit="EUR")
ROW_STEPS = Preprocessing(
    "vector", (3.0, 40.0), (2.0, 10.0), target_mean=100.0, target_std=50.0, features=("size", "age")
)
FACTS = {
    "source": "photos/",
    "samples": {"train": 1200, "validation": 100},
    "metrics": [
        {
            "name": "accuracy",
            "part": "test",
            "samples": 150,
            "value": 0.91234,
            "low": 0.86,
            "high": 0.95,
            "baseline": 0.4,
        }
    ],
    "seed": 7,
}


@pytest.fixture
def pictures(tmp_path):
    torch.manual_seed(0)
    module = build("lenet", PICTURES)
    package.save(
        tmp_path / "model", module, "lenet", module.options, PICTURES, PICTURE_STEPS, FACTS
    )
    return tmp_path / "model"


@pytest.fixture
def rows(tmp_path):
    module = build("linear", ROWS)
    with torch.no_grad():
        module.linear.weight.copy_(torch.tensor([[2.0, -1.0]]))
        module.linear.bias.fill_(0.5)
    package.save(tmp_path / "rows", module, "linear", module.options, ROWS, ROW_STEPS)
    return tmp_path / "rows"


def picture(seed, path=None, size=(20, 12)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if path is not None:
        image.save(path)
    return image


# --- the folder ---------------------------------------------------------------------------------


def test_what_is_loaded_is_what_was_saved(pictures):
    torch.manual_seed(0)
    module = build("lenet", PICTURES).eval()
    model = package.load(pictures)
    assert not model.module.training
    assert model.classes == ("cat", "dog", "emu")
    assert model.spec == PICTURES
    assert model.preprocessing == PICTURE_STEPS
    assert model.facts["seed"] == 7
    assert model.module.options == module.options
    x = torch.randn(4, 3, 8, 8)
    assert torch.equal(model.module(x), module(x))
    assert repr(model) == "<gradatim model lenet: image 3 x 8 x 8 to 3 classes>"


def test_the_files_of_a_package(pictures):
    assert sorted(path.name for path in pictures.iterdir()) == [
        "card.md",
        "package.json",
        "weights.safetensors",
    ]
    assert [path.name for path in pictures.parent.iterdir()] == ["model"]
    content = json.loads((pictures / "package.json").read_text())
    assert content["schema"] == 1
    assert content["gradatim"] == "0.1.0"
    assert content["model"]["name"] == "lenet"
    assert content["spec"]["classes"] == ["cat", "dog", "emu"]


def test_the_card_tells_what_matters(pictures, rows):
    card = (pictures / "card.md").read_text()
    assert card.startswith("# lenet: tells 3 classes apart")
    assert "- Source: photos/." in card
    assert "1,200 train, 100 validation" in card
    assert "| accuracy | test | 150 | 0.9123 | 0.86 to 0.95 | 0.4 |" in card
    assert 'gradatim.load("this folder")' in card
    assert "a colour image, brought to 8 x 8 pixels" in card
    card = (rows / "card.md").read_text()
    assert "# linear: predicts price" in card
    assert "2 numbers: size, age" in card
    assert "one number, in EUR" in card
    assert "It was not measured." in card


def test_a_run_folder_is_taken_for_its_model(pictures):
    assert package.load(pictures.parent).classes == package.load(pictures).classes


def test_saving_again_replaces_the_package(pictures, rows):
    module = build("linear", ROWS)
    package.save(pictures, module, "linear", module.options, ROWS, ROW_STEPS)
    assert package.load(pictures).name == "linear"
    assert sorted(path.name for path in pictures.parent.iterdir()) == ["model", "rows"]


def test_a_folder_with_other_content_is_left_alone(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").write_text("years of work")
    module = build("linear", ROWS)
    with pytest.raises(PackageError, match="no package is at this place; it is left alone"):
        package.save(tmp_path / "model", module, "linear", module.options, ROWS, ROW_STEPS)
    assert (tmp_path / "model" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("step", ["save_weights", "write_text", "write_json", "_put"])
def test_a_crash_while_writing_leaves_the_old_package(pictures, monkeypatch, step):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, step, crash)
    module = build("linear", ROWS)
    with pytest.raises(KeyboardInterrupt):
        package.save(pictures, module, "linear", module.options, ROWS, ROW_STEPS)
    assert package.load(pictures).name == "lenet"
    assert [path.name for path in pictures.parent.iterdir()] == ["model"]


def test_a_crash_between_the_renames_loses_nothing(pictures):
    pictures.rename(pictures.parent / ".model.old")
    assert package.load(pictures).name == "lenet"
    assert package.load(pictures.parent).name == "lenet"
    module = build("linear", ROWS)
    package.save(pictures, module, "linear", module.options, ROWS, ROW_STEPS)
    assert package.load(pictures).name == "linear"
    assert [path.name for path in pictures.parent.iterdir()] == ["model"]


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "save_weights", full)
    module = build("linear", ROWS)
    with pytest.raises(DiskError, match="the disk is full"):
        package.save(tmp_path / "model", module, "linear", module.options, ROWS, ROW_STEPS)
    assert list(tmp_path.iterdir()) == []


# --- folders that are refused -------------------------------------------------------------------


def change(folder, **values):
    path = folder / "package.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_no_folder_and_foreign_folders(tmp_path):
    with pytest.raises(PackageError, match="no folder is there"):
        package.load(tmp_path / "nowhere")
    with pytest.raises(PackageError, match=r"it has no package\.json"):
        package.load(tmp_path)
    for foreign in ("{}", "[1]", '{"name": "left-pad", "version": "1.0"}', '{"schema": "x"}'):
        (tmp_path / "package.json").write_text(foreign)
        with pytest.raises(PackageError, match="of another kind"):
            package.load(tmp_path)
    (tmp_path / "package.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(PackageError, match=r"damaged: package\.json cannot be read"):
        package.load(tmp_path)


def test_a_newer_schema(pictures):
    change(pictures, schema=2, gradatim="9.9")
    with pytest.raises(PackageError, match=r"newer version \(9\.9\).*'schema 2'") as error:
        package.load(pictures)
    assert "next: update gradatim" in error.value.message()


@pytest.mark.parametrize("key", ["model", "spec", "preprocessing", "files"])
def test_a_part_of_the_description_is_missing(pictures, key):
    change(pictures, **{key: None})
    with pytest.raises(PackageError, match=rf"damaged: package\.json lacks {key}"):
        package.load(pictures)
    change(pictures, **{key: {}})
    with pytest.raises(PackageError, match="damaged"):
        package.load(pictures)


def test_damaged_weights(pictures):
    path = pictures / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(PackageError, match="is not as it was written"):
        package.load(pictures)
    path.write_bytes(content[:100])
    with pytest.raises(PackageError, match="is not as it was written"):
        package.load(pictures)
    path.unlink()
    with pytest.raises(PackageError, match=r"weights\.safetensors is missing"):
        package.load(pictures)


def test_a_file_outside_the_folder_is_never_read(pictures):
    change(pictures, files={"weights.safetensors": {}, "../secret": {"bytes": 1, "sha256": ""}})
    (pictures.parent / "secret").write_text("x")
    with pytest.raises(PackageError, match="damaged"):
        package.load(pictures)


def test_weights_of_another_model(pictures, rows):
    shutil.copy(rows / "weights.safetensors", pictures)
    files = json.loads((rows / "package.json").read_text())["files"]
    change(pictures, files=files)
    with pytest.raises(PackageError, match="the weights do not fit the model"):
        package.load(pictures)


def test_a_model_this_version_does_not_know(pictures):
    change(pictures, model={"name": "transformer9", "options": {}})
    with pytest.raises(PackageError, match="cannot build the model") as error:
        package.load(pictures)
    assert "transformer9" in error.value.message()


def test_code_named_by_a_package_runs_only_where_it_is_allowed(tmp_path, monkeypatch):
    (tmp_path / "my_package_net.py").write_text(
        "from torch import nn\nran = []\n"
        "def net(spec):\n    ran.append(1)\n    return nn.Linear(spec.size, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = build("my_package_net:net", ROWS)
    package.save(tmp_path / "p", module, "my_package_net:net", module.options, ROWS, ROW_STEPS)
    monkeypatch.delitem(sys.modules, "my_package_net")
    with pytest.raises(PackageError, match="built by code of your own: my_package_net:net"):
        package.load(tmp_path / "p")
    assert "my_package_net" not in sys.modules
    model = package.load(tmp_path / "p", run_code=True)
    assert torch.equal(model.module.weight, module.weight)
    monkeypatch.delitem(sys.modules, "my_package_net")


# --- predicting ---------------------------------------------------------------------------------


def test_one_picture_four_ways(pictures, tmp_path):
    model = package.load(pictures)
    image = picture(1, tmp_path / "a.png")
    by_path = model.predict(tmp_path / "a.png")
    by_text = model.predict(str(tmp_path / "a.png"))
    by_image = model.predict(image)
    by_array = model.predict(np.asarray(image))
    assert by_path.name == by_text.name == str(tmp_path / "a.png")
    assert by_path.probabilities == by_text.probabilities == by_image.probabilities
    assert by_array.probabilities == by_image.probabilities
    assert sum(by_path.probabilities.values()) == pytest.approx(1)
    assert by_path.probability == max(by_path.probabilities.values())
    assert by_path.label == next(iter(by_path.probabilities))
    assert str(by_path).startswith(f"{tmp_path / 'a.png'}: {by_path.label} (")


def test_predict_is_the_module_on_normalised_pixels(pictures):
    model = package.load(pictures)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    x = (
        torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        - torch.tensor([0.4, 0.5, 0.6])[:, None, None]
    ) / torch.tensor([0.2, 0.25, 0.3])[:, None, None]
    with torch.no_grad():
        expected = model.module(x).softmax(1).numpy()
    assert np.allclose(model.predict_scores(pixels), expected, atol=1e-6)
    for prediction, row in zip(model.predict(pixels), expected, strict=True):
        assert [prediction.probabilities[name] for name in model.classes] == pytest.approx(
            row, abs=1e-6
        )


def test_an_opened_picture_is_decoded_as_its_file(pictures, tmp_path):
    image = picture(2)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    model = package.load(pictures)
    for name in ("turned.jpg", "cmyk.jpg"):
        with Image.open(tmp_path / name) as opened:
            stored, _ = decode.read(tmp_path / name, decode.Policy(8, "crop", 3))
            prediction = model.predict(opened)
        assert prediction.probabilities == model.predict(stored).probabilities


@pytest.mark.parametrize("side", [12, 90])  # small files, and such as are shared by threads
def test_many_files_are_answered_in_order_as_one_by_one(pictures, tmp_path, side, monkeypatch):
    monkeypatch.setattr("gradatim.data.store.cores", lambda: 3)
    monkeypatch.setattr("gradatim.data.store.CHUNK_FILES", 7)
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)
    paths[5].write_text("no picture")
    paths[39].unlink()
    model = package.load(pictures)
    together = model.predict(paths)
    alone = [model.predict([path])[0] for path in paths]
    assert [answer.name for answer in together] == [str(path) for path in paths]
    assert [answer.error for answer in together] == [answer.error for answer in alone]
    assert sum(bool(answer.error) for answer in together) == 2
    for one, other in zip(together, alone, strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_what_cannot_be_read_does_not_lose_the_others(pictures, tmp_path):
    picture(1, tmp_path / "a.png")
    picture(4, tmp_path / "broken.png")
    whole = (tmp_path / "broken.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    model = package.load(pictures)
    answers = model.predict(
        [
            tmp_path / "a.png",
            tmp_path / "broken.png",
            tmp_path / "none.png",
            picture(3),
            np.zeros((4, 4, 3), np.uint8),
            np.zeros(5),
            np.zeros((2, 4, 4, 3), np.uint8),
        ]
    )
    assert [bool(answer.error) for answer in answers] == [
        False,
        True,
        True,
        False,
        False,
        True,
        True,
    ]
    assert answers[1].name == str(tmp_path / "broken.png")
    assert "truncated PNG" in answers[1].error
    assert answers[2].error == "no such file"
    assert "does not fit the model" in answers[5].error
    assert answers[6].error == "one item of the list holds 2 samples"
    assert set(answers[1].to_dict()) == {"name", "error"}
    assert str(answers[2]) == f"{tmp_path / 'none.png'}: error: no such file"
    assert answers[0].probabilities == model.predict(tmp_path / "a.png").probabilities
    with pytest.raises(DataError, match="no such file"):
        model.predict(tmp_path / "none.png")


def test_batches_do_not_change_the_answers(pictures):
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH + 44, 8, 8, 3), dtype=np.uint8)
    model = package.load(pictures)
    answers = model.predict(pixels)
    assert len(answers) == BATCH + 44
    for index in (0, BATCH - 1, BATCH, BATCH + 43):
        alone = model.predict(pixels[index])
        assert alone.probabilities == pytest.approx(answers[index].probabilities, abs=1e-6)


def test_numbers_come_in_the_unit_of_the_target(rows):
    model = package.load(rows)
    # standardised inputs (5 - 3) / 2 = 1 and (30 - 40) / 10 = -1; score 2 + 1 + 0.5 = 3.5
    prediction = model.predict({"size": 5, "age": 30})
    assert prediction.value == pytest.approx(100 + 50 * 3.5)
    assert prediction.unit == "EUR"
    assert str(prediction) == "275 EUR"
    assert prediction.label is None
    assert prediction.to_dict() == {"value": prediction.value, "unit": "EUR"}
    for same in ([5, 30], (5.0, 30.0), np.array([5.0, 30.0]), {"age": 30, "more": "x", "size": 5}):
        assert model.predict(same).value == prediction.value


def test_many_rows(rows):
    model = package.load(rows)
    frame = pl.DataFrame({"age": [30, 40, 50], "size": [5.0, 3.0, 1.0]})
    values = [answer.value for answer in model.predict(frame)]
    assert values == pytest.approx([275, 125, -25])
    array = frame.select("size", "age").to_numpy()
    assert [answer.value for answer in model.predict(array)] == values
    assert [answer.value for answer in model.predict(frame.to_dicts())] == values
    assert [answer.value for answer in model.predict([[5, 30], [3, 40]])] == values[:2]
    assert model.predict(frame.head(1))[0].value == values[0]
    assert model.predict([]) == []
    assert model.predict(frame.clear()) == []


def test_a_bad_row_does_not_lose_the_others(rows):
    model = package.load(rows)
    frame = pl.DataFrame({"age": ["30", "old", "50"], "size": [5.0, 3.0, 1.0]})
    answers = model.predict(frame)
    assert [answer.value for answer in answers] == [pytest.approx(275), None, pytest.approx(-25)]
    assert "age" in answers[1].error
    answers = model.predict(np.array([[5, 30], [np.nan, 40]]))
    assert answers[0].value == pytest.approx(275)
    assert "NaN" in answers[1].error
    with pytest.raises(DataError, match="lacks columns"):
        model.predict(frame.drop("size"))


def test_inputs_of_another_kind(rows, pictures):
    with pytest.raises(UsageError, match="cannot read this kind of input: 'int'"):
        package.load(rows).predict(5)
    with pytest.raises(UsageError, match="not image files"):
        package.load(rows).predict("a.png")
    with pytest.raises(DataError, match="takes images, not a table"):
        package.load(pictures).predict({"size": 1})


def test_a_table_with_categories_comes_back(tmp_path):
    columns = (Column("n", "number", fill=1.5), Column("c", "category", categories=("a", "b")))
    spec = Spec("classification", "vector", (3,), ("no", "yes"), features=("n", "c = a", "c = b"))
    steps = Preprocessing("table", (0.0,) * 3, (1.0,) * 3, columns=columns)
    module = build("knn", spec, {"k": 1})
    frame = pl.DataFrame({"n": [1.0, 2.0], "c": ["a", "b"]})
    inputs = torch.from_numpy(steps.normalise(steps.read_frame(frame)))
    module.solve([(inputs, torch.tensor([0, 1]))])
    package.save(tmp_path / "t", module, "knn", module.options, spec, steps)
    model = package.load(tmp_path / "t")
    assert model.preprocessing.columns == columns
    assert [answer.label for answer in model.predict(frame)] == ["no", "yes"]
    assert model.predict({"c": "b", "n": 2.1}).label == "yes"
    assert model.predict({"c": "b", "n": None}).label == "yes"
