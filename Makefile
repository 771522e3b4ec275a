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

# The Python client, and the Python that its tests and tools run with.
PYTHON := clients/python
RUFF_SCOPE := --config pyproject.toml . ../../examples ../../bench/python

SOURCES := $(shell find lib services workers cli bench test protos/gen -name '*.ts' 2>/dev/null)

.PHONY: help run test build lint proto bench bench-serve bench-download bench-train clean setup tools python-tools turbojpeg coverage native-cpu native-gpu \
	swiftshader bench-python bench-prepare bench-prepare-memory bench-serve-soak bench-serve-cold

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## the main job, end to end: download, shards, batches, training (DATASET=sample or ilsvrc2012-sample)
	@node dist/cli/main.js run $(DATASET) --root $(ROOT)

# Mocha keeps one core busy. What pytest says comes behind it, in one piece.
test: build tools python-tools swiftshader ## all tests
	@said=$$(mktemp); (cd $(PYTHON) && exec .venv/bin/pytest) >$$said 2>&1 & pytest=$$!; \
		trap 'kill $$pytest 2>/dev/null || :; rm -f $$said' EXIT; \
		failed=0; $(with_vulkan) $(BIN)/mocha || failed=1; \
		wait $$pytest || failed=1; cat $$said; exit $$failed

build: dist/.stamp dist/lib/pixels/kernels.wasm dist/lib/pixels/sample-kernels.wasm turbojpeg ## compile, with everything that needs installing

lint: node_modules/.stamp python-tools ## types, style, who imports whom, deployment files, and whether generated code is up to date
	$(call need,docker-compose,docker-compose)
	$(BIN)/tsc -p . --noEmit
	$(BIN)/tsc -p lib/pixels/kernels --noEmit
	$(BIN)/eslint .
	$(BIN)/prettier --check --log-level warn .
	$(BIN)/depcruise --config .dependency-cruiser.cjs cli lib services workers bench test
	$(BIN)/buf lint
	@fresh=$$(mktemp -d); $(BIN)/buf generate -o $$fresh; diff -r $$fresh/protos/gen protos/gen \
		|| { echo 'protos/gen is not what protos/ says: run "make proto" and commit' >&2; exit 1; }; rm -r $$fresh
	@fresh=$$(mktemp -d); $(call python-stubs,$$fresh); diff -r -x __pycache__ $$fresh/millrace/v1 $(PYTHON)/src/millrace/v1 \
		|| { echo '$(PYTHON)/src/millrace/v1 is not what protos/ says: run "make proto" and commit' >&2; exit 1; }; rm -r $$fresh
	cd $(PYTHON) && .venv/bin/ruff check $(RUFF_SCOPE) && .venv/bin/ruff format --check $(RUFF_SCOPE) && .venv/bin/mypy
	$(BIN)/dockerfilelint deploy/Dockerfile
	docker-compose -f deploy/compose/docker-compose.yml config -q

proto: node_modules/.stamp python-tools ## generate code from protos/
	$(BIN)/buf lint
	$(BIN)/buf generate
	$(call python-stubs,$(PYTHON)/src)

bench: build ## benchmarks of order, pixels and serving, into bench/results/
	@node dist/bench/main.js order pixels
	@$(MAKE) --no-print-directory bench-serve

bench-serve: build tools ## serving: the kernel, the whole way, shared batches, JPEG records
	@node dist/bench/main.js serve-kernel serve serve-shared serve-jpeg

bench-serve-soak: build ## a server through 200 epochs, while other clients come and vanish (about four minutes)
	@node dist/bench/main.js serve-soak

bench-serve-cold: build ## serving what the page cache does not have, in each order (minutes, by the disk; 2.4 GB in TMPDIR)
	@node dist/bench/main.js serve-cold

bench-download: build ## the downloader beside curl, wget and aria2c (about ten minutes)
	$(call need,curl,curl)
	$(call need,wget,wget)
	$(call need,aria2c,aria2)
	$(call need,nginx,nginx-light)
	$(call need,/usr/bin/time,time)
	@node dist/bench/main.js download

bench-train: build ## training on each backend, CIFAR-10 through the whole service (half an hour; data in MILLRACE_TEST_DATA)
	@node dist/bench/main.js train

# Native TensorFlow, in a folder of its own. LIBTENSORFLOW=pip takes PyPI's library, LIBTENSORFLOW=<folder> one that is there.
native-cpu: ## native TensorFlow for the trainer, on CPUs (README, Backends)
	@$(NODE_HEADERS) native/install.sh cpu "$(LIBTENSORFLOW)"

native-gpu: ## native TensorFlow for the trainer, on NVIDIA's GPUs with CUDA
	@$(NODE_HEADERS) native/install.sh gpu "$(LIBTENSORFLOW)"

bench-prepare: build tools ## prepare beside OpenCV + py-lmdb, and what C can do (about five minutes)
	$(call need,gcc,gcc)
	$(call need,/usr/bin/time,time)
	@node dist/bench/main.js prepare

bench-prepare-memory: build ## whether a worker's memory stays what it is over 100,000 images (about two minutes)
	@node dist/bench/main.js prepare-memory

bench-python: build python-tools .build/bench-torch/.stamp .build/bench-tensorflow/.stamp ## the Python client beside tf.data service and other loaders
	@$(PYTHON)/.venv/bin/python bench/python/main.py

