# Everything a person types. A target sets up what it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt --editable
# Tests wait for processes most of the time, so two at once take little longer than one.
SIDE_BY_SIDE := --numprocesses 2 --dist loadscope
OUT ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: demo demo-digits test check docs sample digits setup upgrade clean

demo: $(VENV)/.user sample  ## train on simulated cameras with two local generators
	$(BIN)/python train_zmq.py --task camera --links data/sample --model smallcnn --highpass --patch 64 --manipulated 0.3 \
		--batch-size 64 --val-patches-per-visit 4 --epochs 14 --schedule cosine \
		--generators 2 --hash --out $(OUT) $(DEMO)

demo-digits: $(VENV)/.user digits  ## train on real handwritten digits with two local generators
	$(BIN)/python train_zmq.py --task digits --links data/digits --model smallcnn --epochs 12 \
		--generators 2 --hash --out $(OUT) $(DEMO)

test: check $(VENV)/.rivals  ## every check and every test, the slow ones too
	$(BIN)/python -m pytest -m slow $(SIDE_BY_SIDE)

check: $(VENV)/.dev  ## what must pass before a commit: format, lint, types, layers, quick tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

docs: $(VENV)/.dev  ## the site of the pages, with an API reference, in site/
	$(BIN)/mkdocs build --strict

sample: $(VENV)/.user  ## photos of simulated cameras, in data/sample
	$(BIN)/python -m pushfit samples --out data/sample

digits: $(VENV)/.sample  ## scikit-learn's handwritten digits as MNIST's files, in data/digits
	$(BIN)/python -m pushfit samples digits --out data/digits

setup: $(VENV)/.user  ## the environment in .venv, with what a trainer needs

$(VENV)/.user: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[train]'
	touch $@

$(VENV)/.sample: $(VENV)/.user
	$(INSTALL) '.[train,sample]'
	touch $@

$(VENV)/.dev: $(VENV)/.user
	$(INSTALL) '.[dev]'
	touch $@

$(VENV)/.rivals: $(VENV)/.dev
	$(INSTALL) '.[bench]'
	touch $@

upgrade:  ## write the newest versions that the requirements allow into constraints.txt
	rm -rf $(VENV)-upgrade
	$(PYTHON) -m venv $(VENV)-upgrade
	$(VENV)-upgrade/bin/pip install --quiet --editable '.[bench]'
	(grep '^#' constraints.txt; $(VENV)-upgrade/bin/pip freeze --exclude-editable | sed 's/+cpu$$//') >constraints.new
	mv constraints.new constraints.txt
	rm -rf $(VENV)-upgrade

clean:
	rm -rf $(VENV) data runs site .mypy_cache .ruff_cache .pytest_cache .hypothesis
