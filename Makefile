# Everything sets itself up: the virtual environment is made once, in .venv, and reused.
PYTHON ?= python3
ARGS ?=
# What is installed beside the package: dev is enough; tests of the other extras skip without them.
EXTRAS ?= dev

.PHONY: train test lint format bench clean

train: .venv/installed
	.venv/bin/python train.py $(ARGS)

# Two processes, each with whole files: what the tests of a file share is made once.
test: .venv/installed
	.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: .venv/installed
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The mark is written last, so that an installation that was interrupted is taken up again.
.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("contractive needs Python 3.11 or newer; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@
