# Everything a newcomer needs: `make demo` and `make test`.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test test-cluster test-notebooks check protos lock clean

setup: $(VENV)/ready

# The environment is as old as what it is made from; `ready` is written last, so that a broken
# set-up is begun again rather than trusted.
$(VENV)/ready: requirements/requirements.lock setup.py pyproject.toml $(wildcard proto/amadeus/v1/*.proto amadeus/native/*.[ch])
	@command -v $(PYTHON) >/dev/null || { echo "amadeus: $(PYTHON) is missing: install CPython 3.11 or say PYTHON=..."; exit 2; }
	@test -x $(BIN)/python || { echo "Making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing what requirements/requirements.lock lists (a few minutes, 4 GB) ..."
	@$(BIN)/python -m pip install --quiet --no-deps --requirement requirements/requirements.lock 2> $(VENV)/pip.log \
	  || { cat $(VENV)/pip.log; exit 1; }
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . 2>> $(VENV)/pip.log \
	  || { cat $(VENV)/pip.log; exit 1; }
	@touch $@
	@echo "Ready: $(BIN)/amadeus --help"

demo: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh demo

# Two processes, a file of tests in one of them at a time: what a file sets up is set up once.
test: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile

# What acts out a cluster (containers as processes, buckets, replicas), deaths, long waits and long ways through a studio.
# It takes minutes, so it is no part of `make test`. Long files come first, as tests/conftest.py orders them.
test-cluster: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m cluster

# Runs every notebook from top to bottom.
test-notebooks: setup
	@$(BIN)/python -m pytest -n 2 -m notebooks

# The gate: what .ci/run runs before the tests.
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.protos

# Locks what was added to the protos; what would break those who speak them already is refused.
protos: setup
	$(BIN)/python -m tests.protos --update

# Resolves requirements.in again, and studio.in to the same versions. The overrides are explained in their files.
lock: setup
	$(BIN)/python -m pip install --quiet uv
	cd requirements && ../$(BIN)/uv pip compile --quiet --no-annotate --no-emit-index-url --python-version 3.11 \
	  --custom-compile-command "make lock" --override overrides.txt requirements.in -o requirements.lock
	cd requirements && ../$(BIN)/uv pip compile --quiet --no-annotate --no-emit-index-url --python-version 3.11 \
	  --custom-compile-command "make lock" --override studio-overrides.txt --constraint requirements.lock \
	  studio.in -o studio.lock

clean:
	rm -rf $(VENV) demo build *.egg-info
