# make demo: set up, then run the FCN grid with three seeds on the embedded scenes and print its tables and verdicts.
# make test: set up, then lint, types and tests.
# make fuzz: damaged files and odd command lines through everything that reads them, 10,000 cases.
# make soak: the tests that take minutes each, then sweeps that are killed, stopped and run twice at once at random
#   moments, 200 times; an hour.
# make readme: the demo with three seeds, its report, and its tables and pictures into the README.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test fuzz soak lint lock readme clean

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --compile-bytecode --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/python sweeps/fcn_grid.py --demo --seeds 3
	$(BIN)/python -m analysis report runs/demo/studies/fcn_grid

readme: setup
	$(BIN)/python sweeps/fcn_grid.py --demo --seeds 3
	$(BIN)/python -m analysis report runs/demo/studies/fcn_grid
	$(BIN)/python docs/refresh.py runs/demo/studies/fcn_grid

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

fuzz: setup
	$(BIN)/python -m tests.fuzz --cases 10000

soak: setup
	$(BIN)/python -m pytest -m soak
	$(BIN)/python -m tests.faults.soak --disturbances 200

# Exact versions for every platform, without addresses.
lock: setup
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra models --extra export --extra track --extra mirror --universal --upgrade --quiet --no-header --no-annotate \
		--no-emit-index-url --output-file requirements.lock

clean:
	rm -rf .venv runs
