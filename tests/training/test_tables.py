"""Every row resolves, is documented and has a default; listing the rows loads no torch."""

import subprocess
import sys

import pytest

from gradatim.core.registry import describe, resolve
from gradatim.training import LOSSES, METRICS, OPTIMISERS, SCHEDULES, defaults

TABLES = {"loss": LOSSES, "optimiser": OPTIMISERS, "schedule": SCHEDULES, "metric": METRICS}


@pytest.mark.parametrize("kind", TABLES)
def test_rows_resolve_and_are_documented(kind):
    table = TABLES[kind]
    for name, text in describe(table).items():
        assert callable(resolve(table, name, kind))
        assert text.endswith((".", ":")), name


def test_every_optimiser_and_schedule_has_its_defaults():
    assert set(defaults.OPTIMISER) == set(OPTIMISERS)
    assert set(defaults.WARMUP) == set(SCHEDULES)


def test_the_tables_load_no_torch():
    code = (
        "import sys; from gradatim.training import LOSSES, OPTIMISERS, SCHEDULES, METRICS; "
        "import gradatim.training; assert 'torch' not in sys.modules; "
        "assert 'train' in dir(gradatim.training)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_resolve():
    import gradatim.training

    for name in gradatim.training.__all__:
        assert getattr(gradatim.training, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        gradatim.training.trian  # noqa: B018
