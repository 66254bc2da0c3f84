import os

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import WeightsError
from gradatim.models import build
from gradatim.models.weights import compare, load_weights, read_weights, save_weights

SPEC = Spec("classification", "vector", (4,), ("a", "b", "c"))


@pytest.fixture
def module():
    return build("mlp", SPEC, {"hidden": [5]})


def test_round_trip(module, tmp_path):
    save_weights(module, tmp_path / "w.safetensors")
    other = build("mlp", SPEC, {"hidden": [5]})
    load_weights(other, tmp_path / "w.safetensors")
    for mine, theirs in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_shared_and_strided_tensors_are_saved(tmp_path):
    net = nn.Sequential(nn.Linear(3, 3), nn.Conv2d(2, 2, 3))
    net.append(net[0])
    net[1].to(memory_format=torch.channels_last)
    save_weights(net, tmp_path / "w.safetensors")
    state = read_weights(tmp_path / "w.safetensors")
    assert torch.equal(state["0.weight"], state["2.weight"])
    assert torch.equal(state["1.weight"], net[1].weight)


def test_every_mismatch_is_listed(module, tmp_path):
    other = build("mlp", SPEC, {"hidden": [6, 2]})
    save_weights(other, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError) as error:
        load_weights(module, tmp_path / "w.safetensors")
    text = error.value.message()
    assert "not in the model: layers.hidden2.bias 2, layers.hidden2.weight 2 x 6" in text
    assert "layers.hidden1.weight (file 6 x 4, model 5 x 4)" in text
    assert "layers.output.weight (file 3 x 2, model 3 x 5)" in text
    assert compare(other, module.state_dict()).missing == [
        "layers.hidden2.weight 2 x 6",
        "layers.hidden2.bias 2",
    ]


def test_a_refused_file_leaves_the_module_alone(module, tmp_path):
    before = [p.clone() for p in module.parameters()]
    state = {**module.state_dict(), "layers.output.bias": torch.zeros(7)}
    torch.save({k: v + 1 for k, v in state.items()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="of another shape"):
        load_weights(module, tmp_path / "w.pth")
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": {"module." + k: v for k, v in s.items()}},
    ],
)
def test_checkpoints_of_pytorch(module, tmp_path, wrap):
    torch.save(wrap(module.state_dict()), tmp_path / "w.pth")
    other = build("mlp", SPEC, {"hidden": [5]})
    load_weights(other, tmp_path / "w.pth")
    assert torch.equal(other.layers.output.weight, module.layers.output.weight)


def test_older_checkpoints_lack_the_counters_of_batches(tmp_path):
    spec = Spec("classification", "image", (1, 8, 8), ("a", "b"))
    module = build("resnet18", spec, {"width": 4})
    old = {k: v for k, v in module.state_dict().items() if "num_batches" not in k}
    torch.save(old, tmp_path / "w.pth")
    load_weights(build("resnet18", spec, {"width": 4}), tmp_path / "w.pth")


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harm",)


def test_a_checkpoint_with_code_is_refused_and_not_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": module.state_dict(), "extra": Harmful()}, "w.pth")
    with pytest.raises(WeightsError, match="reading it would run code"):
        load_weights(module, tmp_path / "w.pth")
    torch.save(module, "whole.pth")
    with pytest.raises(WeightsError, match="reading it would run code"):
        load_weights(module, tmp_path / "whole.pth")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x02junk", b"PK\x03\x04xx"])
def test_other_files_are_refused(module, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match="this is no readable"):
        load_weights(module, tmp_path / name)


def test_a_file_cut_short(module, tmp_path):
    for name in ("w.safetensors", "w.pth"):
        path = tmp_path / name
        torch.save(module.state_dict(), path) if name == "w.pth" else save_weights(module, path)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(WeightsError, match="this is no readable"):
            load_weights(module, path)


def test_no_file_and_no_tensors(module, tmp_path):
    with pytest.raises(WeightsError, match="there is no weight file"):
        load_weights(module, tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        load_weights(module, tmp_path / "list.pth")
    torch.save({"epoch": 3, "a.weight": torch.zeros(1)}, tmp_path / "mixed.pth")
    with pytest.raises(WeightsError, match="other things than tensors by name: epoch"):
        load_weights(module, tmp_path / "mixed.pth")
