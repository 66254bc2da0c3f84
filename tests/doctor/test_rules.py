"""The table of rules, their pages, and what single rules say of made-up Records."""

import importlib.util
import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from gradatim.core.finding import Finding
from gradatim.core.record import Record
from gradatim.core.registry import resolve
from gradatim.doctor import RULES, diagnose
from gradatim.doctor.causes import EXPLAINS, ORDER, explains
from gradatim.doctor.diagnosis import ordered
from gradatim.doctor.explanation import PARTS, explain, markdown, parts
from gradatim.doctor.facts import Facts, entropy
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import NotSeen, Rule, Want
from gradatim.errors import UnknownNameError


def losses(values, rate=0.1):
    rows = [[i + 1, 0, value, rate, 1] for i, value in enumerate(values)]
    return {"event": "losses", "rows": rows, "seconds": 10.0, "looking": 0.1}


def backward(step, **more):
    reading = {"name": "cross_entropy", "chain": [], "labels": [8, 8], "right": [4, 4],
               "classes": 2, "samples": 16, "value": 0.69}  # fmt: skip
    reading.update(more.pop("loss", {}))
    event = {"event": "backward", "step": step, "value": reading["value"], "leaf": False,
             "complete": True, "reached": ["Net.a.weight"], "anonymous": 0, "losses": [reading],
             "tail": [], "sign": 1, "divided": 1.0, "summed": False, "averaged": False,
             "activations": [], "layers": [], "batch_norms": [], "hazards": [],
             "linear": False}  # fmt: skip
    return {**event, **more}


def update(step, **more):
    sizes = {"gradient": 0.1, "weight": 1.0, "update": 0.01}
    event = {"event": "update", "step": step, "optimiser": 0, "learning_rate": 0.1, "reset": True,
             "grew": True, "calls": ["zero_grad", "backward", "step"], "clips": [], "missing": [],
             "parameters": {"Net.a.weight": sizes}, "finite": True, "equal_rows": [],
             "equal_gradients": []}  # fmt: skip
    return {**event, **more}


def record(*events, steps=100):
    optimiser = {"event": "optimiser", "optimiser": 0, "kind": "SGD", "groups": [{"lr": 0.1}],
                 "parameters": [{"name": "Net.a.weight", "shape": [4, 4], "trainable": True}],
                 "file": "train.py", "line": 9}  # fmt: skip
    end = {"event": "unwatched", "step": steps, "worked": 10.0, "looking": 0.1, "exit": 0}
    return Record([optimiser, *events, end])


def names(verdict, level="alarm"):
    return [item.name for item in verdict.findings if item.level == level]


