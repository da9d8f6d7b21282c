# The two commands of the README are `make demo` and `make test`; each sets itself up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CACHE ?= $(or $(DOUBLEGATE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/doublegate)
UV_VERSION := 0.13.9
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
PYTHON ?= python3
RUN := .venv/bin/python -m

# Tests create and delete: a KUBECONFIG of the shell, which may be production's, is not meant by it.
CHOSEN := $(if $(filter command line,$(origin KUBECONFIG)),$(abspath $(KUBECONFIG)))

.PHONY: help setup format check render unit integration fault-selection test demo faults bench bench-peers bench-operator bench-flow cluster cluster-down images cluster-test operator-test clean

help:  ## this page
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# By version, so it is made once however many clones there are; never cleared under one that uses it.
$(UV): | tools/uv.txt
	@echo "setup: uv $(UV_VERSION) into $(CACHE)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(CACHE)/uv-$(UV_VERSION)
	@$(CACHE)/uv-$(UV_VERSION)/bin/pip --quiet install --require-hashes --requirement tools/uv.txt

.venv/.synced: | $(UV)
.venv/.synced: pyproject.toml consumer_image/pyproject.toml operator/pyproject.toml infra/pyproject.toml uv.lock
	@echo "setup: Python packages into .venv"
	@$(UV) sync --locked --python $(PYTHON)
	@touch $@

setup: .venv/.synced  ## build the environment in .venv

format: setup  ## format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix-only --quiet .

check: setup  ## format, lint, types, import layers, generated files, secrets
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) mypy --explicit-package-bases infra
	.venv/bin/lint-imports
	$(RUN) tools.crds --check
	$(RUN) tools.render --check
	git ls-files -z | xargs -0 .venv/bin/detect-secrets-hook --baseline .secrets.baseline

render: setup  ## write the trees of deploy/gitops anew, from the Pulumi program
	$(RUN) tools.render

unit: setup  ## unit and property tests, no server
	$(RUN) pytest tests/unit

integration: setup  ## tests on the real servers
	$(RUN) pytest tests/integration --reruns 1

fault-selection: setup  ## a few schedules of injected failures, and builds that the checker must catch
	$(RUN) pytest tests/faults --reruns 1

test: check unit integration fault-selection  ## everything a change must pass

demo: setup  ## the whole way of an event on real servers (TRACES=off skips Jaeger)
	.venv/bin/doublegate demo $(if $(filter off,$(TRACES)),--no-traces) $(DEMO)

SCHEDULES ?= 10
faults: setup  ## random schedules of injected failures: SCHEDULES=n SEED=s; the report goes into build/
	$(RUN) tests.faults --schedules $(SCHEDULES) $(if $(SEED),--seed $(SEED)) $(if $(filter off,$(TRACES)),--no-traces)

bench: setup  ## the figures of the README, into build/
	$(RUN) tests.benchmarks

bench-peers: setup  ## the same, against usual libraries in an environment of their own
	$(RUN) tests.benchmarks.peers

bench-operator: setup  ## 200 resources on a real API server: from cold, after a restart, after drift
	$(RUN) tests.benchmarks.operators

bench-flow: setup  ## a spike into ten groups, one of them slow, then a downstream that degrades: FLOW="--rate 50" on a busy machine
	$(RUN) tests.benchmarks.flow $(FLOW)

cluster: setup  ## a real Kubernetes cluster of one node here; root on Linux, no container engine
	$(RUN) tools.cluster up

cluster-down: setup  ## stop it, remove all of it but its logs
	$(RUN) tools.cluster down

images: setup  ## build the container images, load them into the cluster if it runs
	$(RUN) tools.cluster images

operator-test: setup  ## the operator and its charts on a real API server, which the first run compiles
	$(RUN) pytest tests/operator --reruns 1

cluster-test: setup  ## tests on that cluster, or by KUBECONFIG=... on another, with IMAGES="name=reference ..."
	$(if $(CHOSEN),,$(RUN) tools.cluster up && $(RUN) tools.cluster images)
	DOUBLEGATE_TEST_CLUSTER=required DOUBLEGATE_TEST_KUBECONFIG=$(CHOSEN) DOUBLEGATE_TEST_IMAGES="$(IMAGES)" \
	  $(RUN) pytest tests/cluster --reruns 1

clean:  ## remove the environment and what builds left here
	rm -rf .venv build .hypothesis .mypy_cache .ruff_cache
