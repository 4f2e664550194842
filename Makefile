# make setup   everything for development into .venv
# make demo    render the example song and its report (installs only what that needs); demo-metres:
#              songs in 3/4, 6/8 and 2/4
# make test    run the tests (test-slow: those that take long; test-all: both)
# make check   lint, types, import contracts
# make docs    API reference in build/docs        make pictures   draw the architecture anew
# make bench   measure, write docs/benchmarks.md
# make mutate  break the code on purpose and see that a test fails (tools/mutate.py)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-out
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: setup demo demo-metres test test-slow test-all check docs pictures bench mutate clean
.DELETE_ON_ERROR:

setup: $(VENV)/.all

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "milonga needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 demo"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Setting up milonga in $(VENV) ..."
	$(PIP) -e '.[guide,web]'
	@touch $@

$(VENV)/.all: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Setting up milonga, its extras and the test tools in $(VENV) ..."
	$(PIP) -e '.[all]' --group test --group check --group docs
	@# NVIDIA's own code, which the tests compare ours with. What it lists, it doesn't need here.
	$(PIP) --no-deps bigvgan==2.4.1
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/milonga render examples/whispers/song.yaml --with guide --out $(DEMO)
	@echo "To see and hear it on a page:  $(BIN)/milonga web $(DEMO)"

# A waltz with given chords, a ballad in 6/8, a milonga in 2/4 with a spoken intro.
demo-metres: $(VENV)/.demo
	for song in vals ballad milonga; do \
	  $(BIN)/milonga render examples/metres/$$song.yaml --out $(DEMO)/$$song && \
	  $(BIN)/milonga mix $(DEMO)/$$song -o $(DEMO)/$$song.mp3 --ring 3 --force || exit 1; \
	done

test: $(VENV)/.all
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(VENV)/.all
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

test-all: $(VENV)/.all
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/.all
	$(BIN)/ruff check src tests bench docs tools
	$(BIN)/ruff format --check src tests bench docs tools
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.all
	$(BIN)/python docs/make_reference.py

pictures: $(VENV)/.all
	$(BIN)/python docs/pictures/make_architecture_picture.py

bench: $(VENV)/.all
	$(BIN)/python -m bench

mutate: $(VENV)/.all
	$(BIN)/python tools/mutate.py

clean:
	rm -rf $(VENV) $(DEMO) build dist