def test_the_doctor_loads_no_torch():
    code = (
        "import sys, gradatim.doctor as d\n"
        "from gradatim.core.record import Record\n"
        "d.diagnose(Record([])); d.explain('non-finite')\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_whole(name):
    rule = resolve(RULES, name, "fault")
    assert isinstance(rule, Rule)
    assert rule.name == name
    assert isinstance(rule.answer(Facts(Record([]))), NotSeen | list)
    found = parts(name)
    assert list(found) == ["", *PARTS]
    assert all(found.values())
    assert explain(name).title == name


DOCS = Path(__file__).parents[2] / "docs" / "faults"


@pytest.mark.parametrize("name", RULES)
def test_the_documentation_has_the_page_of_every_rule(name):
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == markdown(name), (
        "write it anew: python -m gradatim.doctor.explanation docs/faults"
    )
    assert f"({name}.md)" in (DOCS / "README.md").read_text(encoding="utf-8")


def test_an_unknown_fault_names_the_closest():
    with pytest.raises(UnknownNameError, match="did you mean 'double-softmax'"):
        explain("double-softmx")


def test_every_name_has_its_rank_and_causes_are_names():
    assert sorted(ORDER) == sorted(RULES)
    assert set(EXPLAINS) <= set(RULES)
    assert set().union(*EXPLAINS.values()) <= set(RULES)
    assert explains("double-softmax", "not-converging")
    assert not explains("not-converging", "double-softmax")


def test_no_fault_explains_itself_by_way_of_others():
    causes = {name: {cause for cause in ORDER if explains(cause, name)} for name in ORDER}
    assert len(list(TopologicalSorter(causes).static_order())) == len(ORDER)  # raises on a circle


def test_a_rate_too_high_explains_exploding_gradients_and_not_the_reverse():
    found = ordered([Finding("exploding-gradient", "alarm"),
                     Finding("learning-rate-too-high", "alarm")])  # fmt: skip
    assert [(item.name, item.because_of) for item in found] == [
        ("learning-rate-too-high", []),
        ("exploding-gradient", ["learning-rate-too-high"]),
    ]


def test_nothing_seen_is_unknown_not_healthy():
    verdict = diagnose(Record([]))
    assert verdict.verdict == "unknown"
    assert verdict.findings == []
    assert "missing-zero-grad" in verdict.not_seen


def test_the_verdict_is_json_with_the_primary_first():
    events = [update(step, reset=False) for step in range(1, 9)]
    verdict = diagnose(record(losses([0.7] * 100), *events))
    assert verdict.verdict == "sick"
    content = json.loads(json.dumps(verdict.to_dict()))
    first = content["findings"][0]
    assert content["schema"] == 1
    assert content["script_exit"] == 0
    assert content["overhead"] == pytest.approx(0.1 / 9.9, abs=1e-4)
    assert first["name"] == "missing-zero-grad"
    assert first["where"] == {"module": None, "parameter": None, "file": "train.py", "line": 9}
    assert set(first["evidence"][0]) == {"name", "got", "healthy", "unit"}
    assert first["cures"][0]["change"] == "optimizer.zero_grad()"


def test_what_is_not_finite_is_so_since_the_first_such_loss_and_not_since_the_weights_are():
    nan = float("nan")
    trouble = {"event": "trouble", "step": 5, "value": nan, "parameters": ["Net.a.weight"],
               "first": None, "hazards": []}  # fmt: skip
    seen = record(losses([0.7, nan, 0.7, nan, nan, nan]), trouble, steps=6)
    finding = next(item for item in diagnose(seen).findings if item.name == "non-finite")
    assert finding.step == 4
    assert finding.says == "the loss is not finite since step 4"
    late = record(losses([0.7, 0.6]), {**trouble, "step": 3}, steps=2)
    assert diagnose(late).findings[0].step == 3


def test_accumulating_within_a_step_is_not_a_missing_reset():
    events = [update(step, calls=["backward"] * 4 + ["step", "zero_grad"]) for step in range(1, 9)]
    assert diagnose(record(losses([0.7] * 20), *events, steps=20)).verdict == "healthy"


def test_wiped_gradients_alarm():
    zero = {"Net.a.weight": {"gradient": 0.0, "weight": 1.0, "update": 0.0}}
    events = [update(step, parameters=zero) for step in range(1, 9)]
    assert names(diagnose(record(losses([0.7] * 20), *events)))[0] == "gradients-wiped"


def test_the_primary_alarm_explains_the_others():
    alarms = [Finding("not-converging", "alarm"), Finding("dying-relu", "alarm"),
              Finding("learning-rate-too-high", "alarm")]  # fmt: skip
    found = ordered(alarms)
    assert found[0].name == "learning-rate-too-high"
    assert found[0].because_of == []
    assert {f.name: f.because_of for f in found}["dying-relu"] == ["learning-rate-too-high"]


def test_entropy_of_equal_counts_is_the_logarithm():
    assert entropy([5, 5, 5, 5]) == pytest.approx(1.3862943611)
    assert entropy([7, 0]) == 0.0


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        ([0.7] * 100, True),
        ([0.7 - 0.006 * i for i in range(100)], False),
        ([0.69, 0.3, 0.2] + [0.1] * 47 + [0.6] * 50, True),
        ([0.7] * 90 + [float("nan")] * 10, True),
        ([0.7] * 20, None),
        ([0.7, 1.0, 5.0] + [9.0] * 9, True),
        ([0.7, 9.0, 5.0] + [0.8] * 9, None),
        ([0.7, 9.0] + [float("inf")] * 6, True),
    ],
)
def test_a_run_does_badly_when_it_does_not_beat_the_baseline(values, bad):
    events = [backward(step, loss={"value": values[step - 1]}) for step in range(1, 9)]
    assert outcome(Facts(record(losses(values), *events, steps=len(values)))).bad is bad


def sum_of_two(entropy, squares, whole):
    """Return a backward pass whose loss is a sum: entropy, and half of a squared error."""
    first = {"name": "cross_entropy", "labels": [8, 8], "classes": 2, "factor": 1.0}
    second = {"name": "mse_loss", "constant": 2.0 * 15 / 16, "target": {"shape": [16]}}
    readings = [{**first, "value": entropy}, {**second, "value": squares, "factor": 0.5}]
    event = backward(1)
    return {**event, "losses": readings, "value": whole, "several_terms": True}


