# `make help` lists what there is to make.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export npm_config_update_notifier := false
# Tests start hundreds of processes, each of which would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
STATIC := liveserver/rendering/static/.sources
WEB := $(shell find web -name node_modules -prune -o -name '.*' -prune -o -path web/test -prune -o -type f ! -name '*.test.*' -print)

.PHONY: help run dev test unit coverage browsers soak hostile fuzz check services format web pictures gallery bench clean ALWAYS

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Run the demo, a live blog that is being written while you look: PORT=8000
	@exec $(BIN)/liveserver demo $(if $(PORT),--port $(PORT))

dev: $(VENV)/developed web/node_modules/.installed ## Run the demo, started again at each change of the code: PORT=8000, COMMAND=demo
	@exec $(BIN)/python scripts/dev.py $(or $(COMMAND),demo) $(if $(PORT),--port $(PORT))

test: services check ## Install what the tests need, and run all of them
	@$(BIN)/python hatch_build.py npm --silent test
	@# One process more than processors: many of the tests wait, for servers and browsers that they have started.
	@PATH="$$PATH:/usr/sbin" $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder

unit: $(VENV)/developed ## Run the quick tests: those without services, browsers and processes of their own
	@# One process more than processors: some of the time tests wait, for threads and for the disk.
	@$(BIN)/pytest -q -n 3 --dist loadfile --unit tests/unit tests/project

coverage: $(VENV)/covered ## Tell which lines the quick tests never run; with a report in build/coverage
	@$(BIN)/coverage run -m pytest -q --unit tests/unit tests/contract
	@$(BIN)/coverage html --quiet
	@$(BIN)/coverage report

browsers: $(VENV)/developed services ## Try the page and the widget in other engines: ENGINES="firefox chromium webkit"
	@failed=0; for engine in $(or $(ENGINES),firefox); do \
		echo "In $$engine"; $(BIN)/pytest -q tests/browsers --engine $$engine || failed=1; \
	done; exit $$failed

soak: $(VENV)/developed services ## Cause faults for a long time, on both setups: SECONDS=1800, SEED=chance
	@mkdir -p build
	@for setup in embedded cluster; do \
		PATH="$$PATH:/usr/sbin" $(BIN)/python -m tests.faults --setup $$setup --seconds $(or $(SECONDS),1800) \
			$(if $(SEED),--seed $(SEED)) --json build/soak-$$setup.json || exit 1; \
	done

hostile: $(VENV)/developed services ## Let hostile clients loose on a server with 500 readers, on each setup: SECONDS=10
	@mkdir -p build
	@failed=0; for setup in alone nginx workers; do \
		PATH="$$PATH:/usr/sbin" $(BIN)/python -m tests.hostile --setup $$setup --seconds $(or $(SECONDS),10) \
			--json build/hostile-$$setup.json || failed=1; \
	done; exit $$failed

fuzz: $(VENV)/fuzzed ## Send odd requests to every route, and what /openapi.json allows: EXAMPLES=200, SEED=chance
	@seed=$(or $(SEED),$$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')); echo "SEED=$$seed"; \
		LIVESERVER_FUZZ_EXAMPLES=$(or $(EXAMPLES),200) LIVESERVER_FUZZ_SEED=$$seed \
			$(BIN)/pytest -q tests/hostile/test_fuzz.py --timeout 1800 && \
		$(BIN)/python -m tests.hostile.contract --examples $(or $(EXAMPLES),200) --seed $$seed

check: $(VENV)/developed web/node_modules/.installed ## Lint, formatting and types, in Python and TypeScript; the OpenAPI document
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check || { echo 'Not formatted: make format' >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/python hatch_build.py npm --silent run format:check || { echo 'Not formatted: make format' >&2; exit 1; }
	@$(BIN)/python hatch_build.py npm --silent run lint
	@$(BIN)/python hatch_build.py npm --silent run check
	@mkdir -p build
	@$(BIN)/python scripts/openapi > build/openapi.json
	@$(BIN)/python hatch_build.py npm --silent run openapi ../build/openapi.json

services:
	@scripts/install-services

format: $(VENV)/developed web/node_modules/.installed ## Format the code, and mend what the linter can mend in Python
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format --quiet
	@$(BIN)/python hatch_build.py npm --silent run format

web: $(VENV)/developed ## Build the front end again
	@$(BIN)/python hatch_build.py web

ROUNDS := 3
VIEWERS := 5000
PUBLISHES := 50
OUT := build/bench

bench: $(VENV)/installed ## Compare with other servers: make bench ROUNDS=3 VIEWERS=5000 PUBLISHES=50 OUT=build/bench
	@$(BIN)/python -m benchmarks --rounds $(ROUNDS) --viewers $(VIEWERS) --publishes $(PUBLISHES) --out $(OUT)

pictures: $(VENV)/developed ## Take the README's pictures, from a demo that runs in another terminal
	@$(BIN)/python scripts/pictures

gallery: $(VENV)/developed ## Take pictures of the page in each of its states, into docs/gallery
	@$(BIN)/python scripts/gallery

clean: ## Remove what make made: the environment, the front end's bundle, caches
	@rm -rf $(VENV) build dist liveserver/rendering/static web/node_modules
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find liveserver tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What is newer than pip's options used here comes with the environment's own pip.
$(VENV)/created:
	@python=$$(scripts/find-python) && echo "Making $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@echo 'Updating its pip'
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/installed: $(VENV)/created pyproject.toml hatch_build.py liveserver/__init__.py $(WEB) \
		$(if $(wildcard $(STATIC)),,ALWAYS)
	@echo 'Installing what builds the front end: Node and hatchling'
	@$(BIN)/python -m pip install --quiet --group web
	@$(BIN)/python hatch_build.py bundle
	@echo 'Installing liveserver and the packages that it needs'
	@# With the Node that is there: pip would get another one, for itself alone.
	@$(BIN)/python -m pip install --quiet --no-build-isolation --editable .
	@touch $@

$(VENV)/developed: $(VENV)/installed
	@echo 'Installing the tools for tests and checks'
	@$(BIN)/python -m pip install --quiet --group test --group lint
	@touch $@

$(VENV)/covered: $(VENV)/developed
	@echo 'Installing what measures the coverage'
	@$(BIN)/python -m pip install --quiet --group coverage
	@touch $@

$(VENV)/fuzzed: $(VENV)/developed
	@echo 'Installing what sends odd requests'
	@$(BIN)/python -m pip install --quiet --group fuzz
	@touch $@

web/node_modules/.installed: web/package.json web/package-lock.json | $(VENV)/developed
	@echo 'Installing the tools for tests and checks of the front end'
	@$(BIN)/python hatch_build.py npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
