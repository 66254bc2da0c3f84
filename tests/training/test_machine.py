import pytest
import torch
from torch import nn

from gradatim.core.recipe import Recipe
from gradatim.errors import ValueRefusedError
from gradatim.training import machine, train

KINDS = {
    "dense": nn.Linear(50, 100),
    "wide-dense": nn.Linear(2000, 600),
    "small-convolutional": nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten(), nn.Linear(3456, 10)),
    "deep-convolutional": nn.Sequential(nn.Conv2d(64, 128, 3), nn.Conv2d(128, 128, 3)),
    "recurrent": nn.LSTM(8, 8),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_models(kind):
    assert machine.kind_of(KINDS[kind]) == kind


def test_the_table_names_its_measurement():
    assert machine.TABLE
    assert machine.MEASURED
    for (able, kind), choice in machine.TABLE.items():
        assert kind in KINDS, (able, kind)
        assert choice.gain is not None and choice.gain >= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "able", ["amx", "avx512-bf16-amd", "avx512-bf16", "other", "cuda", "cuda-bf16", "mps"]
)
def test_every_machine_gets_a_choice_with_its_reason(kind, able, monkeypatch):
    monkeypatch.setattr(machine, "capability", lambda device: able)
    recipe = machine.resolve(Recipe().with_values({"machine.device": "cpu"}), kind)
    expected = machine.TABLE.get((able, kind), machine.PLAIN)
    assert (recipe.machine.precision, recipe.machine.layout) == expected[:2]
    assert recipe.machine.threads == torch.get_num_threads()
    assert recipe.machine.update == "fused"
    for key in ("precision", "layout", "threads", "update"):
        assert recipe.reasons[f"machine.{key}"]


def test_what_the_user_chose_is_kept():
    given = Recipe().with_values(
        {"machine.precision": "bf16", "machine.layout": "channels-last", "machine.threads": 3}
    )
    recipe = machine.resolve(given, nn.Linear(2, 2))
    assert recipe.machine.precision == "bf16" and recipe.machine.threads == 3
    assert "machine.precision" not in recipe.reasons


def test_capability_follows_the_flags(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(machine, "vendor", lambda: "GenuineIntel")
    for flags, expected in (
        ({"amx_bf16", "amx_tile", "avx512_bf16"}, "amx"),
        ({"avx512_bf16"}, "avx512-bf16"),
        ({"avx2"}, "other"),
    ):
        monkeypatch.setattr(machine, "_processor_flags", lambda flags=flags: frozenset(flags))
        assert machine.capability(cpu) == expected


def test_amd_multiplies_bf16_faster_than_others(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(machine, "vendor", lambda: "AuthenticAMD")
    for flags, expected in (({"avx512_bf16"}, "avx512-bf16-amd"), ({"avx2"}, "other")):
        monkeypatch.setattr(machine, "_processor_flags", lambda flags=flags: frozenset(flags))
        assert machine.capability(cpu) == expected


@pytest.mark.parametrize(
    ("lines", "processor", "expected"),
    [
        (["vendor_id\t: AuthenticAMD", "flags\t: fma"], "x86_64", "AuthenticAMD"),
        ([], "AMD64 Family 25 Model 33 Stepping 0, AuthenticAMD", "AuthenticAMD"),
        ([], "arm", ""),
    ],
)
def test_the_maker_is_read_where_the_system_tells_it(lines, processor, expected, monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", lambda: lines)
    monkeypatch.setattr(machine.platform, "processor", lambda: processor)
    machine.vendor.cache_clear()
    try:
        assert machine.vendor() == expected
    finally:
        machine.vendor.cache_clear()


@pytest.mark.parametrize(
    ("able", "family", "words"),
    [
        (
            "avx512-bf16-amd",
            25,
            "measured on Zen 5 (family 26), and this processor is of family 25",
        ),
        ("avx512-bf16-amd", 26, ""),
        ("avx512-bf16-amd", None, ""),
        ("amx", 6, ""),
        ("cuda-bf16", None, "nothing was measured on cpu, so fp32 is taken"),
    ],
)
def test_what_was_not_measured_is_said_with_the_way_to_measure_it(able, family, words, monkeypatch):
    monkeypatch.setattr(machine, "capability", lambda device: able)
    monkeypatch.setattr(machine, "family", lambda: family)
    told = machine.advice(Recipe().with_values({"machine.device": "cpu"}).machine)
    assert words in told and bool(told) == bool(words)
    assert not words or "gradatim tune RUN" in told
    chosen = {"machine.precision": "fp32", "machine.layout": "contiguous"}
    assert machine.advice(Recipe().with_values(chosen).machine) == ""


@pytest.mark.parametrize(
    ("lines", "processor", "expected"),
    [
        (["cpu family\t: 26"], "x86_64", 26),
        ([], "AMD64 Family 25 Model 33 Stepping 0, AuthenticAMD", 25),
        ([], "arm", None),
    ],
)
def test_the_family_is_read_where_the_system_tells_it(lines, processor, expected, monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", lambda: lines)
    monkeypatch.setattr(machine.platform, "processor", lambda: processor)
    machine.family.cache_clear()
    try:
        assert machine.family() == expected
    finally:
        machine.family.cache_clear()


def test_without_proc_torch_is_asked(monkeypatch):
    machine._processor_flags.cache_clear()
    monkeypatch.setattr(machine, "_cpuinfo", list)
    try:
        flags = machine._processor_flags()
    finally:
        machine._processor_flags.cache_clear()
    assert ("amx_bf16" in flags) == torch.cpu._is_amx_tile_supported()


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_told(name):
    with pytest.raises(ValueRefusedError, match="device cannot be used here") as refused:
        machine.check_device(name)
    assert "cpu" in str(refused.value)


def test_a_machine_is_described():
    facts = machine.describe()
    assert facts["processor"] and facts["cores"] >= 1 and facts["torch"] == torch.__version__
    recipe = machine.resolve(Recipe(), nn.Linear(2, 2))
    assert machine.describe(recipe.machine)["precision"] == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("layout", ["contiguous", "channels-last"])
def test_both_precisions_and_layouts_train(precision, layout, epochs_of):
    """A net that has to find a corner of the image learns it either way."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 2, (160,), generator=generator)
    inputs = 0.3 * torch.randn(160, 1, 8, 8, generator=generator)
    inputs[targets == 1, :, :4, :4] += 1
    batches = epochs_of([(inputs[i : i + 20], targets[i : i + 20]) for i in range(0, 120, 20)])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(128, 2),
        )  # fmt: skip
    trained = train(
        model, batches, validation=[(inputs[120:], targets[120:])], epochs=8,
        learning_rate=0.01, precision=precision, layout=layout,
    )  # fmt: skip
    assert trained.best["accuracy"] > 0.95
    assert next(model.parameters()).dtype == torch.float32
    assert all(weight.is_contiguous() for weight in model.parameters())


def test_a_dense_net_is_wide_by_the_products_of_a_step(monkeypatch):
    net = nn.Sequential(nn.Linear(50, 256), nn.ReLU(), nn.Linear(256, 128), nn.Linear(128, 10))
    assert machine.kind_of(net) == machine.kind_of(net, 128) == "dense"
    assert machine.kind_of(net, 1024) == "wide-dense"
    monkeypatch.setattr(machine, "capability", lambda device: "amx")
    large = Recipe().with_values({"machine.device": "cpu", "data.batch_size": 1024})
    assert machine.resolve(large, net).machine.precision == "bf16"
    assert (
        machine.resolve(large.with_values({"data.batch_size": 64}), net).machine.precision == "fp32"
    )
