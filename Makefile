# Two commands for everyone: `make run` and `make test`. The others are for who works on trainctl.
# Needs Python >= 3.11, make and git; everything else is installed into $(VENV).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OLDEST := .cache/oldest
ADAPTERS := .cache/adapters
# Without pictures, which are those of one version of Textual and rich.
OLDEST_TESTS := $(addprefix tests/engine/,config runs training diagnosis data/quality) \
  $(addprefix tests/tui/,cli run replay health words)
# One thread a process: more get in each other's way.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# Whatever the shell says: without bytecode every process that a test starts compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=
# One more than there are cores: some tests wait for programs that they started.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# Not compiled: most of what is installed is never imported, and what is is compiled then.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

.PHONY: run test slow types setup check wheel oldest adapters lint format bench bench-faults docs experiments clean

run: $(VENV)/.run-installed ## train the recommended preset on built-in data
	$(BIN)/trainctl run --preset balanced

test: $(VENV)/.test-installed ## run the tests
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

slow: $(VENV)/.check-installed types ## what takes long: killed runs, browsers, several processes, every preset, new examples of every property (half an hour)
	$(ONE_THREAD) $(BIN)/python -m pytest -n auto --dist worksteal -m slow
	$(ONE_THREAD) HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n auto --dist worksteal -m "hypothesis and not slow"

types: setup ## the types of tests and benchmarks too; `lint` looks at what is installed
	$(BIN)/pyright --pythonpath $(BIN)/python

setup: $(VENV)/.check-installed .cache/types/trainctl/__init__.py ## everything a developer needs

check: setup ## what must be green before a change lands: `lint` beside `test`
	$(MAKE) --jobs=2 --output-sync=target lint test

wheel: $(VENV)/.test-installed ## the part of `test` that builds the wheel, installs it elsewhere and trains from it
	$(BIN)/python -m pytest tests/e2e/test_wheel.py

oldest: $(OLDEST)/.installed ## a part of the tests with the lowest versions that pyproject.toml promises (minutes)
	$(ONE_THREAD) $(OLDEST)/bin/python -m pytest -n auto -m "not slow" $(OLDEST_TESTS)

adapters: $(ADAPTERS)/.installed ## watching in the trainers of others, with Lightning, transformers and Accelerate (minutes)
	$(ONE_THREAD) $(ADAPTERS)/bin/python -m pytest -n auto tests/adapters tests/engine/watch

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python engine tui presets
	PYTHONPATH=.cache/types $(BIN)/lint-imports
	$(BIN)/vulture

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench-installed ## print the benchmarks (minutes)
	$(BIN)/python -m benchmarks

bench-faults: $(VENV)/.run-installed ## plant faults, ask the diagnosis, write docs/trainfault.md (an hour; goes on where it stopped)
	$(BIN)/python -m benchmarks.trainfault

docs: $(VENV)/.run-installed ## take the pictures of docs/cockpit.md anew (minutes)
	$(BIN)/python docs/screenshots.py

experiments: $(VENV)/.docs-installed ## train presets under three seeds, print tables, draw docs/figures: SYSTEM=weld or quality, DATA=folder
	$(BIN)/python -m benchmarks.experiments $(or $(SYSTEM),weld) $(if $(DATA),--data $(DATA))

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# `trainctl.engine` is the folder `engine`: type checkers follow links, not setuptools' package-dir.
.cache/types/trainctl/__init__.py:
	mkdir -p $(@D)
	for name in engine tui presets; do ln -sfn ../../../$$name $(@D)/$$name; done
	ln -sfn ../../../engine/adapters $(@D)/adapters
	ln -sfn ../../../engine/front/__init__.py $@

$(VENV)/.run-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e .
	touch $@

$(VENV)/.test-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e '.[test]'
	touch $@ $(VENV)/.run-installed

$(VENV)/.check-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e '.[check]'
	touch $@ $(VENV)/.test-installed $(VENV)/.run-installed

$(VENV)/.bench-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e '.[bench]'
	touch $@ $(VENV)/.run-installed

$(VENV)/.docs-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e '.[docs]'
	touch $@ $(VENV)/.run-installed

$(ADAPTERS)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(ADAPTERS)
	$(ADAPTERS)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[test,adapters]'
	touch $@

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints-oldest.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) .cache build dist *.egg-info
