"""Bits a character on a real text: n-grams by Kneser-Ney against a next-character LSTM.

    OMP_NUM_THREADS=1 python benchmarks/characters.py kjv.txt

Both learn from the first 75 % of the text and are measured on the last 15 %; the 10 % between them
choose the LSTM's epoch. The text used for the committed result is the King James Bible (public
domain) of the Debian package bible-kjv-text, one verse a line without its number:

    bible -f gen1:1-rev22:21 | sed -E 's/^[1-4]?[A-Za-z]+[0-9]+:[0-9]+ //' > kjv.txt
"""

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path

import gradatim

ORDERS = (3, 4, 5, 6, 7)


def fitted(text, model, out, **settings):
    began = time.perf_counter()
    run = gradatim.fit(text, model=model, out=out, **settings)
    test = run.test
    return {
        "model": model,
        "bits": test["value"],
        "low": test["low"],
        "high": test["high"],
        "perplexity": test["language"]["perplexity"],
        "characters": test["language"]["characters"],
        "seconds": time.perf_counter() - began,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--keep", type=Path, help="folder for the runs")
    chosen = parser.parse_args()
    content = chosen.text.read_bytes()
    print(f"{len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    with tempfile.TemporaryDirectory() as folder:
        place = chosen.keep or Path(folder)
        rows = [
            fitted(
                chosen.text,
                "ngram",
                place / f"ngram{order}",
                epochs=1,
                settings={"model.order": order},
            )
            | {"model": f"Kneser-Ney {order}-gram"}
            for order in ORDERS
        ]
        lstm = fitted(
            chosen.text,
            "lstm",
            place / "lstm",
            epochs=chosen.epochs,
            precision=chosen.precision,
            settings={"model.hidden": chosen.hidden},
        )
        rows.append(lstm | {"model": f"LSTM, {chosen.hidden} units, {chosen.epochs} epochs"})
    for row in rows:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
