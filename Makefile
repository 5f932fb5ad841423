# make run    set up .venv and run the workflow (SCALE=smoke|mini|hour|paper, default mini)
# make plan   what that would cost, before anything starts (SCALE likewise): jobs, hours here, disk, downloads
# make test   set up .venv and run the tests
# make coverage  the same, slower: says which lines they do not reach
# make lint   ruff, snakefmt, mypy and snakemake --lint
# make documents  renew schemas and tables of keys, which are generated from leignn/config
# make docs-figures  run the workflow and renew the pictures in README.md (of the page: with a Chromium)
# make paper  the published sizes on OC20: needs network and a GPU
# Needs git, make, and Python 3.11, 3.12 or 3.13 with its venv module; or uv, which fetches a Python where none fits.

# The newest with wheels of everything first: of CHGNet there is none for 3.13. Asked to run, since a shim may not.
FITS := 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
ifndef PYTHON
PYTHON := $(shell for python in python3.12 python3.11 python3.13 python3; do \
  $$python -c $(FITS) 2> /dev/null && command -v $$python && break; done)
endif
UV := $(shell command -v uv)
SCALE ?= mini
CORES ?= all
BIN := .venv/bin
# The rules run `python`.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: coverage docs-figures documents run plan test lint paper setup

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
	OMP_NUM_THREADS=1 $(BIN)/pytest

coverage: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest --cov --cov-report=term

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

setup: .venv/installed

.venv/installed: requirements.txt requirements-nodeps.txt pyproject.toml
ifneq ($(UV),)
	$(UV) venv --quiet --seed --allow-existing --python "$(or $(PYTHON),3.12)" .venv
	$(UV) pip install --quiet --python $(BIN)/python -r requirements.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -r requirements-nodeps.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	@"$(PYTHON)" -c $(FITS) 2> /dev/null || { echo "Python 3.11, 3.12 or 3.13 with its venv module is needed:" \
	  "install it (Debian, Ubuntu: apt install python3-venv), or name it: make PYTHON=/path/to/python3.12," \
	  "or install uv (https://docs.astral.sh/uv/), which fetches one: make does it"; exit 2; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python \
	  -r requirements-nodeps.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	touch $@
