# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCALE ?= 1
WORKERS ?= 2
FAULTS ?= 200
SEED ?= 7

.PHONY: help setup s3 run test lint format reference bench chaos clean

help:  ## show this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY)  ## the environment, Delta's JARs, the class archive (once)

$(READY): requirements.lock setup.cfg jobs/runtime/jars.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m jobs.runtime.setup
	@touch $(READY)

s3: $(READY)  ## the JARs of S3, for a lakehouse or extracts there (once)
	$(BIN)/python -m jobs.runtime.setup s3

run: $(READY)  ## write the demo's extracts, run three nights, show what came out (SCALE=1)
	$(BIN)/portrait demo --scale $(SCALE)

test: $(READY)  ## all tests, in so many processes at once (WORKERS=2)
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## let ruff lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(READY)  ## docs/reference/, anew from the code
	$(BIN)/python -m jobs.project.reference

bench: $(READY)  ## nights at scale 1 and 10 beside plain Spark and DuckDB (half an hour)
	$(BIN)/python -m tests.bench.night

chaos: $(READY)  ## 200 faults: killed, cut off, full, damaged, raced, stalled, clocks moved (FAULTS=200 SEED=7; half an hour)
	$(BIN)/python -m tests.chaos --faults $(FAULTS) --seed $(SEED)

clean:  ## remove the demo, keep the environment
	rm -rf demo logs mlflow.db mlartifacts
