# `make` lists the targets. Everything installs what it needs into .venv; the second run takes seconds.
.DEFAULT_GOAL := help
.PHONY: audit sbom docs reference screenshots test-api help setup demo test test-unit test-uptime test-chaos test-stack test-stack-ha test-image test-ui test-pooler test-ha lint rules format bench profile requirements clean secrets up demo-compose down scale logs

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What the command and the embedded stack need, without what tests and checks need.
LOCAL := $(VENV)/.local
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DOCS_VENV := .venv-docs
HA_VENV := .venv-ha
WORKERS ?= 2
APT_DOWNLOAD := apt-get download -qq -o APT::Sandbox::User=root
# Without what has no schema: kustomizations and the autoscaler's kinds.
MANIFESTS = $(filter-out %/kustomization.yaml %/scaling.yaml,$(wildcard deploy/k8s/base/*.yaml deploy/k8s/overlays/*/*.yaml))
API_URL ?= http://127.0.0.1:$(or $(API_PORT),8000)
OUTPUT ?= report.csv
SCALE ?= 1
ARGS ?=
# The commit, as a label of the images.
ifndef REVISION
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
endif
export REVISION
# Hundreds of short processes start in tests: none of them compiles the modules again.
unexport PYTHONDONTWRITEBYTECODE
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(READY) ## the virtual environment, with hash-locked packages

$(READY): requirements/dev.txt pyproject.toml | $(VENV)
	@echo "installing the locked packages into $(VENV) (about a minute, once)"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(LOCAL)

$(LOCAL): requirements/local.txt requirements/build.txt pyproject.toml | $(VENV)
	@echo "installing what the local stack needs into $(VENV) (half a minute, once)"
	@$(PIP) --require-hashes -r requirements/local.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Uptill needs Python 3.11 or newer; set PYTHON=…")'
	@$(PYTHON) -m venv $(VENV)

demo: $(LOCAL) ## the main job once, on real servers, and then nothing is left; KEEP=1 leaves the page running until Ctrl-C
	@$(BIN)/uptill demo $(if $(KEEP),--keep)

test: $(READY) ## every test, on embedded servers
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-unit: $(READY) ## unit and property tests only; PYTHON=python3.13 VENV=.venv-3.13 for another interpreter
	$(BIN)/python -m pytest -n 2 tests/unit tests/property

# Debian's browser, never one that playwright downloads.
test-ui: $(READY) ## the page in a real browser; installs chromium and nginx if they are missing (root, Debian)
	@command -v chromium >/dev/null && command -v nginx >/dev/null \
	  || { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium nginx-light >/dev/null; }
	$(BIN)/python -m pytest -m ui tests/ui

test-ha: $(READY) $(HA_VENV)/.ready $(HA_VENV)/bin/etcd ## three Postgres under Patroni and etcd fail over under load (Debian; FAILOVERS=20)
	$(BIN)/python -m pytest -s -m ha tests/ha

