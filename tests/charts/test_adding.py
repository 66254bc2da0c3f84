"""The example in docs/adding/chart.md draws what it says."""

import importlib.util
from pathlib import Path

from gradatim.core.record import Record

ROOT = Path(__file__).parents[2]


def test_the_example_of_the_docs_draws(tmp_path):
    text = (ROOT / "docs" / "adding" / "chart.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    path = tmp_path / "gradient_norms.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("gradient_norms", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    steps = [{"event": "step", "step": n, "gradient_norm": 1 / n} for n in (1, 2, 4)]
    chart = module.chart(Record(steps))
    assert [row["y"] for row in chart.specification["layer"][0]["data"]["values"]] == [1, 0.5, 0.25]
    assert chart.alternative == "Gradient norm from 1.00 to 0.250."
