"""Compare Gradatim with its peers, side by side in one run.

    python benchmarks/speed/run.py lenet FOLDER                     one workload, three rounds
    python benchmarks/speed/run.py table --rounds 5 --json t.json
    python benchmarks/speed/run.py lenet FOLDER --only gradatim,resident,plain

A round starts every contestant in turn, each in a process of its own; the order is turned round
every second round. The ratio of two contestants is taken within a round, so that what else the machine
does weighs on both; the table shows the median ratio and the range over the rounds. ``wall`` is what a user waits;
``processor`` is seconds of processor time, of workers too: the figure to trust where other work
shares the cores. A contestant whose package is not installed is left out, with the reason.

Peers: ``pip install -r benchmarks/speed/requirements-peers.txt`` (5.6 GB; PyTorch of that file
brings CUDA). Gradatim runs in the same environment, from ``PYTHONPATH=src``; ``--python NAME=PATH`` gives a
contestant an interpreter of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
IMAGE_PEERS = ["plain", "plain-best", "lightning", "lightning-best", "fastai", "fastai-best"]
KERAS = ["keras-torch", "keras-jax"]
KERAS_BEST = ["keras-torch-best", "keras-jax-best"]
WORKLOADS = {
    "lenet": ("images.py", ["--model=lenet", "--size=32"], [*IMAGE_PEERS, *KERAS, *KERAS_BEST]),
    "resnet18": ("images.py", ["--model=resnet18", "--size=64"], IMAGE_PEERS),
    "clothing": (
        "images.py",
        ["--model=resnet18", "--size=224", "--stored=0", "--batch=32", "--steps=8"],
        ["plain", "plain-best", "lightning", "fastai"],
    ),
    "table": ("table.py", [], ["plain", "skorch", *KERAS]),
    "characters": ("characters.py", [], ["plain", *KERAS]),
    "neighbours": ("neighbours.py", [], ["scikit-learn", "faiss"]),
    "predict": ("predicting.py", [], ["plain"]),
}


def started(python, script, contestant, arguments):
    """Run one contestant; return what it told, or why it told nothing."""
    done = subprocess.run(
        [python, HERE / script, contestant, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return None, (done.stderr.strip().splitlines() or ["no output"])[-1]
    return json.loads(lines[-1]), ""


def rates(result, lap):
    """Return samples per second by the wall and by the processors, of one lap."""
    if lap == "audit + epoch 1":
        both = [one for one in result["laps"] if one["name"] in ("audit", "epoch 1")]
        samples = both[-1]["samples"]
        return {kind: samples / sum(one[kind] for one in both) for kind in ("wall", "processor")}
    one = next(one for one in result["laps"] if one["name"] == lap)
    return {kind: one["samples"] / max(one[kind], 1e-9) for kind in ("wall", "processor")}


def table(rounds, contestants, lap, peers_lap):
    """Return lines of Markdown: rates, and Gradatim's against each contestant's."""
    lines = [
        f"| {lap} | samples/s, wall | samples/processor-s | Gradatim's, wall | Gradatim's, processor |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in contestants:
        played = [one for one in rounds if name in one and "gradatim" in one]
        if not played:
            continue
        mine = [rates(one["gradatim"], lap) for one in played]
        theirs = [rates(one[name], lap if name == "gradatim" else peers_lap) for one in played]
        cells = [f"{median(t[kind] for t in theirs):,.0f}" for kind in ("wall", "processor")]
        for kind in ("wall", "processor"):
            ratios = sorted(m[kind] / t[kind] for m, t in zip(mine, theirs, strict=True))
            cells.append(f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        if name == "gradatim":
            cells[2:] = ["", ""]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("arguments", nargs="*", help="of the workload, e.g. the folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="contestants, separated by commas")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--json", type=Path, help="keep every lap of every round")
    options, further = parser.parse_known_args()
    script, arguments, peers = WORKLOADS[options.workload]
    contestants = ["gradatim", "resident", *peers]
    if options.workload in ("neighbours", "predict"):
        contestants.remove("resident")
    if options.only:
        contestants = options.only.split(",")
    pythons = dict(pair.split("=", 1) for pair in options.python)
    rounds, left_out = [], {}
    for number in range(options.rounds):
        told = {}
        for name in contestants if number % 2 == 0 else reversed(contestants):
            if name in left_out:
                continue
            python = pythons.get(name, sys.executable)
            result, why = started(python, script, name, [*options.arguments, *arguments, *further])
            if result is None:
                left_out[name] = why
                print(f"{name} is left out: {why}", file=sys.stderr)
                continue
            told[name] = result
            laps = ", ".join(f"{one['name']} {one['wall']:.2f}/{one['processor']:.2f} s"
                             for one in result["laps"])  # fmt: skip
            print(f"round {number + 1} {name}: {laps}", file=sys.stderr, flush=True)
        rounds.append(told)
        if options.json:
            options.json.write_text(json.dumps({"workload": options.workload, "rounds": rounds}))
    print(f"{options.workload}: {options.rounds} rounds, OMP_NUM_THREADS="
          f"{os.environ.get('OMP_NUM_THREADS', 'unset')}, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    last = "search" if options.workload == "neighbours" else "epoch 2"
    print("\n".join(table(rounds, contestants, last, last)))
    if script == "images.py":
        print("\n".join(["", *table(rounds, contestants, "audit + epoch 1", "epoch 1")]))


if __name__ == "__main__":
    main()
