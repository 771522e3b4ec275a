# Millrace. `make help` lists the targets; each one installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

DATASET ?= sample
ROOT ?= .millrace
export MILLRACE_TEST_DATA ?= ../shared/data

BIN := node_modules/.bin
# Node's headers, where an installation carries them: then building the native part of lmdb needs no download.
NODE_PREFIX := $(shell node -p "require('path').dirname(require('path').dirname(process.execPath))" 2>/dev/null)
NODE_HEADERS := $(if $(wildcard $(NODE_PREFIX)/include/node/node.h),npm_config_nodedir=$(NODE_PREFIX),)

SOURCES := $(shell find lib services workers cli bench test protos/gen -name '*.ts' 2>/dev/null)

.PHONY: help run test build lint proto bench bench-download clean setup tools turbojpeg coverage

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## the main job, end to end: download, shards, batches, training (DATASET=sample or ilsvrc2012-sample)
	@node dist/cli/main.js run $(DATASET) --root $(ROOT)

test: build tools ## all tests
	@$(BIN)/mocha

build: dist/.stamp dist/lib/pixels/kernels.wasm dist/lib/pixels/sample-kernels.wasm turbojpeg ## compile, with everything that needs installing

lint: node_modules/.stamp ## types, style, who imports whom, deployment files, and whether generated code is up to date
	$(call need,docker-compose,docker-compose)
	$(BIN)/tsc -p . --noEmit
	$(BIN)/tsc -p lib/pixels/kernels --noEmit
	$(BIN)/eslint .
	$(BIN)/prettier --check --log-level warn .
	$(BIN)/depcruise --config .dependency-cruiser.cjs cli lib services workers bench test
	$(BIN)/buf lint
	@fresh=$$(mktemp -d); $(BIN)/buf generate -o $$fresh; diff -r $$fresh/protos/gen protos/gen \
		|| { echo 'protos/gen is not what protos/ says: run "make proto" and commit' >&2; exit 1; }; rm -r $$fresh
	$(BIN)/dockerfilelint deploy/Dockerfile
	docker-compose -f deploy/compose/docker-compose.yml config -q

proto: node_modules/.stamp ## generate code from protos/
	$(BIN)/buf lint
	$(BIN)/buf generate

bench: build ## benchmarks of order, pixels and serving, into bench/results/
	@node dist/bench/main.js order pixels serve

bench-download: build ## the downloader beside curl, wget and aria2c (about ten minutes)
	$(call need,curl,curl)
	$(call need,wget,wget)
	$(call need,aria2c,aria2)
	$(call need,nginx,nginx-light)
	$(call need,/usr/bin/time,time)
	@node dist/bench/main.js download

coverage: build tools ## all tests, with coverage of lines
	@$(BIN)/c8 --src . --include 'dist/**' --exclude 'dist/test/**' $(BIN)/mocha

clean: ## remove what was built (not node_modules, not data)
	rm -rf dist coverage

dist/.stamp: node_modules/.stamp tsconfig.json $(SOURCES)
	$(BIN)/tsc -p .
	@touch $@

# The inner loops of resizing, AssemblyScript to WebAssembly.
dist/lib/pixels/kernels.wasm: node_modules/.stamp $(wildcard lib/pixels/kernels/*.*)
	$(BIN)/asc --config lib/pixels/kernels/asconfig.json
	@touch $@

# That of batch assembly, in memory that threads share.
dist/lib/pixels/sample-kernels.wasm: node_modules/.stamp $(wildcard lib/pixels/kernels/samples/*)
	$(BIN)/asc --config lib/pixels/kernels/samples/asconfig.json
	@touch $@

# Decoding goes twice as fast with libturbojpeg; without it sharp decodes, to the same pixels.
turbojpeg:
	@ldconfig -p 2>/dev/null | grep -q 'libturbojpeg\.so\.0' || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			echo 'installing libturbojpeg0'; apt-get update -qq >/dev/null 2>&1 || true; \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libturbojpeg0 >/dev/null || true; \
		else echo 'libturbojpeg.so.0 is not here: decoding will take twice as long (Debian: sudo apt-get install libturbojpeg0)'; fi; }

# What only root can install it installs; otherwise it says in one line what is missing.
define need
	@command -v $(1) >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			echo "installing $(2)"; apt-get update -qq >/dev/null 2>&1 || true; \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(2) >/dev/null; \
		else echo 'missing: $(1); install it (Debian: sudo apt-get install $(2))' >&2; exit 1; fi; }
endef

setup: node_modules/.stamp ## install everything that running needs

node_modules/.stamp: package.json package-lock.json
	@command -v node >/dev/null 2>&1 || { echo 'missing: Node.js 20.19 or newer; see https://nodejs.org' >&2; exit 1; }
	@node -e "const [a, b] = process.versions.node.split('.').map(Number); if (a < 20 || (a === 20 && b < 19)) \
		{ console.error('missing: Node.js 20.19 or newer; this is ' + process.version); process.exit(1); }"
	$(call need,g++,g++)
	$(call need,python3,python3)
	npm ci --ignore-scripts --no-audit --no-fund
# Caffe and every other LMDB tool read data format v1; the prebuilt library writes v2.
	LMDB_DATA_V1=true npm_config_build_from_source=true $(NODE_HEADERS) npm rebuild lmdb 2>/dev/null
	@touch $@

# Tools that tests compare with: mdb_stat, Python's lmdb, OpenCV.
tools: .venv/.stamp
	$(call need,mdb_stat,lmdb-utils)

.venv/.stamp: test/requirements.txt
	$(call need,python3,python3)
	@python3 -m venv --help >/dev/null 2>&1 && python3 -c 'import ensurepip' 2>/dev/null || { \
		[ "$$(id -u)" = 0 ] && apt-get install -y -qq python3-venv >/dev/null; }
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r test/requirements.txt
	@touch $@
