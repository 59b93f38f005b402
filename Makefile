# Every target makes .venv when there is none. Choose the interpreter with `make PYTHON=python3.12 ...`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
# Two processes of one thread each, and a file of tests in one of them; `make TESTS=8 test` takes more.
TESTS ?= 2
TEST = OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses $(TESTS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test check bench install clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r target what; do \
		printf '  make %-9s %s\n' "$$target" "$$what"; done

demo: $(INSTALLED) ## train and evaluate a small face retriever on drawn faces, into runs/demo
	rm -rf runs/demo
	$(PY) train.py --task celeba-feedback --output_dir runs/demo

test: $(INSTALLED) ## run the tests and the examples in the docstrings, in two processes
	$(TEST)

check: $(INSTALLED) ## check format, lint, types and floors, then run the tests
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m pyright
	$(VENV)/bin/lint-imports
	$(TEST)

bench: $(INSTALLED) ## measure speed
	$(PY) -m benchmarks.run

install: $(INSTALLED) ## make .venv and install the toolkit with its test, study, faces and track extras

clean: ## remove caches and build products; .venv and runs stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The stamp makes a repeated run instant: pip runs again only when one of these two files is newer.
$(INSTALLED): pyproject.toml constraints.txt | $(PY)
	$(PY) -m pip install --editable '.[test,study,faces,track]' --constraint constraints.txt
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
		echo "Python 3.11, 3.12 or 3.13 is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
			"Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
