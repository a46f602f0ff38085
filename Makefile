# `make` lists what there is. Everything happens in .venv, with the versions that pyproject.toml and
# constraints.txt pin; nothing is done twice that has not changed. Variables to set from outside:
#
#   PYTHON      the interpreter to build .venv from (python3; 3.11 or later)
#   JOBS        how many test processes run at once (2)
#   ARGS        more arguments for the program or for pytest: make test-compiled ARGS='-k expire'
#   ROUNDS      how many crashes for each durability mode (50)
#   SEED        which ones (drawn, and shown)
#   DSCACHE_NO_COMPILE=1   install the interpreted package instead

PYTHON ?= python3
JOBS ?= 2
ARGS ?=
ROUNDS ?= 50
SEED ?= $(shell date +%s)

VENV := .venv
BIN := $(VENV)/bin
CHECKED := src tests $(wildcard bench examples)
SOURCES := $(shell find src typings -name '*.py' -o -name '*.pyi' -o -name 'py.typed')
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help serve build test check test-compiled test-interpreted differential crash faults bench bench-quick instructions \
	docs docs-reference dist clean FORCE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: build ## Build, then run the server on 127.0.0.1:6379 with its data in ./dscache-data
	$(BIN)/dscache serve --bind 127.0.0.1 --port 6379 --dir ./dscache-data $(ARGS)

build: $(VENV)/.built ## Set up .venv and install the compiled package into it

test: check docs test-compiled test-interpreted ## Everything that CI runs

check: $(VENV)/.requirements ## Static checks only: ruff, mypy, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(CHECKED)
	PYTHONPATH=src $(BIN)/lint-imports

# The tests import what is installed in .venv: `src` is not on their path.
test-compiled: build ## All tests, on the installed compiled package
	DSCACHE_EXPECT_COMPILED=$(if $(filter-out 0,$(DSCACHE_NO_COMPILE)),0,1) \
		$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-interpreted: $(VENV)/.requirements ## The tests that are not slow, on the source as it is
	DSCACHE_EXPECT_COMPILED=0 PYTHONPATH=$(CURDIR)/src $(BIN)/python -m pytest -n $(JOBS) -m 'not slow' $(ARGS)

differential: build ## Compare at length with a real valkey-server, command by command
	DSCACHE_EXPECT_COMPILED=1 HYPOTHESIS_PROFILE=long \
		$(BIN)/python -m pytest -m differential $(ARGS)

# A round takes about two seconds, and there are six modes.
crash: build ## Kill servers at length and compare what is left: ROUNDS=100 SEED=7
	DSCACHE_EXPECT_COMPILED=1 DSCACHE_CRASH_ROUNDS=$(ROUNDS) DSCACHE_CRASH_SEED=$(SEED) \
		$(BIN)/python -m pytest tests/crashes --log-cli-level INFO $(ARGS)

faults: build ## Look at length for what a disk in trouble could lose: errors, power failures, restarts
	DSCACHE_EXPECT_COMPILED=1 HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest --timeout 0 \
		tests/engine/test_faults.py tests/store/test_journal.py tests/log/test_writing.py $(ARGS)

bench: build ## The benchmarks that have goals, with a table of figures and verdicts; ARGS=--all for all
	$(BIN)/python -m bench $(ARGS)

instructions: build ## Instructions per command, beside what is recorded (needs valgrind)
	$(BIN)/python -m bench.instructions $(ARGS)

bench-quick: build ## The same in less than three minutes, to compare before and after
	$(BIN)/python -m bench --quick $(ARGS)

docs: $(VENV)/.requirements ## The pages as a site, in build/site; a link that leads nowhere is an error
	$(BIN)/sphinx-build -q -W --keep-going -c docs . build/site

docs-reference: build ## Write again what is generated from the source: dscache.conf and the pages in docs/
	$(BIN)/python -m dscache.cli.reference

dist: build ## A source archive and a wheel, in dist/
	rm -rf dist
	$(BIN)/python -c 'from setuptools.build_meta import build_sdist; build_sdist("dist")'
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove .venv and everything that was built; ./dscache-data stays
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests $(wildcard bench examples) -name __pycache__ -prune -exec rm -rf {} +


# The virtual environment. A half-made one is removed, so that the next try starts afresh.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'dscache needs Python 3.11 or later; name one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'No virtual environment could be made with $(PYTHON).' >&2; \
		echo 'On Debian and Ubuntu its parts are packages: apt-get install python3-venv' >&2; exit 1; }

# What pyproject.toml asks for, to build, to run and to test. The file changes only if that does, not
# with every line of pyproject.toml.
$(VENV)/requirements.txt: pyproject.toml $(BIN)/python
	@$(BIN)/python -c 'import tomllib; \
		p = tomllib.load(open("pyproject.toml", "rb")); \
		r = p["build-system"]["requires"] + p["project"]["dependencies"]; \
		print(*sorted({*r, *p["project"]["optional-dependencies"]["dev"]}), sep="\n")' > $@.new
	@cmp --silent $@.new $@ && rm $@.new || mv $@.new $@

$(VENV)/.requirements: $(VENV)/requirements.txt constraints.txt
	$(PIP) install --quiet --requirement $(VENV)/requirements.txt --constraint constraints.txt
	@touch $@

# What decides about the build beside the files' contents: which files there are, and how it is made.
$(VENV)/build-inputs: FORCE | $(BIN)/python
	@echo 'DSCACHE_NO_COMPILE=$(DSCACHE_NO_COMPILE) CC=$(CC) CFLAGS=$(CFLAGS)' $(sort $(SOURCES)) > $@.new
	@cmp --silent $@.new $@ && rm $@.new || mv $@.new $@

# The stamp bears the time when the build began: what was edited meanwhile is not in it.
$(VENV)/.built: $(VENV)/.requirements $(VENV)/build-inputs pyproject.toml setup.py $(SOURCES)
	@touch $@.begun
	$(PIP) install --quiet --no-deps --no-build-isolation --force-reinstall .
	@cd $(VENV) && bin/python -c 'import dscache; \
		print("dscache", dscache.__version__, "installed,", \
			"compiled" if dscache.is_compiled() else "INTERPRETED: several times slower; see setup.py")'
	@mv $@.begun $@
