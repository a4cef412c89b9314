# Two commands matter: `make demo` shows the product, `make test` proves it. Nothing need be installed before but
# Python 3.11 to 3.13 with its venv module. Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
BENCH_ARGS ?=

BUILD ?= build
# Else ONNX Runtime reports what tests, benchmarks and training do to its maker.
export ORT_DISABLE_TELEMETRY := 1
# The tests start a hundred processes, which would all compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-long test-all coverage check hooks chaos bench bundle lock contract client image audit licences sbom advisories clean

help:
	@echo "make demo     see the whole product work on this machine (ARGS=\"--seconds 120\" and others)"
	@echo "make test     set up what the tests need and run them, in under 15 minutes on two cores (ARGS=\"-k window\")"
	@echo "make test-all make test with the coverage of the unit tests, then the tests that take long; under an hour"
	@echo "make coverage the lines and branches that make test-all saw no unit test reach"
	@echo "make check    ruff, mypy, import arrows, hadolint, spelling"
	@echo "make hooks    have git make these checks before each commit"
	@echo "make setup    only set up: the worker, the command line, the embedded AWS"
	@echo "make chaos    20,500 schedules of faults and every crash point, about an hour (ARGS=\"--first 20500\"); writes docs/reliability.md"
	@echo "make bench    how fast, small and smooth the worker is, about ten minutes (BENCH_ARGS=--help)"
	@echo "make bundle   train the default bundle again from its seed"
	@echo "make lock     pin the dependencies again"
	@echo "make contract the contract's documents, from its models (ARGS=--release: those of a release too)"
	@echo "make client   the wheel for those who read events: one file, needs pydantic alone"
	@echo "make image    build the worker's container image (needs Docker; ARGS=\"--platform linux/arm64\")"
	@echo "make audit    licences, bill of materials and known flaws of what the image installs; needs the network"
	@echo "make clean    remove the environments and caches"

setup: .venv/.runtime .venv-emulator/.done

demo: setup
	@$(BIN)/battery-watch demo $(ARGS)

PYTEST := $(BIN)/pytest -n 3 --dist worksteal
test: .venv/.dev .venv-emulator/.done
	$(PYTEST) -m "not long" $(ARGS)

test-long: .venv/.dev .venv-emulator/.done
	$(PYTEST) -m long $(ARGS)

# One after the other, also with make -j: each has timed tests, and takes all cores.
test-all: .venv/.dev .venv-emulator/.done
	$(PYTEST) -m "not long" --cov --cov-report=
	@$(MAKE) --no-print-directory test-long

coverage:
	$(BIN)/coverage report

# .pre-commit-config.yaml has the same list, and a test holds the two together.
check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/codespell

hooks: .venv/.dev
	$(BIN)/pre-commit install

chaos: .venv/.dev
	$(BIN)/pytest -n 2 -q tests/simulation -k crash_at
	$(BIN)/python tests/simulation/chaos.py --seeds 20000 --long 500 --write docs/reliability.md $(ARGS)

# Its output is for programs too: what make says of itself would stand in front of it.
bench: .venv/.dev .venv-emulator/.done
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bundle: .venv/.dev
	$(BIN)/battery-watch train --simulated --seed 7 --out models/default --force

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock: .venv/.dev
	$(LOCK) pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) pyproject.toml --extra train --extra dev -c requirements/runtime.txt --output-file requirements/dev.txt
	$(LOCK) requirements/emulator.in --output-file requirements/emulator.txt
	$(LOCK) requirements/build.in --output-file requirements/build.txt

# Schemas, examples, AsyncAPI, filter policies and the client's file, from the models in reporting/contract.
contract: .venv/.dev
	$(BIN)/python -m reporting.contract.documents $(ARGS)
	$(BIN)/python tests/twenty_sentences.py

# The client's wheel, for those who read events.
client: .venv/.dev
	cd reporting/contract/client && $(CURDIR)/$(BIN)/python -m hatchling build --target wheel --directory $(CURDIR)/$(BUILD)

image:
	docker build --target worker --build-arg REVISION=$$(git rev-parse HEAD) --tag battery-watch $(ARGS) .

audit: licences sbom advisories

licences: .venv/.dev
	$(BIN)/python -m infra.supply.licences docs/licences.md

sbom: $(BUILD)/image.txt
	$(BIN)/cyclonedx-py requirements $< --no-validate --pyproject pyproject.toml --output-reproducible --output-file $(BUILD)/sbom.json

advisories: $(BUILD)/image.txt
	@$(BIN)/python -m infra.supply.advisories $< $(ARGS)

# What the image installs of the lock: the lines for its Python.
$(BUILD)/image.txt: requirements/runtime.txt infra/supply/lock.py | .venv/.dev
	@mkdir -p $(BUILD)
	$(BIN)/python -m infra.supply.lock > $@

clean:
	rm -rf .venv .venv-emulator build .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Battery Watch needs Python 3.11 to 3.13, and $(PYTHON) is another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "$(PYTHON) has no venv module (Debian: apt-get install python3-venv)"; exit 1; }

# The lock names every package, so pip has nothing to resolve (--no-deps): of one that is needed with an extra, as
# coverage[toml], it would take the newest version and refuse it for its hash.
.venv/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | .venv/bin/python
	@echo "Setting up the worker (about 70 MB of downloads) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/runtime.txt -r requirements/build.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.runtime
	@echo "Setting up training and tests (about 1 GB of downloads) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt -r requirements/build.txt
	@touch $@

.venv-emulator/.done: requirements/emulator.txt | .venv/bin/python
	@echo "Setting up the embedded AWS (about 20 MB of downloads) ..."
	@$(BIN)/python -m venv .venv-emulator
	@.venv-emulator/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/emulator.txt
	@touch $@
