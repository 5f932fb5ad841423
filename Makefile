# make run    set up .venv and run the workflow (SCALE=smoke|mini|hour|paper, default mini)
# make plan   what that would cost, before anything starts (SCALE likewise): jobs, hours here, disk, downloads
# make test   set up .venv and run the tests; says which lines they do not reach
# make lint   ruff, snakefmt, mypy and snakemake --lint
# make documents  renew schemas and tables of keys, which are generated from leignn/config
# make docs-figures  run the workflow and renew the pictures in README.md (of the page: with a Chromium)
# make paper  the published sizes on OC20: needs network and a GPU
# Needs Python 3.11, git and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SCALE ?= mini
CORES ?= all
BIN := .venv/bin
# The rules run `python`.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: docs-figures documents run plan test lint paper setup

run: setup
	$(BIN)/snakemake --cores $(CORES) --config scale=$(SCALE)

plan: setup
	$(BIN)/snakemake plan --quiet all --cores $(CORES) --config scale=$(SCALE)

paper: setup
	$(BIN)/snakemake --cores $(CORES) --config scale=paper

documents: setup
	$(BIN)/python -m leignn document-config

docs-figures: run
	$(BIN)/python -m leignn document-figures --folder results --runs $$(dirname results/runs/*/$(SCALE)/*/seed*/metrics.json) \
	  --readme README.md --output docs/figures

test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest --cov --cov-report=term

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

setup: .venv/installed

.venv/installed: requirements.txt requirements-nodeps.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 is needed: install it, or name it: make PYTHON=/path/to/python3.11"; exit 2; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-nodeps.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