def test_the_yardstick_of_a_sum_is_the_sum_of_yardsticks_where_the_sum_is_explained():
    events = [{**sum_of_two(0.7, 2.0, 1.7), "step": step} for step in range(1, 9)]
    facts = Facts(record(losses([1.7] * 100), *events))
    assert facts.criterion is None
    assert facts.baseline == pytest.approx(0.6931 + 0.5 * 2.0, abs=1e-3)
    assert facts.late_loss == pytest.approx(1.7)
    assert outcome(facts).bad
    more = [{**event, "value": 3.0} for event in events]  # something else is minimised, too
    assert Facts(record(losses([3.0] * 100), *more)).baseline is None


def test_the_passes_of_a_step_that_accumulates_are_held_against_the_step_as_one():
    passes = [[0.2, 1.8], [1.9, 0.3], [0.4, 1.6]] * 4
    events = [backward(step, loss={"value": value})
              for step, pair in enumerate(passes, 1) for value in pair]  # fmt: skip
    rows = [[step, 0, sum(pair) / 4, 0.1, 2] for step, pair in enumerate(passes, 1)]
    kept = {"event": "losses", "rows": rows, "seconds": 1.0, "looking": 0.1}
    facts = Facts(record(kept, *events, steps=12))
    assert facts.criterion == "cross_entropy"
    assert facts.late_loss == pytest.approx(sum(map(sum, passes[-10:])) / 20)


def test_a_short_plateau_is_not_judged_while_the_script_runs():
    events = [losses([0.7] * 400), *[backward(step) for step in range(1, 9)]]
    assert outcome(Facts(Record(events), finished=False)).bad is None


def test_an_optimiser_that_owns_the_smaller_part_alarms_only_where_the_run_does_badly():
    names_of = ["Net.a.weight", "Net.b.weight", "Net.c.weight"]
    model = {"event": "model", "model": "Net", "step": 0, "modules": [], "parameters": [
        {"name": name, "shape": [4, 4], "trainable": True} for name in names_of]}  # fmt: skip
    events = [backward(step, reached=names_of) for step in range(1, 9)]
    events += [update(step) for step in range(1, 9)]
    name = "optimiser-owns-wrong-parameters"
    bad = diagnose(record(losses([0.7] * 100), model, *events))
    good = diagnose(record(losses([0.7 - 0.006 * i for i in range(100)]), model, *events))
    assert name in names(bad)
    assert name in names(good, "note")


def test_statistics_alone_never_alarm():
    dead = {"kind": "relu", "layer": "Net.a", "units": 10, "dead": 9, "samples": 600, "batches": 6}
    events = [backward(step, activations=[dead]) for step in range(1, 17)]
    good = record(losses([0.7 - 0.006 * i for i in range(100)]), *events)
    bad = record(losses([0.7] * 100), *events)
    assert "dying-relu" not in names(diagnose(good))
    assert "dying-relu" in names(diagnose(bad))


def test_double_softmax_needs_every_batch():
    doubled = {"chain": [{"name": "Softmax", "shape": [16, 2], "axis": 1}]}
    events = [backward(step, loss=doubled) for step in range(1, 9)]
    falling = losses([0.7 - 0.003 * i for i in range(100)])
    assert names(diagnose(record(falling, *events))) == ["double-softmax"]
    assert diagnose(record(falling, *events, backward(9))).verdict == "healthy"


def test_a_treatment_is_wanted_then_believed():
    events = [backward(step) for step in range(1, 9)] + [update(step) for step in range(1, 9)]
    sick = record(losses([0.7] * 100), *events)
    rule = resolve(RULES, "learning-rate-too-low", "fault")
    assert isinstance(rule.answer(Facts(sick)), Want)
    assert "learning-rate-tenfold" in diagnose(sick).wants
    better = record(losses([max(0.05, 0.7 - 0.01 * i) for i in range(100)]), *events)
    assert "learning-rate-too-low" in names(diagnose(sick, {"learning-rate-tenfold": better}))
    assert "learning-rate-too-low" not in names(diagnose(sick, {"learning-rate-tenfold": sick}))


def test_every_treatment_that_is_wanted_exists():
    from gradatim.doctor import rules
    from gradatim.treatments import TREATMENTS

    text = "".join(p.read_text(encoding="utf-8") for p in Path(rules.__path__[0]).glob("*.py"))
    assert all(f'"{name}"' in text for name in TREATMENTS)
    wanted = set(re.findall(r'Want\(\("([a-z-]+)"', text))
    assert wanted <= set(TREATMENTS)
    assert len(wanted) >= 7


def test_two_players_are_never_judged_by_their_losses():
    events = [update(s, optimiser=s % 2) for s in range(1, 9)] + [backward(s) for s in range(1, 9)]
    facts = Facts(record(losses([0.7] * 100), *events))
    assert facts.several_players
    assert outcome(facts).bad is None


@pytest.mark.parametrize("late", [{"constant": 0.2}, {"target": {"shape": [16], "mean": 3.0,
                                                                 "std": 1.0}}])  # fmt: skip
def test_targets_that_move_are_no_yardstick(late):
    still = {"name": "mse_loss", "value": 1.0, "constant": 1.0, "labels": None,
             "target": {"shape": [16], "mean": 0.0, "std": 1.0}}  # fmt: skip

    def seen(*ends):
        losses_of = [still] * 12 + list(ends)
        events = [backward(step, loss=loss) for step, loss in enumerate(losses_of, 1)]
        return Facts(record(losses([1.0] * 100), *events))

    assert outcome(seen(*[still] * 4)).bad
    assert outcome(seen(*[{**still, **late}] * 4)).bad is None


@pytest.mark.parametrize(("shares", "bad"), [([1.0, 0.9], True), ([0.4, 1.6], None)])
def test_a_part_of_the_loss_is_no_yardstick(shares, bad):
    """Beside another term, the criterion must make up the loss at most steps."""
    critic = {"name": "mse_loss", "value": 0.7, "constant": 0.65, "labels": None,
              "target": {"shape": [16], "mean": 0.0, "std": 0.8}}  # fmt: skip
    values = [0.7 * shares[step % 2] for step in range(100)]
    events = [backward(step + 1, loss=critic, several_terms=True) for step in range(8)]
    facts = Facts(record(losses(values), *events))
    assert facts.part is None
    assert outcome(facts).bad is bad


@pytest.mark.parametrize(
    ("own", "last", "bad"), [(0.69, 1.4, True), (0.69, 0.8, None), (0.5, 1.4, None)]
)
def test_a_classifying_part_at_chance_tells_where_the_whole_has_not_fallen(own, last, bad):
    values = [1.4 + (last - 1.4) * step / 99 for step in range(100)]
    events = [
        backward(step, loss={"value": own}, value=values[step - 1], several_terms=True)
        for step in range(1, 9)
    ]
    seen = record(losses(values), *events, *[update(step) for step in range(1, 9)])
    facts = Facts(seen)
    assert facts.criterion is None
    assert facts.part == pytest.approx(own / 0.6931, abs=1e-3)
    assert outcome(facts).bad is bad
    assert "learning-rate-tenth" in diagnose(seen).wants


@pytest.mark.parametrize(("rms", "found"), [(0.0, False), (0.001, False), (0.1, True)])
def test_a_weight_that_begins_at_zero_is_no_measure_of_the_others_gradient(rms, found):
    """Its gradient divided by what it weighs after a step is huge, whatever the depth."""
    sizes = {"a": 1e-4, "b": 1e-4, "c": 1e-4, "d": 1e-4, "last": 1e3}
    described = [{"name": name, "shape": [4, 4], "trainable": True, "rms": 0.1} for name in sizes]
    described[-1]["rms"] = rms
    optimiser = {"event": "optimiser", "optimiser": 0, "kind": "SGD", "groups": [{"lr": 0.1}],
                 "parameters": described, "file": "train.py", "line": 9}  # fmt: skip
    moved = {name: {"gradient": 0.1 * size, "weight": 0.1, "update": 0.01}
             for name, size in sizes.items()}  # fmt: skip
    steps = [update(step, parameters=moved) for step in range(1, 9)]
    verdict = diagnose(record(losses([0.7] * 100), optimiser, *readings(), *steps))
    assert ("vanishing-gradient" in names(verdict)) is found


@pytest.mark.parametrize(("meant", "late", "found"), [(1.0, 0.7, True), (0.2, 0.7, False),
                                                      (1.0, 0.1, False)])  # fmt: skip
def test_a_warm_up_that_never_ends_is_a_fault_of_the_schedule(meant, late, found):
    rows = [[step, 0, 0.7 + (late - 0.7) * step / 100, 1e-3 * step, 1] for step in range(1, 101)]
    rising = {"event": "losses", "rows": rows, "seconds": 10.0, "looking": 0.1}
    optimiser = {"event": "optimiser", "optimiser": 0, "kind": "SGD", "parameters": [],
                 "groups": [{"lr": 1e-3, "initial_lr": meant}], "file": "train.py", "line": 9}  # fmt: skip
    events = readings(loss={"value": None})
    assert ("schedule-bug" in names(diagnose(record(rising, optimiser, *events)))) is found


@pytest.mark.parametrize(("samples", "found"), [(100, False), (10_000, True)])
def test_overfitting_shows_in_accuracy_beyond_chance(samples, found):
    """Five points of 100 samples are chance, of 10,000 they are not."""

    def evaluation(step, value, accuracy):
        right = round(samples * accuracy)
        loss = {
            "name": "cross_entropy",
            "value": value,
            "labels": [samples, 0],
            "right": [right, 0],
        }
        return {"event": "evaluation", "step": step, "training": False, "model": "Net",
                "loss": loss}  # fmt: skip

    pairs = [(0.4, 0.9), (0.2, 0.95), (0.3, 0.93), (0.5, 0.91), (0.55, 0.9), (0.6, 0.9)]
    seen = [evaluation(20 * i + 20, *pair) for i, pair in enumerate(pairs)]
    verdict = diagnose(record(losses([0.6] * 20 + [0.1] * 100), *readings(), *seen, steps=120))
    assert ("overfitting" in names(verdict)) is found


def readings(count=8, **more):
    return [backward(step, **more) for step in range(1, count + 1)]


def epochs(*accuracies):
    return [
        {"event": "epoch", "validation": {"loss": 1.0 - 0.1 * i, "accuracy": value}}
        for i, value in enumerate(accuracies)
    ]


SATURATED = {"kind": "tanh", "layer": "Net.a", "saturated": 0.9, "gate": False, "units": 8,
             "samples": 600, "batches": 6}  # fmt: skip
SAME = [{"event": "samples", "step": step, "fingerprints": [7] * 16, "again": 0}
        for step in range(1, 9)]  # fmt: skip
PASS = {"event": "forward", "step": 1, "model": "Net", "training": True, "gradient": True,
        "samples": 16, "inputs": [], "calls": [], "modal": [], "file": "t.py", "line": 3}  # fmt: skip
FALLING = [0.69 - 0.001 * i for i in range(200)]

# Names without a program of their own among the cases, as their first diagnosis.
MADE_UP = {
    "degenerate-data": record(losses([0.7] * 100), PASS, *SAME, *readings()),
    "initial-loss-off": record(losses([9.0] + [0.7] * 99), *readings()),
    "not-converging": record(losses([0.7] * 300), *readings(), steps=300),
    "oscillating-loss": record(losses(([0.7] * 10 + [1.4] * 5 + [0.7] * 5) * 5), *readings()),
    "saturated-activation": record(losses([0.7] * 100), *readings(activations=[SATURATED])),
    "underfitting": record(losses([0.5] * 200), *readings(loss={"value": 0.5}), steps=200),
    "wrong-metric": Record(epochs(0.5, 0.5, 0.5, 0.5, 0.5)),
}


@pytest.mark.parametrize("name", MADE_UP)
def test_a_rule_without_a_program_fires_on_a_made_up_record(name):
    verdict = diagnose(MADE_UP[name])
    assert name in [item.name for item in verdict.findings]
    healthy = record(losses(FALLING), *readings(), *epochs(0.5, 0.6, 0.7, 0.8, 0.9), steps=200)
    assert name not in [item.name for item in diagnose(healthy).findings]


