# Two commands do all the set-up on a machine with Python 3.11 or later: `make demo` and `make test`.
#
# TORCH says which torch is installed, e.g.
#   make test TORCH=torch==2.13.0
#   make demo TORCH="torch --index-url https://download.pytorch.org/whl/cpu"   (a CPU build)

PYTHON ?= python3
TORCH ?= torch
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: demo test lint types tests clean

# The main job on embedded data: climb the ladder on handwritten digits, end with a report.
demo: $(VENV)/installed
	$(BIN)/gradatim fit digits --budget 75s

# Everything continuous integration runs.
test: lint types tests

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

# Two processes with one thread each are faster than one with two.
tests: export OMP_NUM_THREADS = 1
tests: $(VENV)/installed-dev
	$(BIN)/pytest -n 2

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	touch $@

# torch first and by itself, so that the variable decides which build it is.
$(VENV)/torch: $(VENV)/python
	$(BIN)/python -m pip install --quiet $(TORCH)
	touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

clean:
	$(PYTHON) -c "import shutil; shutil.rmtree('$(VENV)', ignore_errors=True)"
