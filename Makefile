# Everything one does with the project. SUITE says on which suite: make tables SUITE=photos; PROFILE says on what kind of
# machine (a folder of workflows/profiles): make PROFILE=gpu
SUITE ?= embedded
PROFILE ?= local
CORES ?=
# Folder whose Python files add models, data sets, methods and the like: make INCLUDE=~/mine SUITE=~/mine/suite.yaml
ifeq ($(origin INCLUDE),undefined)
INCLUDE := $(value HOURGLASS_INCLUDE)
endif
PYTHON ?= python3

# What a user names is text: make does not expand it, and the shell has it from the environment.
override INCLUDE := $(value INCLUDE)
override HOURGLASS_INCLUDE := $(INCLUDE)
override SUITE := $(value SUITE)
override PROFILE := $(value PROFILE)
override CORES := $(value CORES)
override REASON := $(value REASON)
export SUITE PROFILE CORES REASON HOURGLASS_INCLUDE

PROFILES := $(patsubst workflows/profiles/%/config.yaml,%,$(wildcard workflows/profiles/*/config.yaml))
ifneq ($(words $(PROFILE)) $(filter-out $(PROFILES),$(PROFILE)),1 )
$(error PROFILE: unknown profile '$(PROFILE)'; known: $(PROFILES))
endif

VENV := .venv
READY := $(VENV)/.ready
# $(call snakemake,TARGETS,CONFIG)
snakemake = snakemake $(1) --workflow-profile "workflows/profiles/$$PROFILE" $(if $(CORES),--cores "$$CORES") --config "suite=$$SUITE"$(if $(HOURGLASS_INCLUDE), "include=$$HOURGLASS_INCLUDE") $(2)

# Each worker computes on one thread, so that workers do not wait for each other.
PYTEST = OMP_NUM_THREADS=1 python -m pytest --numprocesses logical --dist loadgroup

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := suite

suite: $(READY)  ## Run the suite: results, tables, report and verdict (finished work is not repeated)
	hourglass watch$(if $(filter local,$(PROFILE)),, --device cuda) -- "$$SUITE" $(call snakemake)

status: $(READY)  ## Say which cases are finished, stale, failed or missing
	hourglass status$(if $(filter local,$(PROFILE)),, --device cuda) -- "$$SUITE"

plan: $(READY)  ## Say what `make suite` would run and download, and what you have to do first
	$(call snakemake,--dry-run)
	hourglass plan -- "$$SUITE"

tables: $(READY)  ## Make the tables from the results so far; costs that were not counted yet are counted
	$(call snakemake,export verdict tables --forcerun export verdict tables,measure=false)

report: $(READY)  ## Make tables and HTML report from the results so far
	$(call snakemake,export verdict tables report --forcerun export verdict report,measure=false)

check: $(READY)  ## Compare the results with the accepted ones; fails on a regression
	hourglass check -- "$$SUITE"

accept: $(READY)  ## Make the results the accepted ones: make accept REASON="why they are right"
	hourglass accept --reason "$$REASON" -- "$$SUITE"

track: $(READY)  ## Send the results to Weights & Biases again
	hourglass track -- "$$SUITE"

wandb-report: $(READY)  ## Publish a report on the results in Weights & Biases; without a login, print what it would say
	hourglass wandb-report -- "$$SUITE"

test: $(READY)  ## Run the quick tests on all cores
	$(PYTEST) -m "not slow"

test-slow: $(READY)  ## Run the tests that take more than ten seconds
	$(PYTEST) -m slow

test-all: $(READY)  ## Run every test
	$(PYTEST)

bench: $(READY)  ## Time operators and a model, store the timings and compare them with the stored ones
	python -m pytest -o addopts=--import-mode=importlib tests/benchmarks/bench_*.py --benchmark-only --benchmark-autosave --benchmark-compare=tests/benchmarks/stored/operators.json

gpu-check: $(READY)  ## Check a GPU in about 8 minutes: speed, operators, accuracy, tests; into results/gpu-check
	hourglass gpu-check

docs: $(READY)  ## Build the documentation into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 PYTHONWARNINGS='ignore:IProgress not found' mkdocs build --quiet

lint: $(READY)  ## Check format, style, workflow, types and the direction of imports
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile workflows
	mypy
	lint-imports

format: $(READY)  ## Put format and imports in order
	ruff format .
	ruff check --fix-only --quiet .
	snakefmt Snakefile workflows

train-%: $(READY)  ## Train a reference model: make train-segmenter-scenes
	hourglass train -- '$(subst ','\'',$*)'

lock: $(READY)  ## Resolve envs/default.lock anew from pyproject.toml
	python -m pip install --quiet uv
	uv pip compile --universal --python-version 3.11 --extra bench --extra dev --extra docs \
		--no-annotate --no-header --output-file envs/default.lock pyproject.toml

env-%: envs/%.lock  ## Make the environment of a backend, in which cases of its models run: make env-mmseg
	$(PYTHON) -m venv .venv-$*
	grep -v '^detectron2 ' envs/$*.lock | .venv-$*/bin/python -m pip install --quiet --requirement /dev/stdin
	.venv-$*/bin/python -m pip install --quiet --no-deps --no-build-isolation --requirement envs/$*.lock --editable .
	touch .venv-$*/.ready

clean:  ## Remove results, logs and caches; data and the environment stay
	rm -rf results .snakemake .benchmarks .pytest_cache .mypy_cache .ruff_cache

help:  ## List the targets
	@grep -hE '^[a-z%-]+:.*  ## ' Makefile | sed -E 's/^([a-z%-]+):.*  ## /\1\t/' | expand -t 12

$(READY): envs/default.lock pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --requirement envs/default.lock
	python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: suite status plan tables report check accept track wandb-report test test-slow test-all bench gpu-check docs lint format lock clean help
