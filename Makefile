SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv demo test lint format lock services clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := agents dashboards integrations migrations orchestrator tests

help: ## say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

venv: $(STAMP) ## create .venv and install the locked packages and Ballast itself

$(STAMP): pyproject.toml requirements/lock.txt requirements/installer.txt scripts/venv.sh
	@scripts/venv.sh $(VENV)
	@touch $@

demo: venv ## the whole system on this machine, simulated; ARGS="--for 180 --json"
	@$(BIN)/ballast demo $(ARGS)

lint: venv ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

services: ## provide PostgreSQL, Mosquitto and Chromium for the tests
	@scripts/services.sh

test: venv services lint ## everything that CI checks; ARGS goes to pytest
	$(BIN)/pytest $(ARGS)

format: venv ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## resolve the dependencies anew and write requirements/*.txt
	@scripts/lock.sh

clean: ## remove what was built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