def test_every_rule_has_a_patient():
    path = Path(__file__).parents[1] / "faults" / "cases.py"
    spec = importlib.util.spec_from_file_location("cases", path)
    cases = sys.modules["cases"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    assert set(RULES) == {case.accept[0] for case in cases.CASES} | set(MADE_UP)


def answers(name, *events, steps=100, trials=None):
    """Return what one rule says of a made-up Record: its findings, or that it wants a trial."""
    others = {key: Facts(other) for key, other in (trials or {}).items()}
    return resolve(RULES, name, "fault").answer(Facts(record(*events, steps=steps), others))


def trained(curve, steps=range(1, 9), loss=None, **more):
    """Return the losses of a run and what was read of some of its steps."""
    read = [backward(s, loss={"value": curve[s - 1], **(loss or {})}, **more) for s in steps]
    return [losses(curve), *read]


def net(*names, **more):
    """Return a model of square weights."""
    shape = {"shape": [16, 16], "trainable": True, **more}
    weights = [{"name": f"Net.{name}.weight", **shape} for name in names]
    return {"event": "model", "model": "Net", "step": 0, "modules": [], "parameters": weights}


def layer(index, shape, given, **more):
    """Return a layer that is linear in what the one before it gives."""
    return {
        "parameters": [f"Net.{index}.weight"], "shape": shape, "input_shape": given,
        "linear_from_last": index > 0, "varies": 1.0, **more,
    }  # fmt: skip


@pytest.mark.parametrize(("rate", "wanted"), [(0.02, False), (0.5, True)])
def test_steps_that_are_long_make_a_middling_fit_suspect(rate, wanted):
    name = "learning-rate-too-high"
    moving = {"Net.a.weight": {"gradient": 0.1, "weight": 1.0, "update": rate}}
    events = [net("a"), *trained([0.69, *[0.25] * 99])]
    events += [update(step, parameters=moving) for step in range(1, 9)]
    assert isinstance(answers(name, *events), Want) == wanted
    calm = record(*trained([0.69, *[0.02] * 99]))
    found = answers(name, *events, trials={"learning-rate-tenth": calm})
    assert [item.name for item in found] == ([name] if wanted else [])


@pytest.mark.parametrize(("count", "level"), [(3, "alarm"), (8, "note")])
def test_one_layer_less_is_no_reason_why_a_deep_network_learns_nothing(count, level):
    layers = [layer(i, [16, 8], [16, 8]) for i in range(count)]
    (found,) = answers("missing-nonlinearity", *trained([0.7] * 100, layers=layers))
    assert found.level == level


@pytest.mark.parametrize(("classes", "found"), [(3, ["too-little-capacity"]), (2, [])])
def test_one_number_is_too_narrow_for_three_classes_and_not_for_two(classes, found):
    layers = [
        layer(0, [16, 3], [16, 1], only_way=False),
        layer(1, [16, classes], [16, 1], only_way=True),
    ]
    counts = {"labels": [6] * classes, "right": [2] * classes, "classes": classes}
    curve = [1.1 - 0.004 * i for i in range(100)]
    answer = answers("too-little-capacity", *trained(curve, loss=counts, layers=layers))
    assert [item.name for item in answer] == found


@pytest.mark.parametrize(("last", "level"), [(0.4, "alarm"), (0.2, "note")])
def test_a_third_left_to_no_optimiser_alarms_where_the_fit_stays_poor(last, level):
    events = trained([0.69, *[last] * 99], reached=["Net.a.weight", "Net.b.weight"])
    events += [net("a", "b"), *[update(step) for step in range(1, 9)]]
    (found,) = answers("optimiser-owns-wrong-parameters", *events)
    assert found.level == level


@pytest.mark.parametrize(
    ("dropout", "right", "found"), [(0, 3, 1), (0.2, 3, 1), (0.2, 4, 0), (0.6, 3, 0)]
)
def test_light_dropout_does_not_explain_labels_that_training_gets_wrong(dropout, right, found):
    drop = {"name": "Net.d", "kind": "Dropout", "dropout": True, "batchnorm": False, "p": dropout}
    counted = {"name": "cross_entropy", "value": 0.4, "labels": [100, 100], "right": [75, 75]}
    seen = {"event": "evaluation", "step": 90, "model": "Net", "training": False, "loss": counted}
    steps = range(1, 100, 9)
    events = trained([0.6] * 100, steps=steps, loss={"right": [right, right]})
    assert len(answers("label-noise", {**net(), "modules": [drop]}, *events, seen)) == found


@pytest.mark.parametrize(
    ("first", "late", "found"), [(50.0, 0.4, True), (50.0, 0.1, False), (0.8, 0.4, False)]
)
def test_weights_far_too_large_alarm_where_the_loss_began_far_off_and_stays_high(
    first, late, found
):
    layers = [layer(i, [16, 16], [16, 16]) for i in range(3)]
    events = [net("a", "b", rms=5.0), *trained([first, *[late] * 99], layers=layers)]
    assert bool(answers("badly-scaled-init", *events)) == found


@pytest.mark.parametrize(("fall", "found"), [(0.012, True), (0.002, False)])
def test_all_samples_in_each_of_few_steps_that_still_fall(fall, found):
    curve = [0.3 * (1 - fall) ** step for step in range(40)]
    seen = [
        {"event": "samples", "step": s, "fingerprints": list(range(300)), "again": 300 * (s > 1)}
        for s in range(1, 6)
    ]
    counts = {"labels": [150, 150], "right": [80, 80], "samples": 300}
    events = [*trained(curve, loss=counts), *seen]
    assert bool(answers("batch-size-unsuited", *events, steps=40)) == found


@pytest.mark.parametrize(
    ("before", "after", "alarms"), [(60, 85, True), (60, 66, False), (90, 99, False)]
)
def test_squared_errors_of_classes_alarm_where_cross_entropy_predicts_more(before, after, alarms):
    def run(right):
        paired = {"labels": [100, 100], "right": [right, right]}
        seen = {
            "event": "evaluation",
            "step": 90,
            "model": "Net",
            "training": False,
            "paired": paired,
        }
        loss = {"name": "mse_loss", "labels": None, "constant": 0.25, "classes": None,
                "target": {"shape": [16, 2], "low": 0.0, "high": 1.0, "one_hot": True}}  # fmt: skip
        return [*trained([0.25, *[0.1] * 99], loss=loss), seen]

    first = answers("wrong-loss", *run(before))
    assert isinstance(first, Want) == (before < 85)
    (found,) = answers("wrong-loss", *run(before), trials={"cross-entropy": record(*run(after))})
    assert (found.level == "alarm") == alarms


@pytest.mark.parametrize(("scheduled", "found"), [(True, ["schedule-bug"]), (False, [])])
def test_a_warm_up_that_nobody_steps(scheduled, found):
    optimiser = {"event": "optimiser", "optimiser": 0, "kind": "SGD", "parameters": [],
                 "groups": [{"lr": 1e-4, "initial_lr": 0.1}], "file": "train.py", "line": 9}  # fmt: skip
    schedule = {"event": "scheduler", "kind": "LambdaLR", "file": "train.py", "line": 12}
    events = [optimiser, *[schedule] * scheduled, losses([0.7] * 100, rate=1e-4)]
    events += [backward(step) for step in range(1, 9)]
    assert [item.name for item in answers("schedule-bug", *events)] == found


def folds(rates, apart=True):
    """Return two optimisers that follow one another, or take turns."""
    made = [{"event": "optimiser", "optimiser": n, "kind": "SGD", "groups": [{"lr": rate}],
             "parameters": [], "file": "train.py", "line": 9}
            for n, rate in enumerate(rates)]  # fmt: skip
    owner = (lambda step: step > 50) if apart else (lambda step: step % 2)
    return [*made, *[update(s, optimiser=int(owner(s))) for s in range(1, 101, 7)]]


@pytest.mark.parametrize(
    ("rates", "apart", "known"),
    [((0.1, 0.1), True, True), ((0.1, 0.1), False, False), ((0.1, 1.0), True, False)],
)
def test_folds_are_one_run_and_players_or_a_search_are_not(rates, apart, known):
    facts = Facts(record(*folds(rates, apart), *trained([0.7] * 100)))
    assert facts.several_runs == known
    assert (facts.baseline is not None) == known
    assert bool(outcome(facts).bad) == known


def test_labels_that_tell_real_from_made_up_samples_are_not_unsorted():
    real = {"event": "labels", "counts": [0, 16]}
    made = {"event": "labels", "counts": [16, 0]}
    both = [{**kind, "step": step} for step in range(1, 17) for kind in (real, made)]
    events = trained([0.7] * 100, loss={"labels": None})
    assert answers("not-shuffled", *events, *both) == []
    apart = [{**(real if step > 8 else made), "step": step} for step in range(1, 17)]
    assert len(answers("not-shuffled", *events, *apart)) == 1


@pytest.mark.parametrize(("shape", "found"), [([16, 4, 9, 9], 1), ([9, 16, 4], 0)])
def test_attention_over_the_samples_of_a_batch(shape, found):
    events = [backward(step, over_first_axis=[shape]) for step in range(1, 9)]
    assert len(answers("softmax-over-batch", *events)) == found


@pytest.mark.parametrize(("shape", "found"), [([50, 7, 8], 1), ([7, 50, 8], 0), ([50, 50, 8], 0)])
def test_a_loader_s_batch_in_the_place_of_time(shape, found):
    call = {"name": "Net.rnn", "kind": "GRU", "shape": shape, "batch_first": False}
    passes = [{"event": "forward", "model": "Net", "step": s, "training": True, "calls": [call],
               "file": "train.py", "line": 3} for s in range(1, 5)]  # fmt: skip
    loader = {"event": "loader", "batch_size": 50, "samples": 500, "sampler": "RandomSampler"}
    words = [backward(step, loss={"samples": 31}) for step in range(1, 5)]
    assert len(answers("swapped-axes", loader, *passes, *words)) == found


def test_parameters_owned_twice_while_others_are_owned_by_none():
    weights = [{"name": "Net.a.weight", "shape": [4, 4], "trainable": True}]
    owners = [{"event": "optimiser", "optimiser": n, "kind": "Adam", "groups": [], "file": "gan.py",
               "parameters": weights, "line": 9 + n} for n in (0, 1)]  # fmt: skip
    events = [net("a", "b", "c"), *[update(s, optimiser=s % 2) for s in range(1, 9)]]
    events += trained([0.7] * 100, reached=["Net.a.weight", "Net.b.weight"])
    name = "optimiser-owns-wrong-parameters"
    assert [item.level for item in answers(name, *events, *owners)] == ["alarm"]
    apart = {**owners[1], "parameters": [{**weights[0], "name": "Net.c.weight"}]}
    assert [item.level for item in answers(name, *events, owners[0], apart)] == ["note"]


@pytest.mark.parametrize(("count", "found"), [(1, []), (2, ["inputs-not-normalised"])])
def test_a_table_beside_raw_numbers_does_not_normalise_them(count, found):
    raw = {
        "shape": [16, 3],
        "kind": "float32",
        "mean": 900.0,
        "std": 700.0,
        "low": 0.0,
        "high": 3e3,
    }
    passes = [{"event": "forward", "model": "Net", "step": s, "training": True, "inputs": [raw] * count,
               "calls": [{"name": "Net.t", "kind": "Embedding"}], "file": "train.py", "line": 3}
              for s in range(1, 9)]  # fmt: skip
    answer = answers("inputs-not-normalised", *passes, *trained([0.7] * 100))
    assert [item.name for item in answer] == found


@pytest.mark.parametrize(
    ("kind", "rate", "found"), [("AdamW", 3e-3, 1), ("AdamW", 1e-5, 0), ("Adam", 3e-3, 0)]
)
def test_a_decay_that_takes_a_part_of_each_weight_in_every_step(kind, rate, found):
    optimiser = {"event": "optimiser", "optimiser": 0, "kind": kind, "parameters": [],
                 "groups": [{"lr": rate, "weight_decay": 100.0}], "file": "t.py", "line": 9}  # fmt: skip
    events = [*trained([0.7] * 100), *[update(step) for step in range(1, 9)]]
    answer = answers("weight-decay-too-high", optimiser, *events)
    assert (0 if isinstance(answer, Want) else len(answer)) == found


@pytest.mark.parametrize(("late", "bad"), [(1e18, True), (1e9, None)])
def test_an_astronomical_loss_needs_no_yardstick(late, bad):
    reading = {"name": "mse_loss", "value": late, "labels": None}
    events = [backward(step, loss=reading) for step in range(1, 9)]
    curve = losses([100 * late, *[late] * 99])
    assert outcome(Facts(record(curve, *events))).bad is bad


@pytest.mark.parametrize(("gradient", "found"), [(None, 1), (0.1, 0)])
def test_steps_without_any_backward_pass(gradient, found):
    sizes = {"gradient": gradient, "weight": 1.0, "update": 0.0}
    seen = {"missing": ["Net.a.weight"], "parameters": {}, "grew": False, "calls": ["step"]}
    seen = seen if gradient is None else {"missing": [], "parameters": {"Net.a.weight": sizes}}
    answer = answers("gradients-wiped", *[update(s, **seen) for s in range(1, 10)])
    assert len(answer) == found


@pytest.mark.parametrize(
    ("made", "found"), [([{"file": "train.py", "line": 8}], True), ([], False)]
)
def test_an_optimiser_that_never_steps(made, found):
    passes = [{"event": "forward", "model": "Net", "step": 1, "training": True, "calls": []}] * 9
    end = {"event": "unwatched", "step": 0, "worked": 1.0, "looking": 0.1, "exit": 0, "idle": made}
    kept = Record([net("a"), *passes, *[backward(1)] * 9, end])
    answer = resolve(RULES, "frozen-parameters", "fault").answer(Facts(kept))
    assert isinstance(answer, NotSeen) != found
    assert not found or answer[0].where.line == 8


@pytest.mark.parametrize(
    ("before", "names_of"),
    [("Sigmoid", {"non-finite", "learning-rate-too-high"}), ("Addmm", {"loss-input-mismatch"})],
)
def test_a_loss_that_refuses_its_input_met_no_number_or_scores(before, names_of):
    curve = [0.7, 90.0, 7e9]
    reading = {"name": "binary_cross_entropy", "chain": [{"name": before, "shape": [16]}]}
    events = [*trained(curve, steps=range(1, 4), loss=reading), *map(update, range(1, 4))]
    end = {"event": "unwatched", "step": 3, "worked": 1.0, "looking": 0.1, "exit": 1,
           "error": "RuntimeError", "message": "all elements of input should be between 0 and 1"}  # fmt: skip
    found = set(names(diagnose(Record([*record(*events).events[:-1], end]))))
    assert found >= names_of
    assert ("loss-input-mismatch" in found) == ("loss-input-mismatch" in names_of)
