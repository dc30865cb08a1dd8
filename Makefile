# `make demo`, `make test`, `make lint`: each makes .venv and installs what it needs. `make -j 2 test` compiles the
# kernels while it lints.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint kernels slow benchmark clean

demo: .venv/.installed
	$(BIN)/taplab demo -o out/demo

# Two processes, one thread each: threads of two torches fight for the cores.
test: lint kernels
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

# Else both processes compile them in the tests that come first.
kernels: .venv/.installed-dev
	$(BIN)/taplab doctor

slow: .venv/.installed-dev
	$(BIN)/python -m pytest -q -m slow

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: .venv/.installed
	$(BIN)/python benchmarks/stages.py
	$(BIN)/taplab bench

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache
