# One target for each thing people do. `make help` lists them.
# Needs Python 3.11 or newer, git, make and npm; everything else goes into .venv and node_modules.

PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check install
BUILD := .venv/bin/python scripts/build.py
# `make test TORCH_INDEX=https://download.pytorch.org/whl/cpu` takes PyTorch's small CPU build.
TORCH_INDEX ?=
SITE_TOOLS := .venv/.site-tools
NOTEBOOK_TOOLS := .venv/.notebook-tools
TEST_TOOLS := .venv/.test-tools
# npm writes this file last. Without npm the site lacks its study mode, and says so.
SCRIPTS := node_modules/.package-lock.json

.PHONY: serve test lint notebooks pages site check publish lock clean help
.DEFAULT_GOAL := help

serve: $(SITE_TOOLS) $(SCRIPTS)  ## set everything up and serve the site, live on every change
	$(BUILD) serve

test: $(TEST_TOOLS) $(SCRIPTS) lint  ## set everything up and run every test
	.venv/bin/python -m pytest --cov=scripts --cov-report=term:skip-covered

lint: $(TEST_TOOLS)  ## linter and strict types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

notebooks: $(NOTEBOOK_TOOLS)  ## execute the notebooks whose code, versions or data changed
	$(BUILD) notebooks

pages: $(SITE_TOOLS)  ## write the Markdown pages
	$(BUILD) pages

site: $(SITE_TOOLS) $(SCRIPTS)  ## build the site into site/
	$(BUILD) site

check: site  ## build the site and hold it against its gates
	$(BUILD) check

publish: $(SITE_TOOLS) $(SCRIPTS)  ## build, check and push the site to the branch gh-pages
	$(BUILD) publish

lock: $(TEST_TOOLS)  ## renew the hash-locked requirements
	$(PIP) --quiet uv
	for name in requirements requirements-dev; do \
	  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --upgrade \
	    --no-emit-index-url --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
	done

clean:  ## remove what was made, the set-up included
	rm -rf .venv .cache node_modules site
	git clean -fdXq docs

help:  ## list the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s%s\n", $$1, $$2}'

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3 …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "Python's venv is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(SITE_TOOLS): .venv/.made requirements.txt
	$(PIP) --quiet --require-hashes -r requirements.txt
	@touch $@

$(NOTEBOOK_TOOLS): $(SITE_TOOLS) requirements-notebooks.txt
	$(PIP) --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements-notebooks.txt
	@touch $@

$(TEST_TOOLS): $(NOTEBOOK_TOOLS) requirements-dev.txt
	$(PIP) --quiet --require-hashes -r requirements-dev.txt
	.venv/bin/python tests/chromium.py
	@touch $@

$(SCRIPTS): package.json package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent && touch $@; else \
	  echo "note: npm is not installed, so the study mode is left out; install Node.js 20 or newer" >&2; fi
