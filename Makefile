# Needs Python 3.11 or newer and make, no more. `make run` starts everything; `make test` checks everything.
PYTHON ?= python3
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)
BIN := .venv/bin
BESIDE := --numprocesses 2 --dist loadfile
export UV_PYTHON_DOWNLOADS ?= never

.DEFAULT_GOAL := help
.PHONY: help setup run lint test test-full clean

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready ## install what is pinned in uv.lock into .venv

run: setup ## start the stack and the demo, stay until Ctrl-C
	@exec $(BIN)/huchuang run

lint: setup ## style, types, doors between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint and the suite
	$(BIN)/pytest $(BESIDE) -m "not full" tests/unit tests/contract tests/integration
	$(BIN)/pytest -m "not full" tests/conformance tests/faults tests/e2e

test-full: export HUCHUANG_FAULT_RESULTS := $(CURDIR)/.fault-results.jsonl
test-full: lint ## the suite with its slow volume and fault runs; makes docs/reliability.md
	rm -f $(HUCHUANG_FAULT_RESULTS)
	$(BIN)/pytest $(BESIDE) tests/unit tests/contract tests/integration
	$(BIN)/pytest tests/conformance tests/faults tests/e2e
	$(BIN)/python -m tests.faults.report $(HUCHUANG_FAULT_RESULTS)

clean: ## stop the stack, remove all that was made here, data included
	@if [ -x $(BIN)/huchuang ]; then $(BIN)/huchuang down; fi
	rm -rf .huchuang .venv .uv .fault-results.jsonl .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.ready: pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	$(UV) sync --frozen --python $(PYTHON)
	@touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv || { echo "python3-venv is missing: install it, or uv"; rm -rf .uv; exit 1; }
	.uv/bin/pip install --quiet --disable-pip-version-check uv
