# `make demo` and `make test` need nothing but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1
# uv trusts the machine's own certificates, as pip does.
export UV_SYSTEM_CERTS ?= true

.PHONY: demo test check format clean

demo: .venv/installed
	$(BIN)/prd run --recipe miniature

test: .venv/installed
	$(BIN)/python -m pytest

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Versions are pinned in constraints.txt; uv installs them in seconds where pip takes minutes.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q -x '/\.' .
	touch $@

clean:
	rm -rf .venv runs build *.egg-info
