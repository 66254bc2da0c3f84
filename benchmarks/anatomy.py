"""Seconds and memory to count a network: `gradatim.anatomy` beside torchinfo, fvcore, torchlens.

    OMP_NUM_THREADS=1 python benchmarks/anatomy.py            resnet18, vgg19, resnet152
    OMP_NUM_THREADS=1 python benchmarks/anatomy.py --peers DIR

Each tool counts each network in a fresh process, twice: the first time includes what it loads, the
second does not. Memory is the peak of the process beyond that of importing PyTorch; Gradatim's
networks are on the meta device, which the peers cannot take (their weights are real). A tool that
is not installed is left out.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time

NETWORKS = ("resnet18", "vgg19", "resnet152")
TOOLS = ("gradatim", "gradatim without witnesses", "torchinfo", "fvcore", "torchlens")


def peak():
    """Peak memory of this process in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def counter(tool, name):
    """Return a function that counts a network and answers its MACs."""
    import torch

    from gradatim import models

    if tool.startswith("gradatim"):
        from gradatim.anatomy.named import explain_named

        witnesses = tool == "gradatim"
        return lambda: explain_named(name, witnesses=witnesses).totals.macs.value
    module = models.full_size(name).eval()
    x = torch.zeros(1, *module.full_input)
    if tool == "torchinfo":
        import torchinfo

        return lambda: torchinfo.summary(module, input_data=x, verbose=0).total_mult_adds
    if tool == "fvcore":
        import logging

        from fvcore.nn import FlopCountAnalysis

        logging.disable(logging.WARNING)
        return lambda: int(FlopCountAnalysis(module, x).total())
    import torchlens

    return lambda: int(torchlens.trace(module, x).total_flops_forward) // 2


def one(tool, name):
    """Count one network with one tool in this process, and print what it cost."""
    import torch  # noqa: F401 - its memory is not the tool's

    before = peak()
    count, times = counter(tool, name), []
    for _ in range(2):
        began = time.perf_counter()
        macs = count()
        times.append(time.perf_counter() - began)
    print(json.dumps({"first": times[0], "second": times[1], "MiB": peak() - before, "MACs": macs}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", default="", help="a folder in which the peers are installed")
    parser.add_argument("--one", nargs=2)
    options = parser.parse_args()
    if options.peers:
        sys.path.append(options.peers)
    if options.one:
        one(*options.one)
        return
    print(f"{'network':12}{'tool':26}{'first s':>9}{'second s':>10}{'MiB':>8}{'MACs':>18}")
    for name in NETWORKS:
        for tool in TOOLS:
            if importlib.util.find_spec(tool.partition(" ")[0]) is None:
                continue
            command = [sys.executable, __file__, "--peers", options.peers, "--one", tool, name]
            ran = subprocess.run(command, capture_output=True, text=True, env=os.environ)
            if ran.returncode:
                print(f"{name:12}{tool:26}{ran.stderr.strip().splitlines()[-1][:60]}")
                continue
            found = json.loads(ran.stdout.strip().splitlines()[-1])
            print(
                f"{name:12}{tool:26}{found['first']:9.2f}{found['second']:10.2f}"
                f"{found['MiB']:8.0f}{found['MACs']:18,}"
            )


if __name__ == "__main__":
    main()