# A peer that does not install on this machine is left out of the table.
.build/bench-%/.stamp: bench/python/requirements-%.txt
	$(need-venv)
	python3 -m venv .build/bench-$*
	.build/bench-$*/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

coverage: build tools swiftshader ## all tests, with coverage of lines
	@$(with_vulkan) $(BIN)/c8 --src . --include 'dist/**' --exclude 'dist/test/**' $(BIN)/mocha

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
dist/lib/pixels/sample-kernels.wasm: node_modules/.stamp $(wildcard lib/pixels/kernels/*.ts lib/pixels/kernels/samples/*)
	$(BIN)/asc --config lib/pixels/kernels/samples/asconfig.json
	@touch $@

# Decoding goes twice as fast with libturbojpeg; without it sharp decodes, to the same pixels.
turbojpeg:
	@ldconfig -p 2>/dev/null | grep -q 'libturbojpeg\.so\.0' || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			echo 'installing libturbojpeg0'; apt-get update -qq >/dev/null 2>&1 || true; \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libturbojpeg0 >/dev/null || true; \
		else echo 'libturbojpeg.so.0 is not here: decoding will take twice as long (Debian: sudo apt-get install libturbojpeg0)'; fi; }

# A Vulkan driver in software, out of Debian's chromium: the WebGPU backend is tested with it where there is no GPU. Nothing is
# installed; without it those tests say that they are left out.
SWIFTSHADER := $(CURDIR)/.build/swiftshader
with_vulkan = $$([ ! -e $(SWIFTSHADER)/vk_swiftshader_icd.json ] \
	|| echo env LD_LIBRARY_PATH=$(SWIFTSHADER) VK_ICD_FILENAMES=$(SWIFTSHADER)/vk_swiftshader_icd.json)

swiftshader:
	@[ -e $(SWIFTSHADER)/vk_swiftshader_icd.json ] || ! command -v apt-get >/dev/null 2>&1 || ( \
		echo 'fetching SwiftShader'; mkdir -p $(SWIFTSHADER)/deb; cd $(SWIFTSHADER)/deb; \
		if [ "$$(id -u)" = 0 ]; then apt-get update -qq >/dev/null 2>&1 || true; fi; \
		apt-get download -qq chromium-common >/dev/null 2>&1 \
			&& dpkg-deb --fsys-tarfile chromium-common_*.deb | tar -x -C .. --strip-components=4 --wildcards \
				'*/libvk_swiftshader.so' '*/libvulkan.so.1' '*/vk_swiftshader_icd.json' \
			|| echo 'SwiftShader could not be fetched: the WebGPU backend is tested on a GPU alone'; \
		rm -rf $(SWIFTSHADER)/deb )

# What only root can install it installs; otherwise it says in one line what is missing.
define need
	@command -v $(1) >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			echo "installing $(2)"; apt-get update -qq >/dev/null 2>&1 || true; \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(2) >/dev/null; \
		else echo 'missing: $(1); install it (Debian: sudo apt-get install $(2))' >&2; exit 1; fi; }
endef

# Messages only: the client makes its calls itself, so as not to copy pixels.
define python-stubs
$(PYTHON)/.venv/bin/python -m grpc_tools.protoc -I protos --python_out=$(1) --pyi_out=$(1) millrace/v1/batch.proto
endef

define need-venv
$(call need,python3,python3)
@python3 -m venv --help >/dev/null 2>&1 && python3 -c 'import ensurepip' 2>/dev/null || { \
	[ "$$(id -u)" = 0 ] && apt-get install -y -qq python3-venv >/dev/null; }
endef

setup: node_modules/.stamp ## install everything that running needs

node_modules/.stamp: package.json package-lock.json native/patch-lmdb.js
	@command -v node >/dev/null 2>&1 || { echo 'missing: Node.js 20.19 or newer; see https://nodejs.org' >&2; exit 1; }
	@node -e "const [a, b] = process.versions.node.split('.').map(Number); if (a < 20 || (a === 20 && b < 19)) \
		{ console.error('missing: Node.js 20.19 or newer; this is ' + process.version); process.exit(1); }"
	$(call need,g++,g++)
	$(call need,python3,python3)
	npm ci --ignore-scripts --no-audit --no-fund
# Caffe and every other LMDB tool read data format v1; the prebuilt library writes v2.
	node native/patch-lmdb.js
	LMDB_DATA_V1=true npm_config_build_from_source=true $(NODE_HEADERS) npm rebuild lmdb 2>/dev/null
	@touch $@

# Tools that tests compare with: mdb_stat, Python's lmdb, OpenCV.
tools: .venv/.stamp
	$(call need,mdb_stat,lmdb-utils)

.venv/.stamp: test/requirements.txt
	$(need-venv)
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r test/requirements.txt
	@touch $@

python-tools: $(PYTHON)/.venv/.stamp

$(PYTHON)/.venv/.stamp: $(PYTHON)/pyproject.toml $(PYTHON)/tests/requirements.txt
	$(need-venv)
	python3 -m venv $(PYTHON)/.venv
	$(PYTHON)/.venv/bin/pip install --quiet --disable-pip-version-check -e $(PYTHON) -r $(PYTHON)/tests/requirements.txt
	@touch $@
