# Everything goes through a virtual environment of its own and the pinned versions in constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)
WHEELHOUSE ?= wheelhouse
BUILDER ?= docker
BASE ?= python:3.11-slim-bookworm
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help demo test slow nightly lint format bench docs release wheelhouse advisories images audit clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/ready ## run everything on synthetic cohorts and say where the report is (OUT=DIR to choose)
	$(BIN)/cape-fed demo --out $(OUT)

# Every worker computes with one thread. Tests that watch the clock, those marked alone, have the machine to themselves.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
SPREAD := --numprocesses auto --dist loadfile

test: $(VENV)/ready ## the default test suite
	$(PYTEST) $(SPREAD) -m 'not slow and not nightly and not alone'
	$(PYTEST) -m 'not slow and not nightly and alone'

slow: $(VENV)/ready ## the tests that take longer
	$(PYTEST) $(SPREAD) -m 'slow and not alone'
	$(PYTEST) -m 'slow and alone'

nightly: $(VENV)/ready ## deployments under faults and images, for an hour and with the machine to themselves
	$(PYTEST) -m nightly

lint: $(VENV)/ready ## ruff, mypy, hadolint and the schema of compose files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/*/compose*.yaml

format: $(VENV)/ready ## let ruff format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: $(VENV)/ready ## attack and check the private step as it is
	$(BIN)/python -m cape_fed.privacy.audit

docs: $(VENV)/ready ## the documentation as a site in site/, to be read with python -m http.server -d site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

release: $(VENV)/ready ## build the wheel into dist/, from a clean checkout only
	@test -z "$$(git status --porcelain)" || { echo "commit or remove what git status shows first"; exit 2; }
	rm -rf dist && $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

bench: $(VENV)/ready ## measure, print the table and write bench/RESULTS.md
	$(BIN)/python -m bench

wheelhouse: $(VENV)/ready ## all wheels with hashes and a bill of materials, to install offline (WHEELHOUSE=DIR PIP_ARGS=...)
	$(BIN)/python docker/wheelhouse.py $(WHEELHOUSE) $(PIP_ARGS)

advisories: $(VENV)/ready ## ask advisories about the versions in the wheelhouse (needs a network); writes WHEELHOUSE/audit.json
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[advisories]'
	sed -E 's/(\+[^ ]+)?( --hash=[^ ]+)+$$//' $(WHEELHOUSE)/dependencies/requirements.txt > $(WHEELHOUSE)/audited.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --format json --output $(WHEELHOUSE)/audit.json --requirement $(WHEELHOUSE)/audited.txt

images: ## build coordinator and site from the wheelhouse, without a network (BUILDER=docker|podman|buildah BASE=IMAGE)
	for image in coordinator site; do BUILDAH_FORMAT=docker $(BUILDER) build -f docker/Dockerfile --target $$image \
	  --build-arg BASE=$(BASE) --build-arg WHEELHOUSE=$(WHEELHOUSE) --build-arg VERSION=$(VERSION) --tag cape-fed-$$image:$(VERSION) . || exit; done

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cape-fed needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
