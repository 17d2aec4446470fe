# The two commands that matter: `make lab` to learn, `make test` to check everything.
# Each sets up what it needs, and is quick the second time.

PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help setup lab test test-long soak lint build matrix bench stop clean

# It would make every start several times slower.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make lab         open JupyterLab with both databases running"
	@echo "make test        run every test and every cell of every notebook"
	@echo "make test-long   what takes minutes: a real browser, other databases, kills, a full disk"
	@echo "make soak        200 kills, then all tests N=20 times, each time in another order"
	@echo "make build       execute the chapters and write the notebooks"
	@echo "make matrix      try the cheatsheets with several versions of Alembic and SQLAlchemy"
	@echo "make bench       measure what a learner waits for, and how it grows: some minutes"
	@echo "make stop        stop this checkout's PostgreSQL"
	@echo "make clean       remove the environment; the workspace stays"

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv (about a minute, once) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch .venv/ready

lab: setup
	@.venv/bin/cookbook lab

test: setup lint
	@.venv/bin/cookbook test

test-long: setup
	@.venv/bin/cookbook test --long

N ?= 20
# Empty for all tests. All of them 20 times is three hours: --engine takes two thirds of it, --notebooks one.
SOAKED ?=
soak: setup
	@COOKBOOK_KILLS=200 .venv/bin/python -m pytest -q -s -m long tests/worst/test_kills.py
	@for seed in $$(seq $(N)); do \
	  echo "Run $$seed of $(N), in the order of COOKBOOK_SHUFFLE=$$seed:"; \
	  COOKBOOK_SHUFFLE=$$seed PYTEST_ADDOPTS=--no-loadscope-reorder .venv/bin/cookbook test $(SOAKED) || exit 1; \
	done

lint: setup
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy --no-error-summary

build: setup
	@.venv/bin/cookbook build

matrix: setup
	@.venv/bin/cookbook matrix

bench: setup
	@.venv/bin/cookbook bench --all

stop: setup
	@.venv/bin/cookbook stop

clean:
	@if [ -x .venv/bin/cookbook ]; then .venv/bin/cookbook stop; fi
	@rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache
