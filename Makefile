# `make` lists the targets. Everything installs what it needs into .venv; the second run takes seconds.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint format bench requirements clean up down scale logs

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(READY) ## the virtual environment, with hash-locked packages

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Uptill needs Python 3.11 or newer; set PYTHON=…")'
	@$(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## the main job once, on real servers, and then nothing is left
	@$(BIN)/uptill demo

test: $(READY) ## every test, on embedded servers
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(READY) ## ruff, mypy --strict, import contracts, dependencies, compose schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(READY) ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## benchmarks, as ratios within one run
	$(BIN)/python -m bench

requirements: ## lock the packages anew (needs uv)
	@for extra in api worker ingest local dev; do \
	  uv pip compile --quiet pyproject.toml --extra $$extra --universal --python-version 3.11 \
	    --generate-hashes --no-header --output-file requirements/$$extra.txt || exit 1; done

up: ## the docker-compose stack
	docker compose up --build --detach --wait

down: ## stop the docker-compose stack
	docker compose down

scale: ## as many workers as WORKERS says
	docker compose up --detach --no-recreate --scale worker=$(WORKERS) worker

logs: ## follow the logs of the docker-compose stack
	docker compose logs --follow

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
