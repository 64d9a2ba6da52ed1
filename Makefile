# demo: the main job on a real photo · test: what CI runs · lint: style and types · bench: seconds and memory at 4K
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PHOTO := examples/picosdeeuropa_by_Aitzol_Berasategi.jpg

.PHONY: demo test lint bench clean
.DEFAULT_GOAL := demo

.venv/core: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/dev: .venv/core
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: .venv/core
	$(BIN)/hyperfocal predict $(PHOTO) --out out --formats exr,png,color --overwrite

test: .venv/dev
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy

bench: .venv/core
	$(BIN)/hyperfocal bench --model nano --size 3840x2160

clean:
	rm -rf .venv out
