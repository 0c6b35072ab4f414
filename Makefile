PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help install train test slow lint clean

help:
	@echo "make train   train the photonic network on the embedded digits (ARGS='--epochs 5' passes options on)"
	@echo "make test    install and run the tests"
	@echo "make slow    run the tests that take minutes"
	@echo "make lint    formatting, style, types, and who may import whom"
	@echo "make install make the virtual environment in $(VENV)"
	@echo "make clean   remove the virtual environment"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("photonic-ep needs Python 3.11 or newer")'
	@echo "==> making the virtual environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	@echo "==> installing the toolkit and all extras: some minutes and 3 GB the first time"
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[all]'
# Without what it asks for: a drawing library that needs a compiler, for pictures that nobody draws here.
	$(BIN)/python -m pip install --constraint constraints.txt --no-deps badcrossbar
	@touch $@

train: install
	@echo "==> training the photonic network: about a minute, controls included"
	$(BIN)/python experiments/train.py $(ARGS)

test: install
	@echo "==> running the tests: a few minutes"
	$(BIN)/python -m pytest -n auto $(ARGS)

slow: install
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: install
	@echo "==> formatting, style, types, imports"
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV)
