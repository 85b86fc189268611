# Each target goes from a bare clone to its result; all that has to be there is a Python from 3.10 to 3.13.
#
#   make vae    train the convolutional VAE on the synthetic digits: figures, numbers and a report in runs/vae
#   make live   train a GAN in the plane on a page, which opens in the browser
#   make test   the whole test suite
#   make lint   style and types
#   make exercises   which of the book's exercises are solved
#   make site   the book, the reference and the exercises as a static site, build/site/index.html
#   make notebooks   the chapters and the exercises as notebooks in build/notebooks
#
# TINYGEN_REPOSITORY=https://... is the address from which the notebooks install the library.
# PYTHON=... chooses the interpreter, VAE_FLAGS, LIVE_FLAGS, PYTEST_FLAGS=... what is run with it.

VENV := .venv
VAE_FLAGS ?= --data strokes --out runs/vae --epochs 2 --likelihood-images 500 --resume
LIVE_FLAGS ?= --open
PYTEST_FLAGS ?=

.PHONY: vae live test lint exercises site notebooks clean

vae: $(VENV)/.installed
	$(VENV)/bin/python examples/vae_mnist.py $(VAE_FLAGS)

live: $(VENV)/.installed-live
	$(VENV)/bin/python examples/live_gan.py $(LIVE_FLAGS)

test: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest $(PYTEST_FLAGS)

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

exercises: $(VENV)/.installed-dev
	$(VENV)/bin/python exercises/grade.py

site: $(VENV)/.installed-docs
	$(VENV)/bin/python docs/build_site.py

notebooks: $(VENV)/.installed-docs
	$(VENV)/bin/python docs/build_notebooks.py

# The stamps are written last, so an interrupted installation is made whole by the next call.
$(VENV)/.installed: $(VENV)/.made setup.cfg pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.made setup.cfg pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.installed $(VENV)/.installed-docs $(VENV)/.installed-live

$(VENV)/.installed-docs: $(VENV)/.made setup.cfg pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable ".[docs]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-live: $(VENV)/.made setup.cfg pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable ".[live]"
	touch $@ $(VENV)/.installed

SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

# An environment that exists and works is used as it is.
$(VENV)/.made:
	@if $(VENV)/bin/python -c "$(SUITABLE)" 2>/dev/null && $(VENV)/bin/python -m pip --version >/dev/null 2>&1; then \
	    touch $@; exit; \
	fi; \
	for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10); do \
	    if "$$python" -c "$(SUITABLE)" 2>/dev/null; then \
	        echo "making $(VENV) with $$("$$python" --version)"; \
	        "$$python" -m venv --clear $(VENV) && $(VENV)/bin/python -m pip install --quiet --upgrade pip && touch $@; \
	        exit; \
	    fi; \
	done; \
	echo "no Python from 3.10 to 3.13 with its venv module was found; name one with PYTHON=/path/to/python3" >&2; \
	exit 1

clean:
	rm -rf $(VENV) build *.egg-info
