# The commands of this repository. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PYTHON ?= python3
# Set in some shells and images; then every process of every test would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: help
help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-16s %s\n", $$1, $$2}'

# Changes with the lock files and the C sources, so that a changed one reinstalls and none costs nothing.
VENV_STAMP := $(VENV)/.installed
$(VENV_STAMP): locks/dev.txt locks/uv.txt pyproject.toml setup.py $(wildcard scorer/fraud_scorer/engine/csrc/*)
	@.ci/prerequisites
	@echo "-- Python environment $(VENV) from locks/dev.txt"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r locks/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes locks/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: venv
venv: $(VENV_STAMP) ## Make the Python environment from the lock file

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --no-annotate
.PHONY: lock
lock: venv ## Resolve the dependencies anew and write locks/
	$(COMPILE) --all-extras --group dev pyproject.toml -o locks/dev.txt
	$(COMPILE) --extra operator --constraint locks/dev.txt pyproject.toml -o locks/operator.txt
	$(COMPILE) --extra scorer --constraint locks/dev.txt pyproject.toml -o locks/scorer.txt
	echo setuptools | $(COMPILE) --constraint locks/dev.txt - -o locks/build.txt
	echo uv | $(COMPILE) --constraint locks/dev.txt - -o locks/uv.txt

.PHONY: demo demo-down
demo: venv ## From nothing to transactions scored in a real cluster, told step by step
	@$(BIN)/python -m examples.demo up

demo-down: venv ## Remove everything that the demo made, the cluster too
	@$(BIN)/python -m examples.demo down

# Tests of pods mostly wait, so two cores take three processes; tests/support/together.py says what stays together.
PARALLEL := --numprocesses=3 --no-loadscope-reorder
# Folders of tests/cluster/go beside the newest.
OLDER_KUBERNETES := 1.34 1.30
.PHONY: test test-fast test-long
test: lint ## Everything that a change must pass: lint, unit, integration, end to end, coverage
	@$(BIN)/python -m tests.cluster prerequisites
	@$(PYTEST) -m "not long" $(PARALLEL) --cov --cov-report=term-missing --durations=15 tests

test-fast: venv ## Unit tests that take milliseconds: no cluster, under a minute
	@$(PYTEST) -m "not long and not slow and not node" --numprocesses=2 --quiet tests/unit

test-long: venv ## Drills and older Kubernetes versions, on top of `make test`
	@$(PYTEST) -m long --durations=15 tests
	@for release in $(OLDER_KUBERNETES); do \
	  echo "== Kubernetes $$release: every test that needs a control plane only"; \
	  FRAUDOPS_KUBERNETES=$$release $(PYTEST) -m "not node and not long" tests/integration || exit 1; \
	done

.PHONY: drill-model
drill-model: venv ## Damage models in every way under load, in a real cluster, and see that nobody notices
	@$(BIN)/python -m tests.drills.model

.PHONY: chaos-records
chaos-records: venv ## Break Redis, Postgres, the object store and the scorer under load, and see that nothing is lost
	@$(BIN)/python -m bench.chaos

.PHONY: lint generate
TYPED := -p fraud_operator -p fraud_scorer -p tests.cluster -p examples -p bench
lint: venv ## Style, types, import contracts, generated files
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted; run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy --no-error-summary $(TYPED)
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/fraud-operator generate --check

generate: venv ## Write crds/ and the chart's copies from the pydantic models
	@$(BIN)/fraud-operator generate

.PHONY: cluster-up cluster-down
cluster-up: venv ## Start a cluster and leave it for tests, the demo and you
	@$(BIN)/python -m tests.cluster up

cluster-down: venv ## Remove the cluster and all that it left on the machine
	@$(BIN)/python -m tests.cluster down

.PHONY: bench
bench: venv ## Run every benchmark under bench/; `make bench-NAME` runs one
	@for each in $(filter-out bench/chaos/%,$(wildcard bench/*/__main__.py)); do $(BIN)/python -m "bench.$$(basename "$$(dirname "$$each")")" || exit 1; done

# Long: `.venv/bin/python -m bench.fleet --quick` takes minutes instead.
.PHONY: bench-operator
bench-operator: venv ## Measure the operator with thousands of detectors on a control plane of its own
	@$(BIN)/python -m bench.fleet

# Twenty-five minutes on a quiet machine: `.venv/bin/python -m bench.scorer --quick` takes minutes.
.PHONY: bench-scorer
bench-scorer: venv ## Measure engine and scorer beside what people use today, one core each
	@$(BIN)/python -m bench.scorer

# A quarter of an hour and 30 GB of disk: `.venv/bin/python -m bench.records --quick` takes a minute.
.PHONY: bench-records
bench-records: venv ## Measure the whole path of an answer, and how fast records are kept and found
	@$(BIN)/python -m bench.records

bench-%: venv
	@$(BIN)/python -m bench.$*