# Apart from .venv, because Patroni's packages are for this test alone.
$(HA_VENV)/.ready: requirements/ha.txt
	@$(PYTHON) -m venv $(HA_VENV)
	@$(HA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ha.txt
	@touch $@

# Of Debian's package only the server: nothing is installed or started.
$(HA_VENV)/bin/etcd: | $(HA_VENV)/.ready
	@if found=$$(command -v etcd); then ln -sf "$$found" $@; else \
	  folder=$$(mktemp -d) && ( cd "$$folder" \
	    && { $(APT_DOWNLOAD) etcd-server || { apt-get update -qq && $(APT_DOWNLOAD) etcd-server; }; } >&2 \
	    && dpkg-deb --fsys-tarfile etcd-server_*.deb | tar -x ./usr/bin/etcd ) \
	    && mv "$$folder/usr/bin/etcd" $@; status=$$?; rm -rf "$$folder"; \
	  [ $$status = 0 ] || { echo 'etcd is missing: install it (Debian: apt-get install etcd-server) and try again' >&2; exit 1; }; \
	fi

# Of Debian's packages only the server and a library that it needs: nothing is installed or started.
test-pooler: $(BIN)/pgbouncer ## PgBouncer before Postgres, in each of its modes (Debian)
	$(BIN)/python -m pytest -m pooler tests/integration/database/test_pgbouncer.py

$(BIN)/pgbouncer: | $(READY)
	@if found=$$(command -v pgbouncer); then ln -sf "$$found" $@; else \
	  folder=$(abspath $(VENV))/pgbouncer.deb && mkdir -p "$$folder" && ( cd "$$folder" \
	    && { $(APT_DOWNLOAD) pgbouncer libc-ares2 || { apt-get update -qq && $(APT_DOWNLOAD) pgbouncer libc-ares2; }; } >&2 \
	    && for package in *.deb; do dpkg-deb --extract "$$package" . || exit 1; done ) \
	    && printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$$@"\n' "$$(dirname "$$(find "$$folder" -name 'libcares.so.2')")" \
	      "$$folder/usr/sbin/pgbouncer" > $@ && chmod +x $@; \
	  [ -x $@ ] || { echo 'PgBouncer is missing: install it (Debian: apt-get install pgbouncer) and try again' >&2; exit 1; }; \
	fi

screenshots: $(READY) ## the pictures of the page in the documentation, from sample data; installs chromium if it is missing
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qq -y chromium >/dev/null; }
	$(BIN)/python -m tests.screenshots

# How many examples of each property, and how many changes of the data between the reads that are compared.
test-uptime: $(READY) ## calendars, closures, outages and reads of earlier data, long form (UPTIME_EXAMPLES=500)
	UPTIME_EXAMPLES=$(or $(UPTIME_EXAMPLES),500) PAST_STEPS=$(or $(PAST_STEPS),60) CACHE_STEPS=$(or $(CACHE_STEPS),100) EXPLAIN_EVERY=1 \
	  $(BIN)/python -m pytest -n 2 --timeout 3600 tests/property/test_uptime_calendars_*.py \
	  $(addprefix tests/integration/reports/test_,past_data.py input_cache.py explanation.py)

test-chaos: $(READY) ## the long kill tests: every crash point, a seeded soak (SOAK_S=180 SOAK_SEED=)
	$(BIN)/python -m pytest -n 2 -m "chaos or not chaos" tests/chaos

test-api: $(READY) ## schemathesis over both services, long form
	API_EXAMPLES=150 $(BIN)/python -m pytest -s tests/integration/api/test_schemathesis.py

lint: $(READY) ## ruff, mypy --strict, import contracts, dependencies, schemas of compose and Kubernetes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml deploy/compose/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/kubernetes-validate --strict --quiet --kubernetes-version 1.34 $(MANIFESTS)

