# Every target sets up what it needs: `make demo` and `make test` work on a fresh clone.

PYTHON ?= python3
SEED ?= 1
CASES ?= 100000
ONNX_CASES ?= 50000

ROOT := $(CURDIR)
BIN := $(ROOT)/.venv/bin
STAMP := .venv/installed
LINK := .build/link/graphwright

export OMP_NUM_THREADS ?= 1
export PYTHONUTF8 = 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types unit conformance fuzz bench docs clean

help:
	@echo "make demo         train the digits CNN from its YAML, compile, export, compare, report"
	@echo "make test         ruff, mypy, the tests"
	@echo "make setup        the environment in .venv, which the others make when they need it"
	@echo "make conformance  the ONNX standard's test cases, their page, and the slow tests"
	@echo "make fuzz         mutated specs and ONNX models: CASES=$(CASES) ONNX_CASES=$(ONNX_CASES) SEED=$(SEED) (long)"
	@echo "make bench        the figures of the README, beside those of peers (long)"
	@echo "make docs         the reference pages in docs/reference"
	@echo "make clean        remove everything that these targets made"

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,learn]'
	touch $(STAMP)

setup: $(STAMP)

demo: setup
	$(BIN)/python -m graphwright.tools.demo

test: lint types unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy takes a folder's name for the package's, so it reads the repository through a link.
types: setup
	mkdir -p $(dir $(LINK))
	ln -sfn ../.. $(LINK)
	cd $(dir $(LINK)) && $(BIN)/mypy --strict --config-file $(ROOT)/pyproject.toml -p graphwright

unit: setup
	$(BIN)/python -m pytest -n 2 -m "not slow"

# Two processes; stopped, it goes on where it was. Then the tests that take more than seconds.
conformance: setup
	$(BIN)/python -m graphwright.tools.conformance --jobs 2 --page docs/reference/conformance.md
	$(BIN)/python -m pytest -n 2 -m slow

fuzz: setup
	$(BIN)/python -m graphwright.tools.testing.spec_fuzz --check build --cases $(CASES) --seed $(SEED)
	$(BIN)/python -m graphwright.tools.testing.onnx_fuzz --cases $(ONNX_CASES) --seed $(SEED)

.build/bench-extras: $(STAMP)
	mkdir -p .build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

bench: setup .build/bench-extras
	$(BIN)/python -m graphwright.tools.bench

docs: setup
	$(BIN)/python -m graphwright.tools.reference_docs docs/reference

clean:
	rm -rf .venv .build build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
