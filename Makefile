# Everything runs from .venv, which is rebuilt only when a requirement file changes.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(PYTHON) -m pip --python $(BIN)/python install -qq --disable-pip-version-check
# One process more than there are cores, as the browser tests mostly wait; `make test JOBS=0` runs
# in one process, for a debugger.
JOBS ?= $(shell expr $$(nproc) + 1)
TESTS ?=
# The many commands that tests start keep what they compiled, as installed ones do.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo run test check fmt bench torture mutants pictures browser promtool sbom image lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: .venv/runtime.stamp ## show the whole system on made-up people, without sending any mail out
	$(BIN)/tracker demo

run: .venv/runtime.stamp ## serve the site and the jobs with the settings of this folder
	$(BIN)/tracker serve

test: .venv/dev.stamp browser promtool ## run all tests, on SQLite and PostgreSQL (TESTS=tests/rules for some)
	$(PYTEST) -n $(JOBS) $(TESTS)

check: .venv/dev.stamp ## lint, formatting, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fmt: .venv/dev.stamp ## format, and repair what can be repaired by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/dev.stamp ## measure speed and memory
	$(BIN)/python -m tests.bench

ARGS ?=
torture: .venv/dev.stamp ## try every promise with its faults, and print a table (ARGS="--scale 0.01 --only 1 7")
	$(BIN)/python -m tests.torture $(ARGS)

MODULES ?=
mutants: .venv/dev.stamp ## see whether the tests of the rules can fail (MODULES=tracker/rules/caps.py)
	$(BIN)/python -m tests.mutants $(MODULES)

OUT ?= build/pictures
pictures: .venv/dev.stamp browser ## photograph every page into OUT, and renew the README's pictures
	$(BIN)/python -m tests.pictures $(OUT) --readme

browser: ## install Chromium for the browser tests, where that is possible
	@command -v chromium-headless-shell >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium-headless-shell >/dev/null; } \
	  || command -v chromium >/dev/null \
	  || echo "No Chromium: the browser tests will be skipped."

promtool: ## install Prometheus's program for the tests of the alerts, where that is possible
	@command -v promtool >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && tests/deploy/get-promtool /usr/local/bin/promtool; } \
	  || echo "No promtool: the tests of the alerts will be skipped."

SBOM ?= build/endorsement-tracker.cdx.json
sbom: ## list what a release runs on (CycloneDX: name, version, license) in SBOM
	$(PYTHON) -m venv --clear --without-pip build/sbom/runtime
	$(PYTHON) -m venv --clear --without-pip build/sbom/tool
	$(PYTHON) -m pip --python build/sbom/runtime/bin/python install $(PINNED) -r requirements.txt
	$(PYTHON) -m pip --python build/sbom/tool/bin/python install $(PINNED) -r requirements-sbom.txt
	build/sbom/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-file $(SBOM) build/sbom/runtime/bin/python
	@echo "wrote $(SBOM)"

image: .venv/dev.stamp ## run the steps of the container image without an engine
	$(BIN)/python -m tests.deploy.image_steps

PINNED = -qq --disable-pip-version-check --no-deps --require-hashes

lock: ## renew requirements*.txt from pyproject.toml (needs uv)
	$(LOCK) --output-file requirements.txt pyproject.toml
	$(LOCK) --output-file requirements-extras.txt --all-extras pyproject.toml -c requirements.txt
	$(LOCK) --output-file requirements-build.txt --group build
	$(LOCK) --output-file requirements-sbom.txt --group sbom
	$(LOCK) --output-file requirements-dev.txt --group dev pyproject.toml \
	  -c requirements.txt -c requirements-build.txt

LOCK = uv pip compile --quiet --upgrade --generate-hashes --universal --no-header \
  --no-emit-index-url --no-emit-find-links

clean: ## remove all that make and the tests have made
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find tracker tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The locks name every package, so pip has nothing to resolve (--no-deps). The project itself goes
# in as an editable install, built by the hatchling that is already there (no isolated build).
.venv/runtime.stamp: pyproject.toml requirements.txt requirements-build.txt
	$(PYTHON) -m venv --clear --without-pip .venv
	$(INSTALL) --no-deps --require-hashes -r requirements.txt -r requirements-build.txt
	$(INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/runtime.stamp
	$(INSTALL) --no-deps --require-hashes -r requirements-dev.txt
	@touch $@
