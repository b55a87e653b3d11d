# Every command works from a fresh clone: the first one makes .venv and installs the project into it.
#   make lab         run the whole lab on the embedded AWS, without opening anything
#   make notebooks   open JupyterLab in my-lab, a working copy that git leaves alone
#   make test        the tests (under ten minutes);   make test-all   with browser, load and second emulator
#   make site        the executed notebooks and the documents as a site, in _build/site
#   make bench       what people wait for, as ratios, and what got worse by a fifth (a quarter of an hour)
#   make package     wheel and sdist in dist/, their metadata checked
#   make update      the newest versions into the locks, by which all of this is installed
#   make lint        style and types;                 make clean      remove what can be made again
# Another Python than python3: make lab PYTHON=/usr/local/bin/python3.13
#
# Paths are relative and programs are called as `python -m`, since scripts in .venv/bin do not start from a folder
# with a space in its name. GNU make 3.81 (macOS) is enough.

SHELL = /bin/sh
PYTHON =
VENV_PYTHON = .venv/bin/python
PIP = $(VENV_PYTHON) -m pip --disable-pip-version-check install --quiet
PYTEST = $(VENV_PYTHON) -m pytest -n logical --maxprocesses 4 --dist loadfile

.PHONY: lab notebooks test test-slow test-browser test-all bench site package update lint format clean

lab: .venv/ready
	@$(VENV_PYTHON) -m labkit run

notebooks: .venv/ready-for-notebooks
	@$(VENV_PYTHON) -m labkit start my-lab

test: .venv/ready
	@$(PYTEST) -m "not slow"

test-slow: .venv/ready-for-all
	@$(PYTEST) -m slow

# Of the slow ones, those that a change of the lab is most likely to touch: real pages, a second emulator, whole runs.
test-browser: .venv/ready-for-all
	@$(PYTEST) -m slow tests/browser tests/real_account/test_whole_lab.py tests/run

test-all: test test-slow

# Against MiniStack, papermill and the floors in the same run; a quiet machine tells more.
bench: .venv/ready
	@$(VENV_PYTHON) benchmarks/bench.py

# A run of the story, then one of what is beyond it; the site shows what they left.
site: .venv/ready-for-all
	@rm -rf _build
	@$(VENV_PYTHON) -m labkit run --out _build/run
	@$(VENV_PYTHON) -m labkit run notebooks/beyond/*.ipynb --out _build/run/beyond
	@$(VENV_PYTHON) docs/site/build.py _build/run _build/site
	@echo "The site is in _build/site; it begins with index.html."

# The locks name every version, with hashes, for Linux and macOS and every supported Python. They are made of
# pyproject.toml; `lab`, `lint` and `hub` are parts of `all`.
LOCK = $(VENV_PYTHON) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header --no-emit-index-url --default-index https://pypi.org/simple -c locks/avoid.txt pyproject.toml
update: .venv/ready
	@$(PIP) uv
	@$(LOCK) --all-extras -o locks/all.txt
	@$(LOCK) --extra test -c locks/all.txt -o locks/lab.txt
	@$(LOCK) --extra test --extra template -c locks/all.txt -o locks/template.txt
	@$(LOCK) --extra test --extra template --extra lint -c locks/all.txt -o locks/lint.txt
	@$(LOCK) --extra test --extra hub -c locks/all.txt -o locks/hub.txt
	@echo "The locks are new: make test-all, then commit them."

package: .venv/ready-to-lint
	@rm -rf dist
	@$(VENV_PYTHON) -m build
	@$(VENV_PYTHON) -m twine check --strict dist/*

lint: .venv/ready-to-lint
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy

format: .venv/ready-to-lint
	@$(VENV_PYTHON) -m ruff check --fix .
	@$(VENV_PYTHON) -m ruff format .

# Runs and the journals in .labkit stay: a journal is the only list of what a lab has made in a real account.
clean:
	@if $(VENV_PYTHON) -c "import labkit" 2>/dev/null; then $(VENV_PYTHON) -m labkit stop; fi
	rm -rf .venv _build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# What a lock names, and the project itself as it stands here. With uv where it is there, for it is faster, and with pip
# where it is not, or where it can't reach what pip can; the versions and hashes are the same.
define install
	@if command -v uv >/dev/null 2>&1 && \
	  uv pip install --quiet --python $(VENV_PYTHON) --require-hashes -r locks/$(1).txt && \
	  uv pip install --quiet --python $(VENV_PYTHON) --no-deps --no-build-isolation --editable .; then :; \
	else \
	  $(PIP) --require-hashes -r locks/$(1).txt && $(PIP) --no-deps --no-build-isolation --editable . || { \
	    echo "The packages could not be installed; is there a network? The lines above say more." >&2; exit 1; }; \
	fi
	@touch $@
endef

# The tests' own packages are small and come along, so that `make test` needs no network after `make lab`.
.venv/ready: pyproject.toml locks/lab.txt $(VENV_PYTHON)
	@echo "Installing the lab into .venv (only now, and when its versions change) ..."
	$(call install,lab)

# What only beyond/3 needs. Without a network the notebooks open all the same, and that one says what it lacks.
.venv/ready-for-notebooks: .venv/ready locks/template.txt
	@if $(PIP) --require-hashes -r locks/template.txt; then touch $@; \
	else echo "cfn-lint could not be fetched; only beyond/3 misses it. The next make notebooks tries again." >&2; fi

.venv/ready-to-lint: .venv/ready locks/lint.txt
	$(call install,lint)

.venv/ready-for-all: .venv/ready-to-lint locks/all.txt
	$(call install,all)

# An environment remembers where it stands; one that was moved or copied is made anew.
MADE_IN := $(shell cat .venv/made-in 2>/dev/null)
ifneq ($(MADE_IN),)
ifneq ($(MADE_IN),$(CURDIR))
.PHONY: $(VENV_PYTHON)
endif
endif

$(VENV_PYTHON):
	@if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; \
	else set -- python3 python3.14 python3.13 python3.12 python3.11; fi; \
	wanted=$$1; found=; \
	for python do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    found=$$python; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  version=$$("$$wanted" --version 2>&1) && version="is $$version" || version="is not there"; \
	  echo "Python 3.11 or newer is needed, and $$wanted $$version: install one, or name it: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "$$found has no venv module: install it (Debian, Ubuntu: sudo apt-get install python3-venv), or name another Python: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	"$$found" -m venv --clear .venv && printf '%s\n' "$(CURDIR)" > .venv/made-in
