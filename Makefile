# One suite per run: `make SUITE=photos`.
SUITE ?= embedded
CORES ?= all

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := suite

.PHONY: suite
suite: $(READY)  ## Run the suite: results, tables, report and verdict
	snakemake --cores $(CORES) --config suite=$(SUITE)

.PHONY: test
test: $(READY)  ## Run the tests
	python -m pytest

.PHONY: lint
lint: $(READY)  ## Check formatting, style, workflow and types
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile workflows
	mypy

.PHONY: clean
clean:  ## Remove results, logs and caches; data and the environment stay
	rm -rf results .snakemake .pytest_cache .mypy_cache .ruff_cache

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(READY): envs/default.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --requirement envs/default.lock
	python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
