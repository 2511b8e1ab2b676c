# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first Python that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: help
help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: venv
venv: $(VENV)/.made ## Make .venv with everything locked in requirements-dev.txt, and mooring in it

$(VENV)/.made: requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/it" >&2; exit 1; }
	@echo "installing the locked dependencies into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: venv ## Watch a policy bring MySQL to its data, on a real control plane (the first time it is compiled: minutes)
	@$(BIN)/mooring demo

.PHONY: test
test: check ## Run every check and every test
	@$(BIN)/python -m pytest

.PHONY: unit
unit: venv ## Run the tests that need no control plane
	@$(BIN)/python -m pytest tests/unit

.PHONY: check
check: venv ## Run the linters and type checks
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: bench
bench: venv ## Measure; figures are printed, not asserted (QUICK=1 for a tenth of the size)
	@$(BIN)/python -m tests.bench.run $(if $(QUICK),--quick)

.PHONY: chaos
chaos: venv ## Break everything around Mooring while pods come; some minutes, ends with 1 on a broken promise (SEED=number)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

.PHONY: generate
generate: venv ## Generate crds/ and helm/mooring/files from models and locators, and the table of docs/drivers.md
	@$(BIN)/python -m mooring.api.crd crds
	@$(BIN)/python -m mooring.api.chart policies/locators helm/mooring/files
	@$(BIN)/python -m tests.drivers_table docs/drivers.md

.PHONY: lock
lock: venv ## Lock the dependencies of pyproject.toml anew, with hashes
	@$(LOCK) --extra dev --output-file requirements-dev.txt pyproject.toml
	@$(LOCK) --constraint requirements-dev.txt --output-file requirements.txt pyproject.toml

.PHONY: clean
clean: ## Remove what was made here; the compiled control plane stays in its cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
