# Each command sets up .venv on first use, with nothing but Python's own venv and pip.
.PHONY: demo test faults soak blender-envs blender-smoke ticks gui-test check fmt bench package lock clean
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
JOBS ?= 2

# What `secondtake` needs, and what developing it needs.
RUN := .venv/.run
DEV := .venv/.dev
LOCK := installers/requirements.lock
# What the diffusion engines need, for their tests; `make test DIFFUSION=` leaves it out, and then pytest says what it
# skips. The version of torch is fixed, its build is pip's choice: where an index of CPU builds or a folder of wheels is
# set up for pip, it takes the one from there; on Linux the plain index has the one for CUDA, several GB.
DIFFUSION := .venv/.diffusion
DIFFUSION_LOCK := installers/diffusion.lock
TORCH := torch==2.13.0

demo: $(RUN)  ## Fix a real shot, verify it, and write a before/after picture and movie to out/demo.
	@SECONDTAKE_HOME=$(CURDIR)/out/home $(BIN)/secondtake demo --out out/demo; status=$$?; \
	SECONDTAKE_HOME=$(CURDIR)/out/home $(BIN)/secondtake daemon stop >/dev/null; exit $$status

test: $(DEV) $(DIFFUSION)  ## All tests.
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile

faults: $(DEV)  ## The long fault runs, 12 minutes; docs/reliability.md.
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile -m faults

soak: $(DEV)  ## A quarter of an hour of ordinary work: nothing may grow.
	@$(BIN)/pytest -q -s -m soak

blender-envs: $(DEV)  ## Real Blenders for tests/blender, into .bpy/; BLENDER="4.2 4.5 5.0 5.2" chooses.
	@$(BIN)/python tests/blender/environments.py $(BLENDER)

blender-smoke: $(DEV)  ## The shortest way through one real Blender, which is set up first: 1 GB, two minutes.
	@export SECONDTAKE_BPY=$(CURDIR)/build/bpy; if $(BIN)/python tests/blender/environments.py 4.5; then \
	$(BIN)/pytest -q tests/blender/test_addon.py tests/blender/test_inside.py -k '4.5 and $(SHORTEST)'; fi
SHORTEST = (registers or strip_to_strip or movie_strips or check_mask_is_registered)

ticks: $(DEV)  ## How long the add-on holds Blender up, on a quiet machine; docs/blender.md.
	@$(BIN)/pytest -q -s -m timed tests/blender

gui-test: $(DEV)  ## The add-on in a real Blender's window, on a screen of its own; docs/blender.md.
	@$(BIN)/python tests/blender/gui/window.py $(GUI_ARGS)

check: $(DEV)  ## Format, lint, types, import layers, dependencies.
	@$(BIN)/ruff format --check --quiet . || { echo 'Run: make fmt'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports >.venv/imports.log || { cat .venv/imports.log; exit 1; }
	@$(BIN)/python installers/audit.py

fmt: $(DEV)  ## Put the code into its form.
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format --quiet .

bench: $(DEV)  ## Benchmarks: a table on stderr, JSON as the last line of stdout; docs/performance.md and docs/pictures.md.
	@$(BIN)/python tests/bench/pictures.py
	@$(BIN)/python tests/bench/run.py --write

package: $(DEV)  ## Build what can be installed, into dist/.
	@$(BIN)/python installers/build.py

lock: $(DEV)  ## Pin what the product needs anew, by hash: the newest versions that pyproject.toml allows.
	@$(PIP) install 'uv>=0.8'
	@{ head -2 $(LOCK); $(COMPILE) --upgrade pyproject.toml; } >$(LOCK).new && mv $(LOCK).new $(LOCK)
	@echo '$(TORCH)' >.venv/torch.txt
	@$(COMPILE) --upgrade --extra diffusion --constraint $(LOCK) --override .venv/torch.txt pyproject.toml >.venv/all.lock
	@{ head -3 $(DIFFUSION_LOCK); awk '$(MORE)' $(LOCK) .venv/all.lock; } >$(DIFFUSION_LOCK).new && mv $(DIFFUSION_LOCK).new $(DIFFUSION_LOCK)

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11
# Of the second file, what the first does not pin; without torch and the parts of CUDA that its builds bring along.
MORE = FNR == NR { if (/^[a-z]/) pinned[$$1]; next } /^[a-z]/ { keep = !($$1 in pinned) && !/^(torch|triton|nvidia|cuda)[-=]/ } keep

clean:  ## Remove what was made here; .venv stays.
	@rm -rf build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find shared daemon plugins tests installers -name __pycache__ -type d -exec rm -rf {} +

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo 'Second Take needs Python 3.11 or newer. Install it, or say make PYTHON=/path/to/python.'; exit 1; fi
	@echo 'Setting up .venv (once)'
	@$(PYTHON) -m venv .venv || { echo 'Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv'; exit 1; }

$(RUN): pyproject.toml $(LOCK) | .venv/bin/python
	@$(PIP) install --require-hashes --requirement $(LOCK)
	@$(PIP) install --editable .
	@touch $@

$(DEV): pyproject.toml $(LOCK) | .venv/bin/python
	@$(PIP) install --require-hashes --requirement $(LOCK)
	@$(PIP) install --editable '.[dev]'
	@touch $@ $(RUN)

$(DIFFUSION): pyproject.toml $(DIFFUSION_LOCK) Makefile | $(DEV)
	@echo 'Setting up torch and diffusers for the tests (once; make test DIFFUSION= goes without)'
	@$(PIP) install --no-deps --require-hashes --requirement $(DIFFUSION_LOCK)
	@$(PIP) install '$(TORCH)'
	@touch $@