rules: $(BIN)/promtool ## alert rules: syntax, unit tests, Prometheus' configuration
	$(BIN)/promtool check config deploy/prometheus/prometheus.yml
	@# Debian's promtool does not know of Kubernetes: everything but that line.
	sed 's/kubernetes_sd_configs: .*/static_configs: [{targets: [x]}]/' deploy/prometheus/kubernetes.yml | $(BIN)/promtool check config --syntax-only /dev/stdin
	$(BIN)/promtool test rules deploy/prometheus/tests/*.yml

# Of Debian's package only the tool: nothing is installed, no server is started.
$(BIN)/promtool: | $(READY)
	@if found=$$(command -v promtool); then ln -sf "$$found" $@; else \
	  folder=$$(mktemp -d) && ( cd "$$folder" \
	    && { $(APT_DOWNLOAD) prometheus || { apt-get update -qq && $(APT_DOWNLOAD) prometheus; }; } >&2 \
	    && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool ) \
	    && mv "$$folder/usr/bin/promtool" $@; status=$$?; rm -rf "$$folder"; \
	  [ $$status = 0 ] || { echo 'promtool is missing: install Prometheus (Debian: apt-get install prometheus) and try again' >&2; exit 1; }; \
	fi

audit: $(READY) ## known vulnerabilities of the locked packages; fails for a package it could not ask about
	$(BIN)/python deploy/audit.py

sbom: $(READY) ## what is in the images, as CycloneDX: dist/sbom-*.json
	@mkdir -p dist
	@for service in api worker ingest; do \
	  $(BIN)/cyclonedx-py requirements requirements/$$service.txt --output-reproducible \
	    --output-file dist/sbom-$$service.json || exit 1; done
	@ls dist/sbom-*.json

format: $(READY) ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## benchmarks, as ratios within one run; SCALE=10, ARGS='report --data DIR'
	$(BIN)/python -m bench --scale $(SCALE) $(ARGS)

profile: $(READY) ## flame graphs of a worker and of the API under load, into profiles/
	$(BIN)/python -m bench.profile

docs: $(DOCS_VENV)/.ready ## the documentation site, into site/; a broken link fails; needs no network after the first time
	$(DOCS_VENV)/bin/zensical build --clean --strict --config-file mkdocs.yml
	@gunzip --force site/assets/mermaid/mermaid.min.js.gz
	@! grep -rnoE '<(script|link|img|iframe)[^>]+(src|href)="?(https?:)?//[^" >]*' site --include='*.html' \
	  || { echo 'these pages load files from other hosts' >&2; exit 1; }

$(DOCS_VENV)/.ready: requirements/docs.txt
	@$(PYTHON) -m venv $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

reference: $(READY) ## write the reference pages that the code makes
	$(BIN)/python -m tests.reference

# The development set is resolved first and constrains the others: what is tested is what each image and extra gets.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
LOCK_CONSTRAINED := $(LOCK) --constraint requirements/dev.txt
requirements: ## lock the packages again (needs uv); a pin moves only with ARGS=--upgrade
	@$(LOCK) $(ARGS) pyproject.toml --extra dev --output-file requirements/dev.txt
	@for extra in trace local build; do \
	  $(LOCK_CONSTRAINED) pyproject.toml --extra $$extra --output-file requirements/$$extra.txt || exit 1; done
	@for image in api worker ingest; do \
	  $(LOCK_CONSTRAINED) pyproject.toml --extra $$image --extra trace --output-file requirements/$$image.txt || exit 1; done
	@for group in docs ha; do $(LOCK_CONSTRAINED) --group $$group --output-file requirements/$$group.txt || exit 1; done

secrets: ## the passwords of the docker-compose stack, made once; ARGS='renew NAME' makes one again
	$(COMPOSE) run --rm secrets $(ARGS)

up: ## the docker-compose stack; makes its passwords at the first start; returns when it is ready
	$(COMPOSE) up --build --detach
	@for try in $$(seq 120); do curl --fail --silent --output /dev/null $(API_URL)/readyz && break || sleep 1; done
	@curl --fail --silent --show-error $(API_URL)/readyz && echo ' $(API_URL) is ready'

demo-compose: ## on the started stack: ingest a sample, make a report, download it by its link
	@COMPOSE='$(COMPOSE)' API_URL=$(API_URL) deploy/compose/demo.sh $(OUTPUT)

scale: ## WORKERS=4 worker containers
	WORKERS=$(WORKERS) $(COMPOSE) up --detach --no-build --scale worker=$(WORKERS)

logs: ## follow the logs of the docker-compose stack
	$(COMPOSE) logs --follow

down: ## stop the docker-compose stack; its volumes stay
	$(COMPOSE) --profile observability --profile proxy --profile kafka down

test-stack: $(READY) ## the docker-compose stack end to end; installs and starts an engine if none runs (root, Debian)
	@$(BIN)/python -m tests.stack

test-stack-ha: $(READY) ## the stack with three Postgres under Patroni loses its primary; needs root and Debian as test-stack does
	@$(BIN)/python -m tests.stack.failover

SERVICE ?= worker
test-image: $(READY) ## build the image of SERVICE (worker, api, ingest) twice without the cache: the same layers; needs root and Debian as test-stack does
	@$(BIN)/python -m tests.stack.twice $(SERVICE)

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .venv-* site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
