# make demo | test | lint | bench | results: each makes .venv and installs what it needs first.
# Needs Python 3.11 to 3.13 with venv (Debian, Ubuntu: python3-venv) and make. PYTHON=python3.12 takes another Python.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test lint bench results

demo: $(READY)
	$(BIN)/boxless demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	@for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

results: $(READY)
	$(BIN)/boxless reproduce --readme README.md

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "boxless needs Python 3.11 to 3.13; name one, as in: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "making .venv: some minutes, once"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@$(PIP) $(TORCH)
	@$(PIP) --editable '.[dev]'
	@touch $@
