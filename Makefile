# make run and make test do all their own set-up on a fresh machine; nothing needs a compiler.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VAR ?= var
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run demo test test-browser lint bench prove fonts clean

help:  ## Show these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Yunlian needs Python 3.11 or newer'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(BIN)/pip install -qq --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: $(VENV)/run.stamp fonts  ## Serve everything on this machine (https://localhost:8443), data in var/
	@$(BIN)/python -m app.development $(VAR)
	@PATH="$(CURDIR)/$(BIN):$$PATH" exec $(BIN)/honcho --no-colour --env $(VAR)/development.env start

demo: $(VENV)/dev.stamp fonts  ## Run the whole story against a service of its own; results in var/demo/
	$(BIN)/python -m clients.demo $(VAR)/demo

test: $(VENV)/dev.stamp fonts  ## Run the tests (all but the browser ones), on SQLite and, where it is installed, PostgreSQL
	$(BIN)/pytest -n auto -m 'not browser' $(PYTEST_ARGS)

test-browser: $(VENV)/dev.stamp fonts  ## Run the tests that drive a real headless Chromium
	$(BIN)/pytest -m browser $(PYTEST_ARGS)

lint: $(VENV)/dev.stamp  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp  ## Print the tables of every benchmark program
	@status=0; for program in bench/[a-z]*.py; do $(BIN)/python $$program || status=1; done; exit $$status

prove: $(VENV)/dev.stamp fonts  ## Run the full-size proofs (minutes, not seconds)
	YUNLIAN_PROOF=full $(BIN)/pytest -m 'not browser' -k proof $(PYTEST_ARGS)

fonts:
	@fc-list :lang=zh 2>/dev/null | grep -q . \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq >/dev/null 2>&1 \
	     && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends fonts-noto-cjk fontconfig >/dev/null 2>&1; } \
	|| $(BIN)/python -m contracts.fonts \
	|| echo 'No Chinese font found: install Noto CJK (Debian: apt-get install fonts-noto-cjk).'

clean:  ## Remove the virtual environment and caches; var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
