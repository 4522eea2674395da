# Everything a person types. A target sets up what it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests wait for processes most of the time, so two at once take little longer than one.
SIDE_BY_SIDE := --numprocesses 2 --dist loadscope
OUT ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: demo demo-digits test check sample digits setup clean

demo: $(VENV)/.user sample  ## train on simulated cameras with two local generators
	$(BIN)/python train_zmq.py --task camera --links data/sample --model smallcnn --highpass --patch 64 --manipulated 0.3 \
		--batch-size 64 --val-patches-per-visit 4 --epochs 8 \
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

sample: $(VENV)/.user  ## photos of simulated cameras, in data/sample
	$(BIN)/python -m lib.tasks.sample --out data/sample

digits: $(VENV)/.sample  ## scikit-learn's handwritten digits as MNIST's files, in data/digits
	$(BIN)/python -m lib.tasks.sample_digits --out data/digits

setup: $(VENV)/.user

$(VENV)/.user: requirements.txt requirements-generator.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.sample: $(VENV)/.user requirements-sample.txt
	$(BIN)/pip install --quiet -r requirements-sample.txt
	touch $@

$(VENV)/.dev: $(VENV)/.user requirements-dev.txt
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

$(VENV)/.rivals: $(VENV)/.dev bench/requirements.txt
	$(BIN)/pip install --quiet -r bench/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) data runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
